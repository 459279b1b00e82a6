-- The values that a run found as of a moment.
SELECT
    name,
    value,
    pair,
    horizon,
    line,
    note,
    level
FROM bqx.monitor_values
WHERE as_of = %(as_of)s AND run = %(run)s
ORDER BY name, pair, horizon, line;
