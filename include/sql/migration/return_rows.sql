-- Legacy rows that a build kept beside the table come back to it, before its columns get their old names.
INSERT INTO {table} ({columns})
SELECT {columns}
FROM {aside} AS aside
WHERE NOT EXISTS (SELECT 1 FROM {table} AS present WHERE present.ts_utc = aside.ts_utc);
DROP TABLE {aside};
