-- Exact count, key range and an order-free fingerprint: a lost, doubled or changed row changes the sum.
SELECT
    count(*) AS row_count,
    min({key}) AS first_key,
    max({key}) AS last_key,
    coalesce(sum({hash}), 0) AS fingerprint
FROM {table};
