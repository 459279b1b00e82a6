-- What runs of the monitor found before a day; deleted, or counted only.
WITH gone AS (
    DELETE FROM bqx.monitor_values
    WHERE %(delete)s AND as_of < %(before)s
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM bqx.monitor_values WHERE as_of < %(before)s) AS found,
    (SELECT count(*) FROM gone) AS deleted;
