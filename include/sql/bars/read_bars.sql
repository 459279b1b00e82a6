-- Real bars of one pair: those of [first, end), and the last %(before)s bars before first, in time order.
-- One array per column; absent volume and spread are sent as NaN.
SELECT
    array_agg((date_part('epoch', key) / 60)::BIGINT),
    array_agg(open::FLOAT8),
    array_agg(high::FLOAT8),
    array_agg(low::FLOAT8),
    array_agg(close::FLOAT8),
    array_agg(coalesce(volume::FLOAT8, 'NaN')),
    array_agg(coalesce(spread_close::FLOAT8, 'NaN'))
FROM (
    SELECT *
    FROM (
        (
            SELECT
                {key} AS key, open, high, low, close, volume, spread_close
            FROM {table}
            WHERE {column} >= %(first)s AND {column} < %(end)s
        )
        UNION ALL
        (
            SELECT
                {key} AS key, open, high, low, close, volume, spread_close
            FROM {table}
            WHERE {column} < %(first)s
            ORDER BY {column} DESC
            LIMIT %(before)s
        )
    ) AS found
    ORDER BY key
) AS wanted;
