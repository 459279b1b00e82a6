-- The tables of a plan as they are now: all that is attached to its parents, and who owns it.
-- Read from the catalog alone: the server's own function for it would wait for whoever holds a table.
WITH RECURSIVE tree AS (
    SELECT relation.oid
    FROM pg_class AS relation
    WHERE
        relation.relnamespace = to_regnamespace(%(schema)s)
        AND relation.relkind = 'p'
        AND relation.relname = any(%(parents)s::TEXT[])
    UNION
    SELECT link.inhrelid AS oid
    FROM pg_inherits AS link
    INNER JOIN tree ON link.inhparent = tree.oid
)

SELECT
    relation.oid,
    relation.relname AS name,
    pg_has_role(relation.relowner, 'USAGE') AS is_owned,
    pg_get_userbyid(relation.relowner)::TEXT AS owner_name
FROM pg_class AS relation
INNER JOIN tree ON relation.oid = tree.oid
ORDER BY relation.relname;
