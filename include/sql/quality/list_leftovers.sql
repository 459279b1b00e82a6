-- Ordinary tables of our schema that are no partition and are named like the table a month is built in.
-- A running build is not seen here: its table is created in the transaction that renames it.
SELECT
    leftover.relname AS table_name,
    pg_total_relation_size(leftover.oid) AS bytes
FROM pg_class AS leftover
WHERE
    leftover.relnamespace = to_regnamespace('bqx')
    AND leftover.relkind = 'r'
    AND NOT leftover.relispartition
    AND leftover.relname ~ '__build$'
ORDER BY leftover.relname;
