-- How often each value of all pairs was beyond a limit, and how often it was read.
SELECT
    name,
    count(*) FILTER (WHERE level = 'warning') AS warnings,
    count(*) FILTER (WHERE level = 'critical') AS criticals,
    count(*) FILTER (WHERE level = 'no data') AS silent,
    count(*) AS readings
FROM bqx.monitor_values
WHERE as_of > %(since)s AND as_of <= %(as_of)s AND pair = '' AND horizon = 0 AND line = ''
GROUP BY name
ORDER BY name;
