-- What was found in a table, and by what the table looked like then. May be dropped at any time.
CREATE TABLE IF NOT EXISTS bqx.counted (
    table_name TEXT PRIMARY KEY,
    stamp TEXT NOT NULL,
    months JSONB NOT NULL
);
COMMENT ON TABLE bqx.counted IS
'Exact rows per month (of a table of bars: those they ask for), or what is stale. Anew with another stamp.';
