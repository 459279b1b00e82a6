-- Rows that bars ask for, per month: minutes in which a bar is at most five minutes old, up to the watermark.
WITH bars AS (
    SELECT
        {key} AS ts_utc,
        lead({key}) OVER (ORDER BY {key}) AS following
    FROM {table}
),

lasting AS (
    SELECT
        ts_utc,
        least(
            extract(EPOCH FROM coalesce(following, %(watermark)s + INTERVAL '1 minute') - ts_utc) / 60, 6
        )::INTEGER AS minutes
    FROM bars
),

grid AS (
    SELECT
        date_trunc('month', ts_utc AT TIME ZONE 'UTC') AS month,
        minutes
    FROM lasting
    WHERE minutes = 1
    UNION ALL
    SELECT
        date_trunc('month', ts_utc AT TIME ZONE 'UTC' + number * INTERVAL '1 minute') AS month,
        1 AS minutes
    FROM lasting
    CROSS JOIN LATERAL generate_series(0, minutes - 1) AS number
    WHERE minutes > 1
)

SELECT
    to_char(month, 'YYYY-MM') AS month_label,
    sum(minutes)::BIGINT AS row_count
FROM grid
GROUP BY 1;
