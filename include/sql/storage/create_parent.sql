-- Parent of a per-pair table; its months are attached by the builds.
CREATE TABLE {table} (
    ts_utc TIMESTAMPTZ NOT NULL PRIMARY KEY,
    {columns}
) PARTITION BY RANGE (ts_utc);
