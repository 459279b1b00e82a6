-- Views and materialized views that read these tables, directly or through other views.
WITH RECURSIVE readers AS (
    SELECT tables.oid
    FROM unnest(%(tables)s::OID[]) AS tables (oid)
    UNION
    SELECT rule.ev_class
    FROM readers
    INNER JOIN pg_depend AS link
        ON
            readers.oid = link.refobjid
            AND link.refclassid = 'pg_class'::REGCLASS
            AND link.classid = 'pg_rewrite'::REGCLASS
    INNER JOIN pg_rewrite AS rule ON link.objid = rule.oid
)

SELECT
    space.nspname AS schema_name,
    relation.relname AS view_name,
    relation.relkind::TEXT AS kind
FROM readers
INNER JOIN pg_class AS relation ON readers.oid = relation.oid
INNER JOIN pg_namespace AS space ON relation.relnamespace = space.oid
WHERE relation.relkind IN ('v', 'm')
ORDER BY relation.relkind, space.nspname, relation.relname;
