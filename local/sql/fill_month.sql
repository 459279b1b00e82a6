-- Simulated values of one month: a hash of the minute in radians, then one sine per column. No random():
-- the same seed gives the same rows. The market is closed from Friday to Sunday 22:00 UTC.
INSERT INTO {partition} (ts_utc, {columns})
SELECT
    ts_utc,
    {formulas}
FROM (
    SELECT
        ts_utc,
        extract(EPOCH FROM ts_utc - {since}::TIMESTAMPTZ)::FLOAT8 / 60 AS age,
        (
            hashint8extended(extract(EPOCH FROM ts_utc)::BIGINT, hashtextextended({label}, {seed}))
            & 1048575
        )::FLOAT8 / 166886 AS angle
    FROM generate_series({first}::TIMESTAMPTZ, {last}::TIMESTAMPTZ, make_interval(mins => {step})) AS ts_utc
    WHERE extract(EPOCH FROM ts_utc - TIMESTAMPTZ '2000-01-02 22:00+00')::BIGINT % 604800 < 432000
) AS minutes;
