-- How retrainings ended whose data end in the period.
SELECT
    state,
    count(*) AS runs
FROM bqx.retrainings
WHERE data_end > %(since)s AND data_end <= %(as_of)s
GROUP BY state
ORDER BY state;
