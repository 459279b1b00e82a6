-- Rows that should have been set aside and are not, or not with these values.
SELECT count(*)
FROM {present} AS old
LEFT JOIN {aside} AS aside ON old.ts_utc = aside.ts_utc
WHERE
    NOT (row({values}) IS NULL)
    AND NOT EXISTS (SELECT 1 FROM {staging} AS staging WHERE staging.ts_utc = old.ts_utc)
    AND hash_record_extended(row({hashed}), 0) IS DISTINCT FROM hash_record_extended(row({hashed_aside}), 0);
