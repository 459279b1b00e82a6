-- The new rows with the legacy values of the same minutes. NULL where the present month lacks the minute.
INSERT INTO {staging} ({columns}, {legacy})
SELECT
    {fresh_columns},
    {carried}
FROM {rows} AS fresh
LEFT JOIN {present} AS old ON fresh.ts_utc = old.ts_utc
ORDER BY fresh.ts_utc;
