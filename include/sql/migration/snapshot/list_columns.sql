-- Columns of the partitioned parents, in table order, and whether they carry the mark that we made them.
SELECT
    relation.oid,
    array_agg(attribute.attname::TEXT ORDER BY attribute.attnum) AS names,
    array_agg(
        upper(format_type(attribute.atttypid, attribute.atttypmod)) ORDER BY attribute.attnum
    ) AS types,
    array_agg(
        starts_with(coalesce(col_description(relation.oid, attribute.attnum), ''), %(mark)s)
        ORDER BY attribute.attnum
    ) AS are_owned
FROM pg_class AS relation
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
INNER JOIN pg_attribute AS attribute ON relation.oid = attribute.attrelid
WHERE
    namespace.nspname = %(schema)s
    AND relation.relkind = 'p'
    AND NOT relation.relispartition
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
GROUP BY relation.oid;
