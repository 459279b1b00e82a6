-- Tables of extensions that name tables by text: those of pg_partman and pg_cron,
-- and whether we may read them.
SELECT
    format('%%I.%%I', namespace.nspname, relation.relname) AS register,
    namespace.nspname::TEXT AS schema_name,
    relation.relname::TEXT AS table_name,
    attribute.attname::TEXT AS column_name,
    has_schema_privilege(namespace.oid, 'USAGE')
    AND has_column_privilege(relation.oid, attribute.attnum, 'SELECT') AS is_readable
FROM pg_class AS relation
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
INNER JOIN pg_attribute AS attribute ON relation.oid = attribute.attrelid
WHERE
    (relation.relname, attribute.attname) IN (
        ('part_config', 'parent_table'), ('part_config_sub', 'sub_parent'), ('job', 'command')
    )
    AND (relation.relname <> 'job' OR namespace.nspname = 'cron')
    AND relation.relkind IN ('r', 'p')
ORDER BY register;
