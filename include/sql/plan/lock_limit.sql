-- One process at a time decides. The clock is read when the lock is held, so the last column is outside.
WITH locked AS MATERIALIZED (
    SELECT
        free_at,
        open_at,
        width,
        refused_at
    FROM bqx.airtable_limits
    WHERE name = %(name)s
    FOR UPDATE
)

SELECT
    locked.free_at,
    locked.open_at,
    locked.width,
    locked.refused_at,
    extract(EPOCH FROM clock_timestamp())::DOUBLE PRECISION AS now
FROM locked;
