-- What the plan does not know yet.
SELECT event_id FROM bqx.events
WHERE drained_at IS NULL
ORDER BY event_id;
