-- The cycle of a run, once for all its attempts.
UPDATE bqx.retrainings
SET as_of = coalesce(as_of, %(as_of)s), data_end = coalesce(data_end, %(data_end)s)
WHERE run = %(run)s
RETURNING as_of, data_end;
