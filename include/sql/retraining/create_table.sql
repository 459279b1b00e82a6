-- Runs of bqx_retrain. Safe to run again.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.retrainings (
    run TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL,
    as_of TIMESTAMPTZ,
    data_end TIMESTAMPTZ,
    state TEXT NOT NULL,
    ended_at TIMESTAMPTZ,
    summary TEXT NOT NULL DEFAULT '',
    report TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS retrainings_begun_idx ON bqx.retrainings (begun_at);
COMMENT ON TABLE bqx.retrainings IS
'Runs of bqx_retrain: running, decided, failed, or nothing to do. data_end: the cycle; one run decides it.';
