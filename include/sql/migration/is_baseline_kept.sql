-- Is there a baseline, not verified yet, after which something was renamed?
SELECT count(*) > 0 AS is_kept
FROM bqx.migration_baseline AS baseline
INNER JOIN bqx.migration_journal AS journal
    ON baseline.pair = journal.pair AND baseline.family = journal.family
WHERE
    baseline.pair = %(pair)s
    AND baseline.family = %(family)s
    AND baseline.verified_at IS NULL
    AND journal.state = 'renamed'
    AND journal.at >= baseline.taken_at;
