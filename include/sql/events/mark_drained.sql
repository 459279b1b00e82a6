-- The plan knows these events. Another session that marks some of them is not waited for.
WITH batch AS (
    SELECT event_id FROM bqx.events
    WHERE event_id = any(%(ids)s) AND drained_at IS NULL
    ORDER BY event_id
    FOR UPDATE SKIP LOCKED
)

UPDATE bqx.events AS event
SET drained_at = now()
FROM batch
WHERE event.event_id = batch.event_id;
