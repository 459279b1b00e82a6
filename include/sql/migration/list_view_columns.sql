-- Columns of a migrated table that this bundle did not make: present name, and the name before the migration.
SELECT
    column_of.attname AS present_name,
    coalesce(journal.old_name, column_of.attname) AS old_name
FROM pg_attribute AS column_of
LEFT JOIN bqx.migration_journal AS journal
    ON
        column_of.attrelid = journal.oid
        AND column_of.attname = journal.new_name
        AND journal.kind = 'column'
        AND journal.state = 'renamed'
WHERE
    column_of.attrelid = %(table)s::OID
    AND column_of.attnum > 0
    AND NOT column_of.attisdropped
    AND NOT starts_with(coalesce(col_description(column_of.attrelid, column_of.attnum), ''), %(mark)s)
ORDER BY column_of.attnum;
