-- Captured answers about minutes before a day; deleted, or counted only.
WITH old AS (
    SELECT
        ts_utc,
        pair,
        request_id
    FROM bqx.captures
    WHERE ts_utc < %(before)s
),

gone AS (
    DELETE FROM bqx.captures AS capture
    USING old
    WHERE
        %(delete)s
        AND (capture.ts_utc, capture.pair, capture.request_id) = (old.ts_utc, old.pair, old.request_id)
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM old) AS found,
    (SELECT count(*) FROM gone) AS deleted;
