-- Events of the outbox that the plan knows and that came before a day; deleted, or counted only.
-- Every event of the newest runs stays: the status of the plan is made of them.
WITH old AS (
    SELECT event.event_id
    FROM bqx.events AS event
    INNER JOIN bqx.event_runs AS runs
        ON event.dag_id = runs.dag_id AND event.run_id = runs.run_id
    WHERE event.posted_at < %(before)s AND event.drained_at IS NOT NULL AND runs.age > %(most)s
),

gone AS (
    DELETE FROM bqx.events AS event
    USING old
    WHERE %(delete)s AND event.event_id = old.event_id
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM old) AS found,
    (SELECT count(*) FROM gone) AS deleted;
