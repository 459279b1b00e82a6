-- The schema and the four tables that do not belong to one pair. Safe to run again.
-- Asked for only where it is not there: otherwise a role would need the right to create schemas all the same.
DO $$ BEGIN
    IF to_regnamespace('bqx') IS NULL THEN CREATE SCHEMA IF NOT EXISTS bqx; END IF;
END $$;

CREATE TABLE IF NOT EXISTS bqx.baseline_rates (
    pair TEXT PRIMARY KEY,
    baseline_ts TIMESTAMPTZ NOT NULL,
    baseline_rate DOUBLE PRECISION NOT NULL CHECK (baseline_rate > 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE bqx.baseline_rates IS
'rate_index = 100 * price / baseline_rate. Written at the first load, never moved.';

CREATE TABLE IF NOT EXISTS bqx.loads (
    load_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    loaded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    source TEXT NOT NULL,
    pairs TEXT[] NOT NULL,
    price_side TEXT NOT NULL,
    watermark TIMESTAMPTZ NOT NULL
);
COMMENT ON COLUMN bqx.loads.watermark IS
'Last minute the grids may reach. The newest load with the largest watermark counts.';

CREATE TABLE IF NOT EXISTS bqx.build_log (
    table_name TEXT NOT NULL,
    month DATE NOT NULL,
    row_count BIGINT NOT NULL,
    input_hash TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    content_hash NUMERIC,
    built_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, month)
);
COMMENT ON TABLE bqx.build_log IS
'One row per partition we built, written in the transaction that swapped it in.';
COMMENT ON COLUMN bqx.build_log.content_hash IS
'Of a month of bars: order-free sum of the hashes of its rows, to see whether they are what was loaded.';

CREATE TABLE IF NOT EXISTS bqx.gate_log (
    table_name TEXT NOT NULL,
    month DATE NOT NULL,
    findings INTEGER NOT NULL,
    report TEXT NOT NULL,
    run_label TEXT NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    seen TEXT,
    PRIMARY KEY (table_name, month)
);
COMMENT ON COLUMN bqx.gate_log.seen IS
'Of a partition that is right: oid, rows and inputs. While they stay the same, no gate looks at it again.';
COMMENT ON TABLE bqx.gate_log IS
'The last quality gate of each partition. It is about what was built before checked_at, when the gate began.';
