-- Real bars of one pair: those of [first, end), and the last %(before)s bars before first.
-- NULL is sent as NaN, so that every row of the binary COPY has the same width.
COPY (
    SELECT
        key,
        open::FLOAT8,
        high::FLOAT8,
        low::FLOAT8,
        close::FLOAT8,
        coalesce(volume::FLOAT8, 'NaN') AS volume,
        coalesce(spread_close::FLOAT8, 'NaN') AS spread
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
    ) AS wanted
    ORDER BY key
) TO STDOUT (FORMAT BINARY)
