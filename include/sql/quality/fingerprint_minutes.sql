-- Number and fingerprint of the keys that a partition must have, to be compared with its own.
SELECT
    count(*) AS key_count,
    bit_xor(timestamp_hash_extended(TIMESTAMP 'epoch' + minute * INTERVAL '1 minute', 0)) AS key_hash
FROM unnest(%(minutes)s::BIGINT[]) AS minute;
