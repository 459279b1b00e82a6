-- The channel has not taken a message; it waits behind those that were tried less often.
UPDATE bqx.messages
SET attempts = attempts + 1, problem = %(problem)s
WHERE message_id = %(message_id)s;
