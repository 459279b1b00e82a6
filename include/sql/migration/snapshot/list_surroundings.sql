-- What meets every statement of a migration, whatever the table: publications of all tables, event triggers.
SELECT
    'publication' AS kind,
    publication.pubname::TEXT AS name,
    'all tables' AS detail
FROM pg_publication AS publication
WHERE publication.puballtables
UNION ALL
SELECT
    'event trigger' AS kind,
    item.evtname::TEXT AS name,
    format('%%I.%%I on %%s', namespace.nspname, routine.proname, item.evtevent) AS detail
FROM pg_event_trigger AS item
INNER JOIN pg_proc AS routine ON item.evtfoid = routine.oid
INNER JOIN pg_namespace AS namespace ON routine.pronamespace = namespace.oid
WHERE item.evtenabled <> 'D' AND item.evtevent <> 'login'
ORDER BY kind, name;
