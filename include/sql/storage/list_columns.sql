-- Columns of a table in order, with their SQL types; no row if the table does not exist.
SELECT
    attribute.attname AS column_name,
    upper(format_type(attribute.atttypid, attribute.atttypmod)) AS sql_type
FROM pg_attribute AS attribute
WHERE
    attribute.attrelid = to_regclass(%(table)s)
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
ORDER BY attribute.attnum;
