-- A message waits for its channel; once for each stage of an incident.
INSERT INTO bqx.messages (alert_id, stage, channel, severity, subject, body, html, queued_at)
VALUES (%(alert_id)s, %(stage)s, %(channel)s, %(severity)s, %(subject)s, %(body)s, %(html)s, %(queued_at)s)
ON CONFLICT (alert_id, stage, channel) DO NOTHING;
