-- What failed, as callbacks wrote it down since a moment.
SELECT
    dag_id,
    run_id,
    task_id,
    map_index,
    pair,
    try_number,
    coalesce(ended_at, posted_at) AS failed_at,
    note
FROM bqx.events
WHERE state = 'failed' AND posted_at >= %(since)s
ORDER BY event_id;
