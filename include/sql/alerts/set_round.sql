-- Everything up to this moment has been seen.
INSERT INTO bqx.alert_round (looked_at) VALUES (%(at)s)
ON CONFLICT (only_one) DO UPDATE SET looked_at = greatest(alert_round.looked_at, excluded.looked_at);
