-- A feature table as the origin made it, empty and without partitions.
CREATE TABLE {table} (
    ts_utc TIMESTAMPTZ NOT NULL PRIMARY KEY,
    {columns}
) PARTITION BY RANGE (ts_utc);
