-- The newest value over all pairs of some monitored values.
SELECT
    name,
    value
FROM bqx.monitor_latest
WHERE name = any(%(names)s) AND pair = '' AND horizon = 0 AND line = ''
ORDER BY name;
