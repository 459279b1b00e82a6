-- They are kept beside the table. A minute that is there already was set aside before.
INSERT INTO {aside} (ts_utc, {legacy})
SELECT
    old.ts_utc,
    {values}
FROM {present} AS old
WHERE
    NOT (row({values}) IS NULL)
    AND NOT EXISTS (SELECT 1 FROM {staging} AS staging WHERE staging.ts_utc = old.ts_utc)
ON CONFLICT (ts_utc) DO NOTHING;
