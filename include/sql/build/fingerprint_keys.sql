-- Exact number and a fingerprint of the keys of a table per month (index-only: fresh months are frozen).
-- Rows are grouped by day: the beginning of their day is found with one division, that of their month is not.
SELECT
    to_char(days.day_start AT TIME ZONE 'UTC', 'YYYY-MM') AS month_label,
    sum(days.key_count)::BIGINT AS key_count,
    bit_xor(days.key_hash) AS key_hash
FROM (
    SELECT
        date_bin('1 day', ts_utc, 'epoch') AS day_start,
        count(*) AS key_count,
        bit_xor(timestamp_hash_extended(ts_utc AT TIME ZONE 'UTC', 0)) AS key_hash
    FROM {table}
    GROUP BY day_start
) AS days
GROUP BY month_label
ORDER BY month_label;
