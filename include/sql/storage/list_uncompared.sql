-- Pairs of which something was renamed after it was counted, and was not found right since.
SELECT DISTINCT baseline.pair
FROM bqx.migration_baseline AS baseline
INNER JOIN bqx.migration_journal AS journal
    ON baseline.pair = journal.pair AND baseline.family = journal.family
WHERE
    baseline.pair = any(%(pairs)s)
    AND baseline.verified_at IS NULL
    AND journal.state = 'renamed'
    AND journal.at >= baseline.taken_at;
