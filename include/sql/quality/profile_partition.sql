-- Profile of a partition: one row per column, from a single pass over the rows.
-- Only a column with some NULLs is looked up in the key for its first value.
WITH totals AS (
    SELECT
        count(*) AS row_count,
        min(ts_utc) AS first_key,
        bit_xor(timestamp_hash_extended(ts_utc AT TIME ZONE 'UTC', 0)) AS key_hash,
        {aggregates}
    FROM {table}
)

SELECT
    totals.row_count,
    totals.key_hash,
    column_totals.position,
    totals.row_count - column_totals.value_count AS null_count,
    column_totals.lowest,
    column_totals.highest,
    column_totals.total,
    column_totals.first_value,
    CASE
        WHEN column_totals.value_count < totals.row_count
            THEN (SELECT count(*) FROM {table} WHERE ts_utc < column_totals.first_value)
        ELSE 0
    END AS rows_before
FROM totals
CROSS JOIN LATERAL (
    VALUES {columns}
) AS column_totals (position, value_count, lowest, highest, total, first_value)
ORDER BY column_totals.position;
