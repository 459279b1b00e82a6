-- Partitions of a parent and their bounds, from the catalog: names are never trusted.
SELECT
    child.relname AS partition_name,
    pg_get_expr(child.relpartbound, child.oid) AS bound
FROM pg_inherits AS link
INNER JOIN pg_class AS child ON link.inhrelid = child.oid
WHERE link.inhparent = to_regclass(%(parent)s)
ORDER BY child.relname;
