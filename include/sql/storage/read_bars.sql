-- Real bars of one pair: those of [first, end), and the last %(before)s bars before first, in any order.
COPY (
    SELECT
        key,
        open::FLOAT8,
        high::FLOAT8,
        low::FLOAT8,
        close::FLOAT8,
        volume::FLOAT8,
        spread_close::FLOAT8
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
) TO STDOUT (FORMAT BINARY);
