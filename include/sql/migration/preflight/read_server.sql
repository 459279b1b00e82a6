-- What the server allows: time zone, writing, and how many locks fit into its shared memory.
SELECT
    current_setting('TimeZone') AS time_zone,
    current_setting('transaction_read_only')::BOOLEAN OR pg_is_in_recovery() AS is_read_only,
    current_setting('max_locks_per_transaction')::BIGINT
    * (
        current_setting('max_connections')::BIGINT
        + current_setting('max_prepared_transactions')::BIGINT
    ) AS lock_capacity,
    (
        SELECT count(*)
        FROM pg_locks AS lock
        WHERE NOT lock.fastpath AND lock.locktype IN ('relation', 'object', 'tuple', 'extend')
    ) AS locks_held,
    current_user::TEXT AS role_name,
    coalesce(has_schema_privilege(to_regnamespace(%(schema)s)::OID, 'CREATE'), FALSE) AS may_create;
