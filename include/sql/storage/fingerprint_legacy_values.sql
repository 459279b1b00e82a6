-- Number and order-free fingerprint of the legacy values at the minutes that another table has too.
-- Hashed twice: the hash of a row is linear in its fields, values that two rows exchange would cancel out.
SELECT
    count(*) AS row_count,
    coalesce(sum(hashint8extended(hash_record_extended(row({hashed}), 0), 0)), 0) AS fingerprint
FROM {table} AS old
WHERE EXISTS (SELECT 1 FROM {other} AS other WHERE other.ts_utc = old.ts_utc);
