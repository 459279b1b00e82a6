-- Tables that still have a legacy name and belong to a partitioned table (others are orphans).
SELECT relation.relname AS table_name
FROM pg_class AS relation
WHERE
    relation.relnamespace = to_regnamespace('bqx')
    AND (relation.relkind = 'p' OR (relation.relkind = 'r' AND relation.relispartition))
    AND relation.relname ~ %(pattern)s
ORDER BY relation.relname;
