-- Of each pair with renames in force: when the last of them was made, and the newest documents about it.
SELECT
    renamed.pair,
    renamed.last_at,
    newest.published_at,
    newest.run_label,
    newest.files
FROM (
    SELECT
        pair,
        max(at) AS last_at
    FROM bqx.migration_journal
    WHERE state = 'renamed' AND pair = any(%(pairs)s)
    GROUP BY pair
) AS renamed
LEFT JOIN LATERAL (
    SELECT
        written.published_at,
        written.run_label,
        written.files
    FROM bqx.migration_documents AS written
    WHERE renamed.pair = any(written.pairs)
    ORDER BY written.document_id DESC
    LIMIT 1
) AS newest ON TRUE
ORDER BY renamed.pair;
