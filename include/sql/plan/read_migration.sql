-- What was renamed and is not taken back, when last, and what of it was compared with the counts before.
SELECT
    (
        SELECT count(*) FROM bqx.migration_journal
        WHERE state = 'renamed' AND pair = any(%(pairs)s)
    ) AS renamed,
    (
        SELECT max(at) FROM bqx.migration_journal
        WHERE state = 'renamed' AND pair = any(%(pairs)s)
    ) AS last_at,
    count(*) FILTER (WHERE verified_at IS NOT NULL) AS compared,
    count(*) FILTER (WHERE verified_at IS NULL) AS uncompared,
    coalesce(sum(rows) FILTER (WHERE verified_at IS NOT NULL), 0)::BIGINT AS row_count
FROM bqx.migration_baseline
WHERE pair = any(%(pairs)s);
