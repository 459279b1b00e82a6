-- Incidents that were over before a day, with their messages; deleted, or counted only.
WITH gone AS (
    DELETE FROM bqx.alerts
    WHERE %(delete)s AND closed_at < %(before)s
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM bqx.alerts WHERE closed_at < %(before)s) AS found,
    (SELECT count(*) FROM gone) AS deleted;
