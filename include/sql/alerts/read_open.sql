-- Incidents that are not over.
SELECT * FROM bqx.alerts
WHERE closed_at IS NULL
ORDER BY opened_at, id;
