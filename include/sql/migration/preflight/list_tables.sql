-- The tables of a plan as they are now: all that is attached to its parents, who owns it, and whether new
-- tables and views can belong to that role.
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
    pg_get_userbyid(relation.relowner)::TEXT AS owner_name,
    has_schema_privilege(relation.relowner, relation.relnamespace, 'CREATE')
    OR current_setting('is_superuser')::BOOLEAN AS owner_may_create
FROM pg_class AS relation
INNER JOIN tree ON relation.oid = tree.oid
ORDER BY relation.relname;
