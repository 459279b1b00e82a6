"""MLflow with a store in the real PostgreSQL: one run for each record, whatever happens on the way."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from include.errors import MissingInput
from include.objects import ObjectStore
from include.tracking import outbox
from include.tracking.mlflow_tracker import MlflowTracker
from include.tracking.run import TrackedRun
from local.postgres import Postgres, is_free

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own
WHEN = datetime(2026, 11, 2, 12, tzinfo=UTC)


def record(name: str, score: float = 0.25, **tags: str) -> TrackedRun:
    return TrackedRun(
        name=name,
        params={"rounds": "500", "seed": "7"},
        metrics={"test/r2_h15": score, "test/skill_mean": -0.001},
        tags={"bqx.pair": "eurusd", "bqx.chosen": "true"} | tags,
        documents={"card.json": {"pair": "eurusd", "columns": 195}},
        seconds=90.0,
    )


def test_a_record_becomes_a_run(bucket: ObjectStore, store_uri: str, mlflow_runs: Any) -> None:
    MlflowTracker(store_uri, bucket).deliver(record("become"), WHEN)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true", "set before MLflow is imported"
    (run,) = mlflow_runs("become")
    assert run.data.params == {"rounds": "500", "seed": "7"}
    assert run.data.metrics == {"test/r2_h15": 0.25, "test/skill_mean": -0.001}
    assert run.data.tags["bqx.pair"] == "eurusd"
    assert (run.info.run_name, run.info.status) == ("become", "FINISHED")
    assert run.info.end_time == round(WHEN.timestamp() * 1000)
    assert run.info.end_time - run.info.start_time == 90_000
    body = bucket.get(f"{run.info.artifact_uri.removeprefix('s3://bqx/')}/card.json")
    assert json.loads(body or b"") == {"pair": "eurusd", "columns": 195}


def test_twice_is_once(bucket: ObjectStore, store_uri: str, mlflow_runs: Any) -> None:
    for _ in range(3):
        MlflowTracker(store_uri, bucket).deliver(record("twice"), WHEN)
    (run,) = mlflow_runs("twice")
    assert len(history(store_uri, run)) == 1


def test_old_runs_are_forgotten_but_those_whose_job_is_there(
    bucket: ObjectStore, store_uri: str, mlflow_runs: Any
) -> None:
    tracker, old = MlflowTracker(store_uri, bucket), datetime(2020, 1, 1, tzinfo=UTC)
    for name, moment in (("forget-1", old), ("forget-2", old), ("forget-3", WHEN)):
        tracker.deliver(record(name), moment)
    kept, before = frozenset({"forget-2"}), datetime(2021, 1, 1, tzinfo=UTC)
    assert tracker.forget(before, kept, dry_run=True) == 1
    assert len(mlflow_runs("forget")) == 3
    assert tracker.forget(before, kept, dry_run=False) == 1
    assert sorted(run.info.run_name for run in mlflow_runs("forget")) == ["forget-2", "forget-3"]
    assert tracker.forget(before, kept, dry_run=False) == 0


def test_a_later_comparison_is_the_newest_word(bucket: ObjectStore, store_uri: str, mlflow_runs: Any) -> None:
    tracker = MlflowTracker(store_uri, bucket)
    tracker.deliver(record("later"), WHEN)
    tracker.deliver(record("later", 0.125, **{"bqx.chosen": "false"}), WHEN.replace(hour=13))
    (run,) = mlflow_runs("later")
    assert (run.data.metrics["test/r2_h15"], run.data.tags["bqx.chosen"]) == (0.125, "false")
    assert history(store_uri, run) == [0.25, 0.125]


def test_two_that_create_at_once_keep_the_same_run(
    bucket: ObjectStore, store_uri: str, mlflow_runs: Any
) -> None:
    """Both have looked before either has created."""
    first, second = MlflowTracker(store_uri, bucket), MlflowTracker(store_uri, bucket)
    create = first._client.create_run

    def create_late(*args: Any, **more: Any) -> Any:
        second.deliver(record("race"), WHEN)
        return create(*args, **more)

    first._client.create_run = create_late
    first.deliver(record("race"), WHEN)
    (run,) = mlflow_runs("race")
    second.deliver(record("race"), WHEN)
    assert [each.info.run_id for each in mlflow_runs("race")] == [run.info.run_id]
    assert run.data.metrics["test/r2_h15"] == 0.25


class Killed(BaseException):
    """What a signal would do: nothing catches it."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Let the n-th statement to any database, or request to S3, end everything."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    seen: list[int] = []

    def count(*_: Any, **__: Any) -> None:
        seen.append(1)
        if len(seen) == number:
            raise Killed

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.timeout(600)
def test_killed_anywhere_and_run_again_each_run_is_there_once(
    bucket: ObjectStore, store_uri: str, mlflow_runs: Any
) -> None:
    MlflowTracker(store_uri, bucket)
    number, kills = 1, 0
    while True:
        names = [f"kill-{number:03d}-{each}" for each in "ab"]
        outbox.put(bucket, map(record, names))
        try:
            with killed_at(number):
                outbox.deliver(bucket, lambda: MlflowTracker(store_uri, bucket))
        except Killed:
            kills += 1
        else:
            break
        assert outbox.deliver(bucket, lambda: MlflowTracker(store_uri, bucket)).waiting == 0
        for name in names:
            (run,) = mlflow_runs(name)
            assert run.data.metrics == record(name).metrics
            assert run.data.params == record(name).params
            assert run.info.status == "FINISHED"
            assert bucket.get(f"{run.info.artifact_uri.removeprefix('s3://bqx/')}/card.json")
        number += 3
    assert kills > 10, "the runs were delivered by so few statements?"


def test_killed_while_the_tables_are_made(
    bucket: ObjectStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (5, 200):
        with pytest.raises(Killed), killed_at(number):
            MlflowTracker(database_url, bucket)
    MlflowTracker(database_url, bucket).deliver(record("tables"), WHEN)


def test_nobody_answers(bucket: ObjectStore, postgres: Postgres) -> None:
    port = next(port for port in range(20_000, 21_000) if is_free(port))
    outbox.put(bucket, [record("nobody")])
    uri = f"postgresql://bqx:hunter2@127.0.0.1:{port}/mlflow"
    tracked, waiting, problem = outbox.deliver(bucket, lambda: MlflowTracker(uri, bucket))
    assert (tracked, waiting) == (0, 1)
    assert "Connection refused" in problem
    wrong = postgres.url("postgres").replace(postgres.password, "hunter2")
    tracked, waiting, denied = outbox.deliver(bucket, lambda: MlflowTracker(wrong, bucket))
    assert (tracked, waiting) == (0, 1)
    assert "password authentication failed" in denied
    assert "hunter2" not in problem + denied


@pytest.mark.parametrize("uri", ["postgresql+a+b://u:hunter2@h/d", "hunter2", "ftp://u:hunter2@h"])
def test_an_address_that_is_none_is_refused_without_its_password(bucket: ObjectStore, uri: str) -> None:
    with pytest.raises(MissingInput, match="no http") as caught:
        MlflowTracker(uri, bucket)
    assert "hunter2" not in str(caught.value)


def test_without_mlflow_records_wait(
    bucket: ObjectStore, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    outbox.put(bucket, [record("absent")])
    tracked, waiting, problem = outbox.deliver(bucket, lambda: MlflowTracker(store_uri, bucket))
    assert (tracked, waiting) == (0, 1)
    assert "install the extra `tracking`" in problem


def test_a_server_over_http_that_is_down_is_left_soon(
    bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    outbox.put(bucket, [record("http")])
    uri = "http://bqx:hunter2@127.0.0.1:9"
    tracked, waiting, problem = outbox.deliver(bucket, lambda: MlflowTracker(uri, bucket))
    assert (tracked, waiting) == (0, 1)
    assert "hunter2" not in problem


def test_a_server_over_http_that_asks_for_a_password(
    bucket: ObjectStore, store_uri: str, mlflow_runs: Any, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with served_mlflow(store_uri, "bqx:hunter2", monkeypatch) as port:
        outbox.put(bucket, [record("asked-1"), record("asked-2")])
        for _ in range(2):
            tracker = MlflowTracker(f"http://bqx:hunter2@127.0.0.1:{port}", bucket)
            assert outbox.deliver(bucket, lambda: tracker).waiting == 0  # noqa: B023
    assert [run.data.metrics for run in mlflow_runs("asked-")] == [record("").metrics] * 2
    assert "hunter2" not in "".join(capfd.readouterr())


@contextmanager
def served_mlflow(store_uri: str, account: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """MLflow's own server, which lets an account in; gives its port."""
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", store_uri)
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "s3://bqx/elsewhere")
    from mlflow.server import app
    from werkzeug.serving import make_server

    known = "Basic " + base64.b64encode(account.encode()).decode()

    def guarded(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_AUTHORIZATION") != known:
            start_response("401 Unauthorized", [])
            return [b""]
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, guarded, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def history(store_uri: str, run: Any) -> list[float]:
    """Every value of a metric, oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store_uri)
    points = client.get_metric_history(run.info.run_id, "test/r2_h15")
    return [point.value for point in sorted(points, key=lambda point: point.timestamp)]
