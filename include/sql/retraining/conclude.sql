-- How a run ended.
UPDATE bqx.retrainings
SET state = %(state)s, ended_at = now(), summary = %(summary)s, report = %(report)s
WHERE run = %(run)s;
