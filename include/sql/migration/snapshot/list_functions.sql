-- Functions whose text names a legacy table, and whether it is a single partition.
-- A body stored as a parse tree has no text: it follows by itself.
SELECT
    namespace.nspname || '.' || routine.proname
    || '(' || pg_get_function_identity_arguments(routine.oid) || ')' AS name,
    routine.prosrc ~* %(partition_mention)s AS names_partition
FROM pg_proc AS routine
INNER JOIN pg_namespace AS namespace ON routine.pronamespace = namespace.oid
INNER JOIN pg_language AS language ON routine.prolang = language.oid
WHERE
    namespace.nspname NOT IN ('pg_catalog', 'information_schema')
    AND language.lanname NOT IN ('c', 'internal')
    AND routine.prosrc ~* %(mention)s
ORDER BY name;
