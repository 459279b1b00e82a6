-- Columns of a table that are not ours, in order. Generated ones follow from others: nobody carries them.
SELECT
    attribute.attname AS column_name,
    format_type(attribute.atttypid, attribute.atttypmod) AS sql_type,
    attribute.attnotnull AS is_required,
    pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid) AS default_value
FROM pg_attribute AS attribute
LEFT JOIN pg_attrdef
    ON attribute.attrelid = pg_attrdef.adrelid AND attribute.attnum = pg_attrdef.adnum
WHERE
    attribute.attrelid = to_regclass(%(table)s)
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
    AND attribute.attgenerated = ''
    AND attribute.attname <> all(%(own)s)
ORDER BY attribute.attnum;
