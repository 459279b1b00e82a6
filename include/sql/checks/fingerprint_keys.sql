-- Exact number and a fingerprint of the keys of a table per month (index-only: fresh months are frozen).
SELECT
    to_char(date_trunc('month', ts_utc AT TIME ZONE 'UTC'), 'YYYY-MM') AS month_label,
    count(*) AS key_count,
    bit_xor(timestamp_hash_extended(ts_utc AT TIME ZONE 'UTC', 0)) AS key_hash
FROM {table}
GROUP BY 1
ORDER BY 1;
