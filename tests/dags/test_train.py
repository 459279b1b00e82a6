"""bqx_train as Airflow runs it, with jobs that the embedded AWS really runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from include.forms import DRY_RUN, TRAINING_PARAMS
from local.services import TRAINING_IMAGE
from tests.include.training.worlds import make_dataset
from tests.training_jobs import Embedded, embedded

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

START = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = {
    "threads": 1,
    "forest_trees": 10,
    "rounds": 10,
    "poll_seconds": 1,
    "backtest_pairs": None,
    "pairs": None,
}
PAIR = "eurusd"  # two jobs: this process runs its tasks one after the other
RAN = (
    "plan", "select", "trained", "gate", "networks.trained", "report", "choose", "record", "conclude",
)  # fmt: skip
SKIPPED = (
    "tune.plan", "tune.requests", "tune.search", "tune.choose", "networks.ask", "networks.approval",
    "networks.plan", "networks.requests", "networks.train",
)  # fmt: skip
numbers = count()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with pytest.MonkeyPatch.context() as patch, embedded(tmp_path_factory.mktemp("aws"), patch) as it:
        make_dataset(it.bucket._replace(prefix="datasets"), [PAIR], days=12, dataset_id="tiny")
        yield it


@pytest.fixture
def run(aws: Embedded, airflow_database: None, dagbag: Any) -> Iterator[Callable[..., Any]]:
    from airflow.models.pool import Pool

    Pool.create_or_update_pool("bqx_training", slots=8, description="jobs", include_deferred=True)
    dag = dagbag.dags["bqx_train"]
    patched = [(task, task.retries) for task in dag.tasks]
    for task in dag.tasks:
        task.retries = 0
    defaults = {name: schema["default"] for name, schema in TRAINING_PARAMS.items()} | SMALL

    def run_dag(**conf: Any) -> Any:
        moment = START + timedelta(seconds=next(numbers))
        return dag.test(logical_date=moment, run_conf=defaults | {"dry_run": DRY_RUN["default"]} | conf)

    yield run_dag
    for task, retries in patched:  # others look at the DAG too
        task.retries = retries


def states(dag_run: Any) -> dict[str, Counter[str]]:
    """How many instances of each task are in which state."""
    counts: dict[str, Counter[str]] = {}
    for instance in dag_run.get_task_instances():
        counts.setdefault(instance.task_id, Counter())[str(instance.state)] += 1
    return counts


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> set[float]:
    """Seconds between two looks at a job, of every job that was waited for."""
    from bqx.operators.training import TrainingTrigger

    seen: set[float] = set()
    look = TrainingTrigger.run

    def noted(trigger: TrainingTrigger) -> Any:
        seen.add(trigger.waiter_delay)
        return look(trigger)

    monkeypatch.setattr(TrainingTrigger, "run", noted)
    return seen


def test_every_model_is_trained_once_and_reported(
    aws: Embedded, run: Callable[..., Any], pauses: set[float]
) -> None:
    assert aws.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    jobs = 2
    first = run()
    assert states(first) == {
        "train": {"success": jobs},
        **{task: {"success": 1} for task in RAN},
        **{task: {"skipped": 1} for task in SKIPPED},
    }
    labels = {instance.rendered_map_index for instance in first.get_task_instances(state="success")}
    assert labels > {f"{PAIR} random_forest", f"{PAIR} xgboost"}
    pages = [found.key for found in aws.bucket.list("reports/training/")]
    assert len([key for key in pages if key.endswith("/index.html")]) == 1
    assert aws.calls("CreateTrainingJob") == jobs
    assert pauses == {SMALL["poll_seconds"]}

    again = states(run())
    assert again["select"] == again["train"] == {"skipped": 1}
    assert again["conclude"] == {"success": 1}
    assert aws.calls("CreateTrainingJob") == jobs, "a second run of the same inputs creates no job"
    assert len(list(aws.bucket.list("decisions/"))) == 1, "and decides nothing else"
    packages = aws.sagemaker.list_model_packages(ModelPackageGroupName=f"bqx-{PAIR}")
    assert len(packages["ModelPackageSummaryList"]) == 1

    dry = states(run(dry_run=True, seed=9))
    assert {dry[task]["skipped"] for task in ("train", "gate", "report", "choose", "conclude")} == {1}
    assert aws.calls("CreateTrainingJob") == jobs


def test_a_failed_job_does_not_stop_the_others(aws: Embedded, run: Callable[..., Any]) -> None:
    aws.trouble.add(
        "sagemaker", "CreateTrainingJob", nth=1, status=400, code="ValidationException", message="not today"
    )
    try:
        counts = states(run(seed=11))
    finally:
        aws.trouble.clear()
    assert counts["train"] == {"failed": 1, "success": 1}
    assert counts["report"] == counts["choose"] == {"success": 1}
    assert counts["conclude"] == {"failed": 1}, "it names what is missing"


def test_images_of_the_stack_are_those_of_the_variable(aws: Embedded) -> None:
    described = aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]
    name = described[0]["TrainingJobName"]
    job = aws.sagemaker.describe_training_job(TrainingJobName=name)
    assert job["AlgorithmSpecification"]["TrainingImage"] == TRAINING_IMAGE
