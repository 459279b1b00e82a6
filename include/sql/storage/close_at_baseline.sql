-- The pair's bar at the baseline time, or its first bar after it.
SELECT {key} AS ts_utc, close::FLOAT8 AS close
FROM {table}
WHERE {column} >= %(baseline)s
ORDER BY {column}
LIMIT 1;
