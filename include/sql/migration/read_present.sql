-- Present names of objects by their identity. Owner: parent of a partition, table of a constraint.
SELECT
    'relation' AS kind,
    relation.oid AS object,
    relation.relname AS name,
    coalesce(link.inhparent, 0) AS owner
FROM pg_class AS relation
LEFT JOIN pg_inherits AS link ON relation.oid = link.inhrelid
WHERE relation.oid = any(%(relations)s::OID[]) AND relation.relnamespace = to_regnamespace('bqx')
UNION ALL
SELECT
    'constraint' AS kind,
    oid AS object,
    conname AS name,
    conrelid AS owner
FROM pg_constraint
WHERE oid = any(%(constraints)s::OID[])
UNION ALL
SELECT
    'column' AS kind,
    attrelid AS object,
    attname AS name,
    attrelid AS owner
FROM pg_attribute
WHERE attrelid = any(%(tables)s::OID[]) AND attnum > 0 AND NOT attisdropped;
