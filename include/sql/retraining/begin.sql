-- A run begins, or begins again.
INSERT INTO bqx.retrainings (run, kind, begun_at, state)
VALUES (%(run)s, %(kind)s, now(), 'running')
ON CONFLICT (run) DO UPDATE SET state = 'running', ended_at = NULL;
