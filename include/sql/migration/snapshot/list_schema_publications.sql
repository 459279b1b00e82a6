-- Publications of all tables of our schema (PostgreSQL 15).
SELECT publication.pubname::TEXT AS name
FROM pg_publication_namespace AS item
INNER JOIN pg_publication AS publication ON item.pnpubid = publication.oid
WHERE item.pnnspid = to_regnamespace(%(schema)s)
ORDER BY name;
