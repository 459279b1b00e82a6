"""bqx_experiment as Airflow runs it: an experiment and the result of a split are two actions of one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from include.experiments.forms import EXPERIMENT_PARAMS, JUDGE
from include.serving.clock import NOW
from tests.include.experiments.worlds import split
from tests.include.retraining.worlds import PAIR
from tests.training_jobs import Embedded, embedded

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow

START = datetime(2026, 3, 1, tzinfo=UTC)
TRAINS = ("plan", "select", "train", "pairs", "compare", "conclude")
numbers = count()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with pytest.MonkeyPatch.context() as patch, embedded(tmp_path_factory.mktemp("aws"), patch) as it:
        yield it


@pytest.fixture
def run(
    aws: Embedded,
    airflow_database: None,
    dagbag: Any,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Any]]:
    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    monkeypatch.setenv("AIRFLOW_VAR_BQX_AS_OF", NOW)  # there are no bars
    dag = dagbag.dags["bqx_experiment"]
    patched = [(task, task.retries) for task in dag.tasks]
    for task in dag.tasks:
        task.retries = 0
    defaults = {name: schema["default"] for name, schema in EXPERIMENT_PARAMS.items()} | {"pairs": [PAIR]}

    def run_dag(**conf: Any) -> Any:
        return dag.test(logical_date=START + timedelta(seconds=next(numbers)), run_conf=defaults | conf)

    yield run_dag
    for task, retries in patched:  # others look at the DAG too
        task.retries = retries


def states(dag_run: Any) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in dag_run.get_task_instances()}


def test_a_split_is_judged_and_nothing_is_trained(aws: Embedded, run: Callable[..., Any]) -> None:
    split(aws.bucket, "a" * 16, "b" * 16)
    done = run(action=JUDGE, first_day="2026-02-02")
    assert str(done.state) == "success"
    assert states(done) == dict.fromkeys(TRAINS, "skipped") | {"trained": "success", "judge": "success"}
    (page,) = aws.bucket.list("reports/experiments/")
    assert b"eurusd: not decided, after 0 days with answers of both." in (aws.bucket.get(page.key) or b"")
    assert aws.calls("CreateTrainingJob") == 0


def test_a_run_that_cannot_do_what_was_asked_has_failed(run: Callable[..., Any]) -> None:
    without_data = run()
    assert str(without_data.state) == "failed"
    assert {states(without_data)[task] for task in ("plan", "judge")} == {"failed", "skipped"}
    without_day = run(action=JUDGE)
    assert str(without_day.state) == "failed"
    assert states(without_day)["judge"] == "failed"
