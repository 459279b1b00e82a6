-- Since when values of single pairs have been so bad that models are to be trained again.
SELECT
    as_of,
    name,
    pair,
    level
FROM bqx.monitor_values
WHERE
    as_of > %(since)s AND as_of <= %(as_of)s
    AND name = any(%(names)s) AND pair <> '' AND horizon = 0
    AND level = any(%(levels)s)
ORDER BY as_of, name, pair;
