-- The newest cycle that another run has decided.
SELECT
    run,
    data_end
FROM bqx.retrainings
WHERE state = 'decided' AND run <> %(run)s
ORDER BY data_end DESC
LIMIT 1;
