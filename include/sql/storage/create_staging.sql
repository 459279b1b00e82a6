-- A detached table for one month. The CHECK equals the partition bound: rows of another month are
-- refused while they arrive, and ATTACH need not scan the table again.
CREATE TABLE {staging} (
    LIKE {parent} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING CONSTRAINTS,
    CONSTRAINT month_bounds CHECK (ts_utc >= {first} AND ts_utc < {end})
);
