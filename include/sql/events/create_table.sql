-- The outbox: callbacks add rows, the sync reads them. Safe to run again.
-- Asked for only where it is not there: otherwise a role would need the right to create schemas all the same.
DO $$ BEGIN
    IF to_regnamespace('bqx') IS NULL THEN CREATE SCHEMA IF NOT EXISTS bqx; END IF;
END $$;

CREATE TABLE IF NOT EXISTS bqx.events (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    run_at TIMESTAMPTZ,
    task_id TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    pair TEXT NOT NULL,
    try_number INTEGER NOT NULL,
    state TEXT NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    note TEXT NOT NULL,
    posted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    drained_at TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS events_run_idx ON bqx.events (dag_id, run_id);
CREATE INDEX IF NOT EXISTS events_waiting_idx ON bqx.events (event_id) WHERE drained_at IS NULL;
COMMENT ON TABLE bqx.events IS
'What callbacks of DAGs and tasks reported; task_id is empty for a run. drained_at: the plan knows it.';

CREATE OR REPLACE VIEW bqx.event_runs AS
SELECT
    dag_id,
    run_id,
    row_number() OVER (
        PARTITION BY dag_id
        ORDER BY coalesce(max(run_at), min(started_at), min(posted_at)) DESC, run_id DESC
    ) AS age
FROM bqx.events
GROUP BY dag_id, run_id;
COMMENT ON VIEW bqx.event_runs IS 'Runs that events tell of; age 1 is the newest of its DAG.';
