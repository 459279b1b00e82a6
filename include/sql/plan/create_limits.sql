-- How fast Airtable may be asked: one row per base, times in seconds since 1970 by the clock of this server.
-- Asked for only where it is not there: otherwise a role would need the right to create schemas all the same.
DO $$ BEGIN
    IF to_regnamespace('bqx') IS NULL THEN CREATE SCHEMA IF NOT EXISTS bqx; END IF;
END $$;

CREATE TABLE IF NOT EXISTS bqx.airtable_limits (
    name TEXT PRIMARY KEY,
    free_at DOUBLE PRECISION[] NOT NULL,
    open_at DOUBLE PRECISION NOT NULL,
    width INTEGER NOT NULL,
    refused_at DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE bqx.airtable_limits IS
'free_at: when each permit is free again; open_at: nobody asks before; width: permits after the last 429.';
