-- Last known state of everything a migration has renamed.
SELECT DISTINCT ON (entry.oid, entry.kind, entry.old_name)
    entry.oid,
    entry.kind,
    entry.old_name,
    entry.state
FROM bqx.migration_journal AS entry
ORDER BY entry.oid ASC, entry.kind ASC, entry.old_name ASC, entry.journal_id DESC;
