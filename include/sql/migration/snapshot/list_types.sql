-- Types made by hand: a table cannot get the name of one. Row types and their arrays follow their tables.
SELECT item.typname AS name
FROM pg_type AS item
INNER JOIN pg_namespace AS namespace ON item.typnamespace = namespace.oid
WHERE namespace.nspname = %(schema)s AND item.typrelid = 0 AND item.typcategory <> 'A';
