-- The next message of a channel, held until the transaction ends. What another session sends is passed over.
SELECT message_id, alert_id, stage, severity, subject, body, html FROM bqx.messages
WHERE channel = %(channel)s AND sent_at IS NULL AND message_id <> all(%(tried)s)
ORDER BY attempts, message_id
LIMIT 1
FOR UPDATE SKIP LOCKED;
