-- How fast Airtable may be asked: one row per base, times in seconds since 1970 by the clock of this server.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.airtable_limits (
    name TEXT PRIMARY KEY,
    free_at DOUBLE PRECISION[] NOT NULL,
    open_at DOUBLE PRECISION NOT NULL,
    width INTEGER NOT NULL,
    refused_at DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE bqx.airtable_limits IS
'free_at: when each permit is free again; open_at: nobody asks before; width: permits after the last 429.';
