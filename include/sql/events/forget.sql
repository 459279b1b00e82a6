-- Task events of old runs, once the plan knows them. What tells that a run was there stays.
WITH newest AS (
    SELECT max(event_id) AS event_id FROM bqx.events
    GROUP BY dag_id, run_id
)

DELETE FROM bqx.events AS event
USING bqx.event_runs AS runs
WHERE
    event.dag_id = runs.dag_id
    AND event.run_id = runs.run_id
    AND runs.age > %(most)s
    AND event.drained_at IS NOT NULL
    AND event.event_id NOT IN (SELECT newest.event_id FROM newest);
