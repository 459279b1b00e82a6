-- The last {rows} real bars of one pair in [since, end), newest first; {number} tells it from other pairs.
SELECT
    {key} AS key,
    {number}::FLOAT8 AS number,
    {fields}
FROM {table}
WHERE {column} >= {since} AND {column} < {end}
ORDER BY {column} DESC
LIMIT {rows}
