-- A baseline is written once; a second attempt changes nothing.
INSERT INTO bqx.baseline_rates (pair, baseline_ts, baseline_rate)
VALUES (%(pair)s, %(baseline_ts)s, %(baseline_rate)s)
ON CONFLICT (pair) DO NOTHING;
