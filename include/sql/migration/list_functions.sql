-- Functions whose text matches: they look the name up when they are called, folded to small letters.
SELECT format('%%I.%%I', space.nspname, routine.proname) AS routine_name
FROM pg_proc AS routine
INNER JOIN pg_namespace AS space ON routine.pronamespace = space.oid
WHERE
    space.nspname NOT IN ('pg_catalog', 'information_schema')
    AND routine.prosqlbody IS NULL
    AND routine.prosrc ~* %(pattern)s
ORDER BY routine_name;
