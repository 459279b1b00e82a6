-- Renames in force of a pair, in the order in which they were made.
SELECT
    family,
    kind,
    oid,
    old_name,
    new_name,
    on_table
FROM bqx.migration_journal
WHERE pair = %(pair)s AND state = 'renamed'
ORDER BY journal_id;
