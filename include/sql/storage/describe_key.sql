-- How a table is partitioned and what its primary key is; NULL where it is not or has none.
SELECT
    pg_get_partkeydef(described.oid) AS partition_key,
    (
        SELECT pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint
        WHERE pg_constraint.conrelid = described.oid AND pg_constraint.contype = 'p'
    ) AS primary_key
FROM pg_class AS described
WHERE described.oid = to_regclass(%(table)s);
