-- One event, one statement.
INSERT INTO bqx.events (
    dag_id, run_id, run_at, task_id, map_index, pair, try_number, state, started_at, ended_at, note
)
VALUES (
    %(dag_id)s, %(run_id)s, %(run_at)s, %(task_id)s, %(map_index)s, %(pair)s, %(try_number)s, %(state)s,
    %(started_at)s, %(ended_at)s, %(note)s
);
