-- Columns of some rows as one array each, in time order. NULL is sent as NaN.
-- An aggregate keeps the order of its input: the rows are sorted once, not once per column.
SELECT
    array_agg((date_part('epoch', ts_utc) / 60)::BIGINT),
    {columns}
FROM (
    SELECT *
    FROM {table}
    WHERE ts_utc >= %(first)s AND ts_utc < %(end)s
    ORDER BY ts_utc
) AS wanted;
