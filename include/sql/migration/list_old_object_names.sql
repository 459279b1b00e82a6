-- Indexes, constraints and owned sequences of a renamed parent and its partitions that have the old name
-- in theirs.
WITH tables AS (
    SELECT
        relation.oid,
        relation.relname
    FROM pg_class AS relation
    WHERE
        relation.relname !~ %(pattern)s
        AND (
            relation.oid = %(parent)s::OID
            OR relation.oid IN (SELECT tree.relid FROM pg_partition_tree(%(parent)s::OID) AS tree)
        )
)

SELECT named.relname AS object_name
FROM pg_index AS link
INNER JOIN tables ON link.indrelid = tables.oid
INNER JOIN pg_class AS named ON link.indexrelid = named.oid
WHERE named.relname ~ %(pattern)s
UNION
SELECT link.conname AS object_name
FROM pg_constraint AS link
INNER JOIN tables ON link.conrelid = tables.oid
WHERE link.conname ~ %(pattern)s
UNION
SELECT named.relname AS object_name
FROM pg_depend AS link
INNER JOIN tables ON link.refobjid = tables.oid AND link.refclassid = 'pg_class'::REGCLASS
INNER JOIN pg_class AS named ON link.objid = named.oid AND link.classid = 'pg_class'::REGCLASS
WHERE named.relkind = 'S' AND link.deptype IN ('a', 'i') AND named.relname ~ %(pattern)s
ORDER BY object_name;
