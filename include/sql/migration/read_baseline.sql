-- What the partitions of a pair held before the migration.
SELECT
    family,
    parent_oid,
    partition_oid,
    partition_name,
    relfilenode,
    bound,
    rows,
    first_ts,
    last_ts,
    fingerprint,
    columns,
    verified_at IS NOT NULL AS is_verified
FROM bqx.migration_baseline
WHERE pair = %(pair)s
ORDER BY family, partition_name;
