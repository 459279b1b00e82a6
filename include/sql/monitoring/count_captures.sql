-- Captured answers whose minute lies in a range, and how many more their processes lost.
SELECT
    count(*) AS captured,
    coalesce(sum(lost), 0)::BIGINT AS lost
FROM bqx.captures
WHERE ts_utc >= %(first)s AND ts_utc < %(end)s;
