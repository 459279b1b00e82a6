-- Transactions of others that hold a lock on one of these tables, the longest first.
SELECT
    lock.pid,
    coalesce(activity.usename::TEXT, '') AS role_name,
    coalesce(activity.application_name, '') AS application,
    relation.relname::TEXT AS name,
    lock.mode,
    coalesce(extract(EPOCH FROM clock_timestamp() - activity.xact_start), 0)::DOUBLE PRECISION AS seconds
FROM pg_locks AS lock
INNER JOIN pg_class AS relation ON lock.relation = relation.oid
LEFT JOIN pg_stat_activity AS activity ON lock.pid = activity.pid
WHERE
    lock.locktype = 'relation'
    AND lock.database = (SELECT own.oid FROM pg_database AS own WHERE own.datname = current_database())
    AND lock.relation = any(%(tables)s::OID[])
    AND lock.granted
    AND lock.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY seconds DESC, lock.pid ASC, relation.relname ASC;
