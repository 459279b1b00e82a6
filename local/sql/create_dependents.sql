-- What depends on the tables of one pair: two kinds of view, a function that knows a name as text, a
-- sequence that belongs to a table, privileges and comments.
CREATE SCHEMA IF NOT EXISTS bqx_features;

CREATE VIEW {filtered} AS
SELECT
    ts_utc,
    entropy_60min,
    autocorrelation_lag1
FROM {statistics}
WHERE entropy_60min IS NOT NULL;

CREATE MATERIALIZED VIEW {joined} AS
SELECT
    reg.ts_utc,
    reg.rate_index,
    reg.w60_r2,
    features.skewness_60min
FROM {reg} AS reg
INNER JOIN {statistics} AS features ON reg.ts_utc = features.ts_utc;
CREATE UNIQUE INDEX ON {joined} (ts_utc);

CREATE FUNCTION {latest}() RETURNS NUMERIC LANGUAGE plpgsql STABLE AS {body};

CREATE SEQUENCE {sequence} OWNED BY {volume}.ts_utc;

GRANT SELECT ON {reg}, {statistics}, {filtered} TO public;
COMMENT ON TABLE {reg} IS 'Quadratic regressions of the rate index, six windows';
COMMENT ON COLUMN {reg}.w60_r2 IS 'Coefficient of determination of the fit over 60 minutes';
