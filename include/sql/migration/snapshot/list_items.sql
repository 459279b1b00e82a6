-- What hangs on the tables of the schema and has a name: constraints, other indexes, owned sequences.
-- A key's index is left out, it gets the constraint's new name by itself; so does the copy of a check
-- constraint that a partition has from its parent, which PostgreSQL refuses to rename alone.
SELECT
    'constraint' AS kind,
    item.oid,
    item.conname AS name,
    item.conrelid AS on_table,
    item.contype IN ('p', 'u', 'x') AS is_relation
FROM pg_constraint AS item
INNER JOIN pg_class AS relation ON item.conrelid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE
    namespace.nspname = %(schema)s
    AND item.contype IN ('p', 'u', 'x', 'f', 'c')
    AND NOT (item.contype = 'c' AND item.coninhcount > 0)
UNION ALL
SELECT
    'index' AS kind,
    relation.oid,
    relation.relname AS name,
    item.indrelid AS on_table,
    TRUE AS is_relation
FROM pg_index AS item
INNER JOIN pg_class AS relation ON item.indexrelid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
LEFT JOIN pg_constraint AS key
    ON
        relation.oid = key.conindid
        AND item.indrelid = key.conrelid
        AND key.contype IN ('p', 'u', 'x')
WHERE namespace.nspname = %(schema)s AND key.oid IS NULL
UNION ALL
SELECT
    'sequence' AS kind,
    relation.oid,
    relation.relname AS name,
    item.refobjid AS on_table,
    TRUE AS is_relation
FROM pg_depend AS item
INNER JOIN pg_class AS relation ON item.objid = relation.oid AND relation.relkind = 'S'
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE
    namespace.nspname = %(schema)s
    AND item.classid = 'pg_class'::REGCLASS
    AND item.refclassid = 'pg_class'::REGCLASS
    AND item.deptype IN ('a', 'i')
ORDER BY kind, name, on_table;
