-- What runs of the monitor found. Safe to run again.
CREATE SCHEMA IF NOT EXISTS bqx;

CREATE TABLE IF NOT EXISTS bqx.monitor_values (
    as_of TIMESTAMPTZ NOT NULL,
    name TEXT NOT NULL,
    pair TEXT NOT NULL,
    horizon SMALLINT NOT NULL,
    line TEXT NOT NULL,
    value DOUBLE PRECISION,
    level TEXT NOT NULL,
    note TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (as_of, name, pair, horizon, line)
);
CREATE INDEX IF NOT EXISTS monitor_values_name_idx ON bqx.monitor_values (name, pair, horizon, as_of);
COMMENT ON TABLE bqx.monitor_values IS
'Every value of every run of bqx_monitor. An empty pair or line and horizon 0 stand for all together.';
COMMENT ON COLUMN bqx.monitor_values.value IS
'NULL where there are no data: the note says why.';

CREATE OR REPLACE VIEW bqx.monitor_latest AS
SELECT DISTINCT ON (name, pair, horizon, line)
    name,
    pair,
    horizon,
    line,
    value,
    level,
    note,
    as_of,
    run
FROM bqx.monitor_values
ORDER BY name ASC, pair ASC, horizon ASC, line ASC, as_of DESC;
COMMENT ON VIEW bqx.monitor_latest IS 'The newest value of everything that bqx_monitor reads.';
