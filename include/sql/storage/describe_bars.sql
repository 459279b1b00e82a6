-- Columns and SQL types of the tables that minute bars are in; a table that does not exist has no row.
SELECT
    asked.table_name,
    attribute.attname AS column_name,
    upper(format_type(attribute.atttypid, attribute.atttypmod)) AS sql_type
FROM unnest(%(tables)s::TEXT[]) AS asked (table_name)
INNER JOIN pg_attribute AS attribute
    ON attribute.attrelid = to_regclass(format('%%I.%%I', %(schema)s::TEXT, asked.table_name))
WHERE attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY asked.table_name, attribute.attnum;
