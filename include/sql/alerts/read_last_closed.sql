-- The last incident of each key that is over.
SELECT DISTINCT ON (key) * FROM bqx.alerts
WHERE closed_at IS NOT NULL AND key = any(%(keys)s)
ORDER BY key ASC, closed_at DESC, opened_at DESC;
