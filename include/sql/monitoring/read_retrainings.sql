-- The newest retrainings that had something to do, newest first.
SELECT
    run,
    state,
    begun_at
FROM bqx.retrainings
WHERE state <> 'nothing to do'
ORDER BY begun_at DESC, run DESC
LIMIT %(most)s;
