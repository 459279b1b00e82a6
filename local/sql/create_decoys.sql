-- Tables that a careless pattern would take for legacy tables. No migration may touch them.
CREATE TABLE bqx.m1_xauusd (
    time TIMESTAMP NOT NULL,
    open NUMERIC(10, 5),
    high NUMERIC(10, 5),
    low NUMERIC(10, 5),
    close NUMERIC(10, 5),
    volume INTEGER,
    bid_open NUMERIC(10, 5),
    bid_high NUMERIC(10, 5),
    bid_low NUMERIC(10, 5),
    bid_close NUMERIC(10, 5),
    ask_open NUMERIC(10, 5),
    ask_high NUMERIC(10, 5),
    ask_low NUMERIC(10, 5),
    ask_close NUMERIC(10, 5),
    spread_open NUMERIC(10, 5),
    spread_high NUMERIC(10, 5),
    spread_low NUMERIC(10, 5),
    spread_close NUMERIC(10, 5),
    rate NUMERIC(10, 5),
    rate_index NUMERIC,
    open_index DOUBLE PRECISION,
    high_index DOUBLE PRECISION,
    low_index DOUBLE PRECISION,
    created_at TIMESTAMP DEFAULT now()
) PARTITION BY RANGE (time);
CREATE UNIQUE INDEX m1_xauusd_time_unique ON bqx.m1_xauusd (time);
CREATE INDEX idx_m1_xauusd_rate_index ON bqx.m1_xauusd (rate_index);
CREATE TABLE bqx.m1_xauusd_y2024m07 PARTITION OF bqx.m1_xauusd
FOR VALUES FROM ('2024-07-01') TO ('2024-08-01');
INSERT INTO bqx.m1_xauusd (time, open, high, low, close, volume, spread_close, rate, rate_index)
SELECT
    time,
    2330,
    2331,
    2329,
    2330,
    100,
    0.3,
    2330.15,
    100
FROM generate_series(TIMESTAMP '2024-07-01 00:00', TIMESTAMP '2024-07-01 23:59', INTERVAL '1 minute') AS time;

CREATE TABLE bqx.bqx_xauusd (
    ts_utc TIMESTAMPTZ NOT NULL PRIMARY KEY,
    rate_index NUMERIC,
    {bqx_columns}
) PARTITION BY RANGE (ts_utc);
CREATE TABLE bqx.bqx_xauusd_y2024m07 PARTITION OF bqx.bqx_xauusd
FOR VALUES FROM ('2024-07-01 00:00+00') TO ('2024-08-01 00:00+00');
INSERT INTO bqx.bqx_xauusd (ts_utc, rate_index)
SELECT
    time AT TIME ZONE 'UTC' AS ts_utc,
    rate_index
FROM bqx.m1_xauusd;

CREATE TABLE bqx.ml_training_runs (run_id BIGINT PRIMARY KEY, pair TEXT NOT NULL, r2 DOUBLE PRECISION);
CREATE TABLE bqx.currency_indices (
    ts_utc TIMESTAMPTZ NOT NULL,
    currency TEXT NOT NULL,
    index_value DOUBLE PRECISION,
    PRIMARY KEY (ts_utc, currency)
);
