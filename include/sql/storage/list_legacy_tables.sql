-- Tables that still have a legacy name: partitioned ones, and partitions of these or of renamed ones, however
-- their names end. A partition of another table is an orphan.
SELECT relation.relname AS table_name
FROM pg_class AS relation
LEFT JOIN pg_inherits AS link ON relation.relispartition AND relation.oid = link.inhrelid
LEFT JOIN pg_class AS parent ON link.inhparent = parent.oid
WHERE
    relation.relnamespace = to_regnamespace('bqx')
    AND relation.relkind IN ('r', 'p', 'f')
    AND (
        (relation.relkind = 'p' AND relation.relname ~ %(parents)s)
        OR (relation.relname ~ %(partitions)s AND parent.relname ~ %(attached_to)s)
    )
ORDER BY relation.relname;
