-- How many messages wait for some channels, and since when the oldest of them does.
SELECT
    count(*) AS waiting,
    min(queued_at) AS oldest
FROM bqx.messages
WHERE sent_at IS NULL AND channel = any(%(channels)s);
