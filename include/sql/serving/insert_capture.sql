-- One captured answer; a request that is sent again with the same id and minute is there already.
INSERT INTO bqx.captures (
    ts_utc, pair, request_id, as_of, version, inputs,
    h15_window, h15_value, h15_low, h15_high,
    h30_window, h30_value, h30_low, h30_high,
    h45_window, h45_value, h45_low, h45_high,
    h60_window, h60_value, h60_low, h60_high,
    h75_window, h75_value, h75_low, h75_high,
    lost
)
VALUES (
    %(ts_utc)s, %(pair)s, %(request_id)s, %(as_of)s, %(version)s, %(inputs)s,
    %(h15_window)s, %(h15_value)s, %(h15_low)s, %(h15_high)s,
    %(h30_window)s, %(h30_value)s, %(h30_low)s, %(h30_high)s,
    %(h45_window)s, %(h45_value)s, %(h45_low)s, %(h45_high)s,
    %(h60_window)s, %(h60_value)s, %(h60_low)s, %(h60_high)s,
    %(h75_window)s, %(h75_value)s, %(h75_low)s, %(h75_high)s,
    %(lost)s
)
ON CONFLICT DO NOTHING;
