-- Rows of the present partition that a partial load does not cover: nothing is lost.
INSERT INTO {staging} ({columns})
SELECT {columns}
FROM {present}
WHERE ts_utc < %(first)s OR ts_utc > %(last)s;
