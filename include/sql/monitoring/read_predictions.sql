-- Forecasts of the minutes of a range, as the daily run wrote them; NULL where a model lacks an input.
SELECT
    extract(EPOCH FROM ts_utc)::BIGINT / 60 AS minute,
    version,
    h15_window, h15_value, h15_low, h15_high,
    h30_window, h30_value, h30_low, h30_high,
    h45_window, h45_value, h45_low, h45_high,
    h60_window, h60_value, h60_low, h60_high,
    h75_window, h75_value, h75_low, h75_high
FROM {table}
WHERE ts_utc >= %(first)s AND ts_utc < %(end)s
ORDER BY ts_utc;
