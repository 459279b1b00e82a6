-- Runs of bqx_retrain, how many of them ended with a decision, and the report of the newest of these.
SELECT
    count(*) AS runs,
    count(*) FILTER (WHERE state = 'decided') AS decided,
    (array_agg(report ORDER BY ended_at DESC) FILTER (WHERE state = 'decided'))[1] AS report
FROM bqx.retrainings;
