-- Mean skill of each pair in the runs of the monitor.
SELECT
    pair,
    avg(value) AS skill,
    count(value) AS readings
FROM bqx.monitor_values
WHERE as_of > %(since)s AND as_of <= %(as_of)s AND name = 'skill' AND pair <> '' AND horizon = 0
GROUP BY pair
ORDER BY pair;
