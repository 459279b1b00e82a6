-- Objects outside of a table that go on using it after it is renamed.
SELECT
    item.refobjid AS on_table,
    CASE reader.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind,
    reader_schema.nspname || '.' || reader.relname AS name
FROM pg_depend AS item
INNER JOIN pg_rewrite AS rule ON item.objid = rule.oid
INNER JOIN pg_class AS reader ON rule.ev_class = reader.oid AND item.refobjid <> reader.oid
INNER JOIN pg_namespace AS reader_schema ON reader.relnamespace = reader_schema.oid
INNER JOIN pg_class AS relation ON item.refobjid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE
    namespace.nspname = %(schema)s
    AND item.classid = 'pg_rewrite'::REGCLASS
    AND item.refclassid = 'pg_class'::REGCLASS
    AND reader.relkind IN ('v', 'm')
UNION
SELECT
    item.confrelid AS on_table,
    'foreign key' AS kind,
    owner_schema.nspname || '.' || owner.relname || '.' || item.conname AS name
FROM pg_constraint AS item
INNER JOIN pg_class AS owner ON item.conrelid = owner.oid
INNER JOIN pg_namespace AS owner_schema ON owner.relnamespace = owner_schema.oid
INNER JOIN pg_class AS relation ON item.confrelid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE namespace.nspname = %(schema)s AND item.contype = 'f' AND item.conparentid = 0
UNION
SELECT
    item.tgrelid AS on_table,
    'trigger' AS kind,
    namespace.nspname || '.' || relation.relname || '.' || item.tgname AS name
FROM pg_trigger AS item
INNER JOIN pg_class AS relation ON item.tgrelid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE namespace.nspname = %(schema)s AND NOT item.tgisinternal AND item.tgparentid = 0
UNION
SELECT
    item.prrelid AS on_table,
    'publication' AS kind,
    publication.pubname AS name
FROM pg_publication_rel AS item
INNER JOIN pg_publication AS publication ON item.prpubid = publication.oid
INNER JOIN pg_class AS relation ON item.prrelid = relation.oid
INNER JOIN pg_namespace AS namespace ON relation.relnamespace = namespace.oid
WHERE namespace.nspname = %(schema)s
ORDER BY kind, name, on_table;
