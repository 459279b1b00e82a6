-- Tables and views of other schemas that have a legacy name.
SELECT
    namespace.nspname AS schema_name,
    relation.relname AS name
FROM pg_class AS relation
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE
    namespace.nspname <> %(schema)s
    AND namespace.nspname !~ '^pg_'
    AND relation.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND relation.relname ~ %(legacy)s
ORDER BY schema_name, name;
