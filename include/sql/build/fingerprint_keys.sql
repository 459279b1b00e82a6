-- Exact number and a fingerprint of the keys of a table per month (index-only: fresh months are frozen).
-- Months are grouped as timestamps: as text they would be made anew for every row.
SELECT
    to_char(found.month_start, 'YYYY-MM') AS month_label,
    found.key_count,
    found.key_hash
FROM (
    SELECT
        date_trunc('month', ts_utc AT TIME ZONE 'UTC') AS month_start,
        count(*) AS key_count,
        bit_xor(timestamp_hash_extended(ts_utc AT TIME ZONE 'UTC', 0)) AS key_hash
    FROM {table}
    GROUP BY month_start
) AS found
ORDER BY found.month_start;
