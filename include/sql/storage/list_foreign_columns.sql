-- Of some tables and columns, those that exist without the mark that this bundle made them.
SELECT
    asked.table_name,
    asked.column_name
FROM unnest(%(tables)s::TEXT[], %(columns)s::TEXT[]) WITH ORDINALITY AS asked (table_name, column_name, place)
INNER JOIN pg_attribute AS attribute
    ON
        asked.column_name = attribute.attname
        AND attribute.attrelid = to_regclass(format('%%I.%%I', %(schema)s::TEXT, asked.table_name))
WHERE
    attribute.attnum > 0
    AND NOT attribute.attisdropped
    AND NOT starts_with(coalesce(col_description(attribute.attrelid, attribute.attnum), ''), %(mark)s)
ORDER BY asked.place;
