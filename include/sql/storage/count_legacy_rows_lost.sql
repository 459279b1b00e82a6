-- Rows with a legacy value whose minute the new month does not have.
SELECT count(*)
FROM {present} AS old
WHERE
    NOT (row({values}) IS NULL)
    AND NOT EXISTS (SELECT 1 FROM {staging} AS staging WHERE staging.ts_utc = old.ts_utc);
