-- The events of the newest runs of each DAG, oldest first.
SELECT
    event.dag_id,
    event.run_id,
    event.run_at,
    event.task_id,
    event.map_index,
    event.pair,
    event.try_number,
    event.state,
    event.started_at,
    event.ended_at,
    event.note
FROM bqx.events AS event
INNER JOIN bqx.event_runs AS runs ON event.dag_id = runs.dag_id AND event.run_id = runs.run_id
WHERE runs.age <= %(most)s
ORDER BY event.event_id;
