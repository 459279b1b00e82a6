-- Answers of the API that were captured. Safe to run again.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.captures (
    ts_utc TIMESTAMPTZ NOT NULL,
    pair TEXT NOT NULL,
    request_id TEXT NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    version TEXT NOT NULL,
    inputs TEXT NOT NULL,
    h15_window SMALLINT,
    h15_value DOUBLE PRECISION,
    h15_low DOUBLE PRECISION,
    h15_high DOUBLE PRECISION,
    h30_window SMALLINT,
    h30_value DOUBLE PRECISION,
    h30_low DOUBLE PRECISION,
    h30_high DOUBLE PRECISION,
    h45_window SMALLINT,
    h45_value DOUBLE PRECISION,
    h45_low DOUBLE PRECISION,
    h45_high DOUBLE PRECISION,
    h60_window SMALLINT,
    h60_value DOUBLE PRECISION,
    h60_low DOUBLE PRECISION,
    h60_high DOUBLE PRECISION,
    h75_window SMALLINT,
    h75_value DOUBLE PRECISION,
    h75_low DOUBLE PRECISION,
    h75_high DOUBLE PRECISION,
    lost INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ts_utc, pair, request_id)
);
COMMENT ON TABLE bqx.captures IS
'A share of the answers of the API, chosen by a hash of the request id. ts_utc: minute of the features.';
COMMENT ON COLUMN bqx.captures.inputs IS
'SHA-256 of the request to the endpoint: version, columns, features, q and s.';
COMMENT ON COLUMN bqx.captures.lost IS
'Captures that the same process lost since the row that it wrote before this one.';
