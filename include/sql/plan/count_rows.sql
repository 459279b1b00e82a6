-- Exact rows of a table per month.
SELECT
    to_char(date_trunc('month', ts_utc AT TIME ZONE 'UTC'), 'YYYY-MM') AS month_label,
    count(*) AS row_count
FROM {table}
GROUP BY 1;
