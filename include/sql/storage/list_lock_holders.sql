-- Who holds an advisory lock of this database, and whether alone or together with others.
SELECT
    activity.pid,
    lock.mode = 'ExclusiveLock' AS is_alone
FROM pg_locks AS lock
INNER JOIN pg_stat_activity AS activity ON lock.pid = activity.pid
WHERE
    lock.locktype = 'advisory'
    AND lock.granted
    AND lock.database = (SELECT own.oid FROM pg_database AS own WHERE own.datname = current_database())
    AND (lock.classid::BIGINT << 32) | lock.objid::BIGINT = hashtextextended(%(key)s, 0)
    AND lock.pid <> pg_backend_pid()
ORDER BY lock.pid;
