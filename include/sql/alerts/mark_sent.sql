-- The channel has taken a message.
UPDATE bqx.messages
SET sent_at = %(at)s, attempts = attempts + 1, problem = ''
WHERE message_id = %(message_id)s;
