-- Where the rows of a month with legacy columns arrive: our columns only. Dropped in the same transaction.
CREATE UNLOGGED TABLE {rows} AS
SELECT {columns}
FROM {parent}
WITH NO DATA;
