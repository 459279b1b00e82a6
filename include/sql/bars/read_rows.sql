-- Rows of a table in time order. NULL is sent as NaN: every row of the binary COPY has the same width.
COPY (
    SELECT
        ts_utc,
        {columns}
    FROM {table}
    WHERE ts_utc >= %(first)s AND ts_utc < %(end)s
    ORDER BY ts_utc
) TO STDOUT (FORMAT BINARY)
