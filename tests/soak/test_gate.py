"""Gate G2 in a whole stack: a planted signal opens it, a martingale does not. It needs `make tft`."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include import settings
from include.objects import ObjectStore
from include.training.choice.decision import APPROVED
from include.training.choice.record import decisions
from include.training.container.models import NETWORKS
from local.api import Airflow
from local.approval import PAUSE, WAITING
from local.services import BUCKET
from local.stack import Stack
from local.state import State
from tests.include.training.worlds import make_dataset

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

PAIRS = ["eurusd", "gbpusd"]
DAYS = 196  # six months, in which validation has the twenty trading days that a gate asks for
SIGNAL = 0.8  # proven by the eleven days that are judged; it fades before test, or gate G0 would stop the run
SMALL = {
    "pairs": PAIRS,
    "threads": 1,
    "rounds": 60,
    "forest_trees": 20,
    "backtest_pairs": None,
    "poll_seconds": 2,
    "epochs": 5,
    "hidden_size": 16,
    "encoder_length": 8,
}
ENDED = ("success", "failed")


@pytest.fixture(scope="module")
def stack(networks_python: Path) -> Iterator[Stack]:
    """A stack on which nothing has run; networks are trained by the environment of `make tft`."""
    with tempfile.TemporaryDirectory(prefix="bqx-gate-") as folder:
        stack = Stack(State(Path(folder) / "state"))
        stack.state.create()
        try:
            stack.start()
            with stack.api() as airflow:
                _prepare(airflow)
            yield stack
        finally:
            stack.stop()


def _prepare(airflow: Airflow) -> None:
    airflow.set_pool(settings.TRAINING_POOL, 8, "jobs", deferred=True)
    while not any(dag["dag_id"] == "bqx_train" for dag in airflow.dags()):
        time.sleep(0.5)
    airflow.unpause("bqx_train")


def _bucket(stack: Stack) -> ObjectStore:
    bucket = stack.place_of(f"s3://{BUCKET}")._replace(prefix="")
    bucket.ensure_bucket()
    return bucket


def _run(stack: Stack, dataset_id: str) -> tuple[list[str], dict[str, str]]:
    """Train a data set and approve what is asked; the questions, and the states of the tasks by their ids."""
    questions: list[str] = []
    with stack.api() as airflow:
        run = airflow.trigger("bqx_train", SMALL | {"dataset_id": dataset_id})
        while (state := airflow.run("bqx_train", run)["state"]) not in ENDED:
            for task in airflow.tasks("bqx_train", run):
                if task["state"] == WAITING and not questions:
                    questions.append(airflow.question(task)["body"])
                    time.sleep(PAUSE)
                    airflow.answer(task, "Approve")
            time.sleep(2.0)
        tasks = {task["task_id"]: task["state"] for task in airflow.tasks("bqx_train", run)}
        lost = [task for task in airflow.tasks("bqx_train", run) if task["state"] == "failed"]
        assert state == "success", [(task["task_id"], airflow.last_words(task)) for task in lost]
    return questions, tasks


def _metrics(bucket: ObjectStore, pair: str, model: str) -> dict[str, Any]:
    keys = [found.key for found in bucket.list("training/")]
    (result,) = (key for key in keys if f"{pair}-{model}-" in key and key.endswith("/result.json"))
    output = bucket.get(json.loads(bucket.get(result) or b"")["output"]) or b""
    with tarfile.open(fileobj=io.BytesIO(output)) as archive:
        stream = archive.extractfile("metrics.json")
        assert stream is not None
        return dict(json.load(stream))


def test_a_planted_signal_opens_the_gate_and_networks_are_trained_and_compared(stack: Stack) -> None:
    bucket = _bucket(stack)
    make_dataset(
        bucket._replace(prefix="datasets"),
        PAIRS,
        DAYS,
        signal=SIGNAL,
        fades=True,
        columns=12,
        dataset_id="planted",
    )
    questions, tasks = _run(stack, "planted")
    made = decisions(bucket)
    assert len(questions) == 1, [decision.content["gates"]["G2"]["reason"] for decision in made.values()]
    print(questions[0])
    assert tasks["networks.train"] == "success"
    assert set(made) == set(PAIRS)
    opened = [
        pair for pair, decision in made.items() if decision.content["gates"]["G2"]["approval"] == APPROVED
    ]
    assert opened, "the signal was planted to be found"
    for pair in opened:
        scores = made[pair].content["scores"]
        assert set(NETWORKS) < set(scores), "the networks are compared with the trees"
        print(pair, made[pair].content["chosen"], made[pair].content["gates"])
        for short, model in (("tft", "tft"), ("mt", "multi_task")):
            metrics = _metrics(bucket, pair, short)
            print(model, scores[model]["val"]["r2"], metrics["seconds"], metrics["peak_memory_mib"])
            assert metrics["peak_memory_mib"] < 2500
        assert made[pair].content["chosen"] in scores


def test_a_martingale_opens_no_gate(stack: Stack) -> None:
    bucket = _bucket(stack)
    make_dataset(bucket._replace(prefix="datasets"), PAIRS, DAYS, columns=12, dataset_id="martingale")
    questions, tasks = _run(stack, "martingale")
    assert questions == []
    assert tasks["networks.train"] == "skipped"
    for decision in decisions(bucket).values():
        assert decision.content["dataset_id"] == "martingale"
        assert decision.content["gates"]["G2"]["outcome"] == "closed"
