-- Partitions attached to a parent, with their indexes, constraints and owned sequences; tables first.
-- A primary key or unique constraint is a constraint: its index follows.
WITH tables AS (
    SELECT
        relation.oid,
        relation.relname
    FROM pg_inherits AS link
    INNER JOIN pg_class AS relation ON link.inhrelid = relation.oid
    WHERE link.inhparent = %(parent)s::OID
)

SELECT
    'partition' AS kind,
    tables.oid AS object,
    tables.relname AS name,
    tables.oid AS table_oid,
    tables.relname AS table_name
FROM tables
UNION ALL
SELECT
    'constraint' AS kind,
    link.oid AS object,
    link.conname AS name,
    tables.oid AS table_oid,
    tables.relname AS table_name
FROM pg_constraint AS link
INNER JOIN tables ON link.conrelid = tables.oid
WHERE link.coninhcount = 0 OR link.contype IN ('p', 'u')
UNION ALL
SELECT
    'index' AS kind,
    named.oid AS object,
    named.relname AS name,
    tables.oid AS table_oid,
    tables.relname AS table_name
FROM pg_index AS link
INNER JOIN tables ON link.indrelid = tables.oid
INNER JOIN pg_class AS named ON link.indexrelid = named.oid
LEFT JOIN pg_constraint AS owner
    ON named.oid = owner.conindid AND owner.contype IN ('p', 'u', 'x')
WHERE owner.oid IS NULL;
