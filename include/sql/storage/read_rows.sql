-- Columns of some rows, in the order in which they lie; the reader sorts them if need be.
COPY (
    SELECT
        ts_utc,
        {columns}
    FROM {table}
    WHERE ts_utc >= %(first)s AND ts_utc < %(end)s
) TO STDOUT (FORMAT BINARY);
