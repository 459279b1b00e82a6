-- Every run that an event told of, and when it was due.
SELECT
    dag_id,
    run_id,
    coalesce(max(run_at), min(started_at), min(posted_at)) AS run_at
FROM bqx.events
GROUP BY dag_id, run_id;
