-- The newest cost of the month to date: of each line, and of all together.
SELECT DISTINCT ON (name, line)
    name,
    line,
    value
FROM bqx.monitor_values
WHERE as_of > %(since)s AND as_of <= %(as_of)s AND name IN ('cost', 'cost_of_line') AND value IS NOT NULL
ORDER BY name ASC, line ASC, as_of DESC;
