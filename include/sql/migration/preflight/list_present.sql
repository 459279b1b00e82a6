-- Tables, indexes and sequences that are in the schema now, of those a plan renames or needs the name of.
SELECT
    relation.oid,
    relation.relname AS name
FROM pg_class AS relation
WHERE
    relation.relnamespace = to_regnamespace(%(schema)s)
    AND (relation.oid = any(%(oids)s::OID[]) OR relation.relname = any(%(names)s::TEXT[]));
