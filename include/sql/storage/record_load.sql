-- One row per load. The watermark never goes back.
INSERT INTO bqx.loads (source, pairs, price_side, watermark)
SELECT
    %(source)s,
    %(pairs)s,
    %(price_side)s,
    greatest(%(watermark)s::TIMESTAMPTZ, max(loads.watermark))
FROM bqx.loads
RETURNING watermark;
