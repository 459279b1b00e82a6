-- Columns of a table that carry the mark that this bundle made them.
SELECT attribute.attname AS column_name
FROM pg_attribute AS attribute
WHERE
    attribute.attrelid = to_regclass(%(table)s)
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
    AND starts_with(col_description(attribute.attrelid, attribute.attnum), %(mark)s)
ORDER BY attribute.attnum;
