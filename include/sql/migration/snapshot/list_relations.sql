-- Everything of the schema that has a name of its own: tables, partitions, views, indexes, sequences, types.
-- A bound names no column: asked for without its table, PostgreSQL takes no lock on that.
SELECT
    relation.oid,
    relation.relname AS name,
    relation.relkind AS kind,
    coalesce(link.inhparent, 0) AS parent,
    coalesce(pg_get_expr(relation.relpartbound, 0), '') AS bound,
    CASE
        WHEN relation.relkind IN ('v', 'm') THEN coalesce(obj_description(relation.oid, 'pg_class'), '')
        ELSE ''
    END AS comment
FROM pg_class AS relation
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
LEFT JOIN pg_inherits AS link ON relation.relispartition AND relation.oid = link.inhrelid
WHERE namespace.nspname = %(schema)s
ORDER BY relation.relname;
