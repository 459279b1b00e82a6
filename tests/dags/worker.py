"""``python -m tests.dags.worker DAG JSON``: run a DAG as a worker with folders of its own does.

The last line of the output is JSON: the state of the run, and what its tasks returned, by task and pair.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(dag_id: str, conf: str) -> None:
    """Run a DAG to its end in this process."""
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(ROOT / "dags").dags[dag_id]
    for task in dag.tasks:
        task.retries = 0
    run = dag.test(logical_date=datetime.now(UTC), run_conf=json.loads(conf))
    results: dict[str, list[object]] = {}
    for instance in run.get_task_instances():
        told = instance.xcom_pull(instance.task_id, map_indexes=instance.map_index)
        results.setdefault(instance.task_id, []).append(told)
    print()
    print(json.dumps({"state": run.state, "results": results}, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
