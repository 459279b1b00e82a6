-- The newest bar of a pair before a minute.
SELECT {key} AS ts_utc
FROM {table}
WHERE {column} < %(end)s
ORDER BY {column} DESC
LIMIT 1;
