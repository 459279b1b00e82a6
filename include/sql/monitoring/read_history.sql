-- What runs of the monitor found over all horizons in some time, the oldest first.
SELECT
    name,
    pair,
    line,
    extract(EPOCH FROM as_of)::BIGINT / 60 AS minute,
    value,
    note
FROM bqx.monitor_values
WHERE as_of > %(first)s AND as_of <= %(last)s AND horizon = 0
ORDER BY as_of, name, pair, line;
