-- What was decided under the lock.
UPDATE bqx.airtable_limits
SET
    free_at = %(free_at)s,
    open_at = %(open_at)s,
    width = %(width)s,
    refused_at = %(refused_at)s
WHERE name = %(name)s;
