"""A whole run of the monitor, task by task, on bars, predictions, a data set and the embedded CloudWatch."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.dataset.export import finish, write_document, write_part
from include.errors import Incomplete, NothingToDo
from include.monitoring import drift, steps
from include.monitoring.actuals import what_came
from include.monitoring.forecasts import read_forecasts
from include.monitoring.sessions import whole_days
from include.monitoring.values import CRITICAL, NO_DATA, Reading
from include.objects import ObjectStore
from include.reports import Reports
from include.serving import archives, batch, routing
from include.serving.routing import Route, Target
from include.storage.connection import connect
from include.training.choice import record
from local.postgres import Postgres
from tests import sagemaker
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import empty_store, manifest
from tests.include.dataset.test_profile import some_profile
from tests.include.monitoring.markets import minutes
from tests.include.monitoring.worlds import BUDGET, oracle
from tests.include.serving.markets import WINDOWS, broken_market
from tests.include.storage.samples import store
from tests.versions import Version, version

COLUMNS = ("lag__return_lag_1", "technical_idx__rsi_14", "volume_idx__volume_z_20", "time__session_hour")
PAIR, OTHER, DAYS = "eurusd", "audusd", 80
ASKED = {"pairs": [PAIR, OTHER, "gbpusd"], "window_days": 5, "dry_run": False}
SCORES = {"mae_scaled": {"model": 1.0, "no_skill": 1.0}, "r2": {"model": 0.2, "no_skill": 0.2}}


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """Three weeks of two pairs, until 2024-08-07 in the evening."""
    with databases.database(postgres) as name:
        for pair, bars in broken_market().items():
            if pair in (PAIR, OTHER):
                store(postgres.url(name), pair, bars)
        yield postgres.url(name)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[ObjectStore]:
    """One pair is served, with a data set behind it, and two days are predicted."""
    with empty_store(tmp_path_factory.mktemp("s3")) as datasets:
        whole = datasets._replace(prefix="")
        export(datasets)
        for pair in (PAIR, OTHER):
            deploy(whole, version(pair, 1, names=COLUMNS))
        for day in ("2024-08-06", "2024-08-07"):
            asked = {"pairs": [PAIR], "day": day}
            batch.predict(url, whole, batch.plan(url, whole, asked, "last_bar"), PAIR)
        yield whole


def export(datasets: ObjectStore) -> None:
    """Training rows that look like no market at all, and the profile of a data set."""
    rng, ts = np.random.default_rng(1), minutes(DAYS)
    columns = {"ts_utc": pa.array(ts * 60_000_000, pa.int64()).cast(pa.timestamp("us", "UTC"))}
    columns |= {name: pa.array(rng.normal(50, 5, ts.size).astype(np.float32)) for name in COLUMNS}
    files = [
        write_part(datasets, "one", pair, "train", "2024-05", pa.table(columns)) for pair in (PAIR, OTHER)
    ]
    arrays = {
        f"{pair}/{name}": value
        for pair in (PAIR, OTHER)
        for name, value in replace(some_profile(), pair=pair).arrays().items()
    }
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    stable = {"stability": 0.7}
    documents = {"profile": write_document(datasets, "one", "profile.npz", sink.getvalue())}
    splits = {"train": {"rows": 2 * ts.size}}
    finish(
        datasets,
        manifest("one", files, columns_selected=COLUMNS, splits=splits, documents=documents, extra=stable),
    )


def deploy(bucket: ObjectStore, known: Version) -> None:
    bucket.put(archives.key_of(known.target), known.archive)
    content = {
        "pair": known.pair, "dataset_id": "one", "content_hash": "c" * 64, "windows": WINDOWS,
        "previous": None, "chosen": "xgboost", "deployable": True, "scores": {"xgboost": {"test": SCORES}},
    }  # fmt: skip
    decided = record.write(bucket, known.pair, lambda before: content)
    target = Target(known.name, known.target, known.feature_hash, decided.key, tuple(WINDOWS.items()))
    columns = {known.feature_hash: list(known.columns)}
    routing.publish(
        bucket, lambda now: routing.assign(now, {known.pair: Route(target)}, columns, "bqx"), "test", "run"
    )


@pytest.fixture
def planned(url: str, bucket: ObjectStore) -> dict[str, Any]:
    return steps.plan(url, bucket, ASKED, "last_bar", BUDGET)


def datasets_of(bucket: ObjectStore) -> ObjectStore:
    return bucket._replace(prefix="datasets")


def learned(bucket: ObjectStore, planned: dict[str, Any]) -> float | None:
    return steps.bound([steps.learn(bucket, datasets_of(bucket), planned, pair) for pair in (PAIR, OTHER)])


def kept(url: str) -> dict[tuple[str, str, int], tuple[float | None, str, str]]:
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT name, pair, horizon, value, level, note FROM bqx.monitor_values WHERE line = ''"
        )
        return {(name, pair, h): (value, level, note) for name, pair, h, value, level, note in rows}  # type: ignore[misc]


def test_the_plan_names_what_is_watched(planned: dict[str, Any]) -> None:
    assert planned["as_of"].startswith("2024-08-08T00:00")
    assert steps.select(planned) == [PAIR, OTHER]
    assert steps.select(planned | {"dry_run": True}) == []
    assert planned["models"][PAIR]["columns"] == list(COLUMNS)


def test_the_plan_makes_the_table_of_captures_but_not_in_a_dry_run(url: str, bucket: ObjectStore) -> None:
    for dry_run in (True, False):
        with connect(url) as connection:
            connection.execute("DROP TABLE IF EXISTS bqx.captures")
            steps.plan(url, bucket, ASKED | {"dry_run": dry_run}, "last_bar", BUDGET)
            found = connection.execute("SELECT to_regclass('bqx.captures') IS NULL").fetchone()
            assert found == (dry_run,)


def test_without_a_model_there_is_nothing_to_watch(url: str, bucket: ObjectStore) -> None:
    with pytest.raises(NothingToDo, match="bqx_deploy"):
        steps.plan(url, bucket, ASKED | {"pairs": ["gbpusd"]}, "last_bar", BUDGET)


def test_training_rows_are_counted_once(bucket: ObjectStore, planned: dict[str, Any]) -> None:
    first = steps.learn(bucket, datasets_of(bucket), planned, PAIR)
    assert first["days"] == DAYS
    keys = [found.key for found in bucket.list("monitoring/")]
    assert steps.learn(bucket, datasets_of(bucket), planned, PAIR) == first
    assert [found.key for found in bucket.list("monitoring/")] == keys
    assert steps.bound([None]) is None


def test_a_pair_is_watched_and_its_scores_are_right(
    url: str, bucket: ObjectStore, planned: dict[str, Any]
) -> None:
    told = steps.watch(url, bucket, datasets_of(bucket), planned, PAIR, learned(bucket, planned), "run 1")
    found = kept(url)
    as_of = steps._as_of(planned)
    with connect(url) as connection:
        forecast = read_forecasts(connection, PAIR, whole_days(as_of, 5).first, as_of)
        came = what_came(connection, PAIR, forecast, as_of)
    assert came is not None
    expected = oracle(came, forecast, as_of)
    for (name, h), value in expected.items():
        assert found[name, PAIR, h][0] == pytest.approx(value, rel=1e-9), name
    ratio = np.mean([expected["mae_scaled", h] for h in WINDOWS]) / np.mean(
        [expected["mae_scaled_no_skill", h] for h in WINDOWS]
    )
    assert found["mae_change", PAIR, 0][0] == pytest.approx(ratio - 1, rel=1e-9)
    assert found["data_age", PAIR, 0][0] == 0
    assert found["feature_drift", PAIR, 0][1] == CRITICAL, "these features look like no training row"
    assert found["features_drifted", PAIR, 0][0] == 3, "the hour of the clock is no column that drifts"
    assert found["prediction_shift", PAIR, 0][1:] == (
        NO_DATA,
        "This version has forecasts of 0 days before it.",
    )
    assert told["beyond"]["feature_drift"] == CRITICAL
    assert told["values"] == sum(pair == PAIR for _, pair, _ in found)


def test_few_training_days_are_no_data(url: str, bucket: ObjectStore, planned: dict[str, Any]) -> None:
    steps.watch(url, bucket, datasets_of(bucket), planned, PAIR, None, "run 2")
    value, level, note = kept(url)["feature_drift", PAIR, 0]
    assert (value, level) == (None, NO_DATA)
    assert note.startswith(f"The training set has {DAYS} trading days; {drift.LEAST_DAYS}")


def test_a_pair_without_forecasts_says_so(url: str, bucket: ObjectStore, planned: dict[str, Any]) -> None:
    steps.watch(url, bucket, datasets_of(bucket), planned, OTHER, learned(bucket, planned), "run 3")
    found = kept(url)
    for name in ("skill", "mae_change", "actuals_missing"):
        assert found[name, OTHER, 0] == (None, NO_DATA, "There are no forecasts in the window.")


def test_bars_that_stop_are_no_data_and_an_age(
    url: str, bucket: ObjectStore, planned: dict[str, Any]
) -> None:
    later = planned | {"as_of": "2024-08-12T12:00:00+00:00"}
    steps.watch(url, bucket, datasets_of(bucket), later, PAIR, learned(bucket, planned), "run 4")
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT name, value, level FROM bqx.monitor_values WHERE as_of = '2024-08-12 12:00+00'"
            " AND horizon = 0"
        )
        found = {name: (value, level) for name, value, level in rows}
        connection.execute("DELETE FROM bqx.monitor_values WHERE as_of = '2024-08-12 12:00+00'")
    age, level = found["data_age"]
    assert (age, level) == ((45 + 15) * 60, CRITICAL), "Friday evening and Monday morning, and no weekend"
    assert found["feature_drift"] == (None, NO_DATA)
    assert found["skill"][0] is not None, "what was forecast before can still be scored"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[steps.Clients]:
    """Clients of the embedded AWS."""
    with sagemaker.served(tmp_path_factory.mktemp("aws")) as aws:
        made = steps.Clients(*(aws.client(name) for name in ("cloudwatch", "ce", "sagemaker")))
        yield made
        for client in made:
            client.close()


def requests(client: Any) -> None:
    """Three requests of the endpoint in the minute before, one of which failed."""
    named = [{"Name": "EndpointName", "Value": "bqx"}, {"Name": "VariantName", "Value": "all"}]
    data = [("ModelLatency", [1_000, 2_000, 9_000]), ("Invocations", [1, 1, 1])]
    data += [("Invocation5XXErrors", [0, 0, 1]), ("ModelCacheHit", [1, 1, 0])]
    moment = datetime.now(UTC) - timedelta(minutes=1)
    told = [
        {"MetricName": name, "Dimensions": named, "Timestamp": moment, "Values": values}
        for name, values in data
    ]
    client.put_metric_data(Namespace="AWS/SageMaker", MetricData=told)


def test_the_run_is_published_and_fills_the_scoreboard(
    url: str, bucket: ObjectStore, planned: dict[str, Any], clients: steps.Clients
) -> None:
    k, datasets = learned(bucket, planned), datasets_of(bucket)
    for pair in (PAIR, OTHER):
        steps.watch(url, bucket, datasets, planned, pair, k, "run 5")
    requests(clients.cloudwatch)
    more = [Reading("retraining_success", 1.0)]
    told = steps.conclude(url, bucket, datasets, clients, planned, "run 5", more)
    now = datetime.now(UTC)
    points = clients.cloudwatch.get_metric_statistics(
        Namespace="BQX", MetricName="feature_drift", Dimensions=[{"Name": "Endpoint", "Value": "bqx"}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"]  # fmt: skip
    assert points[0]["Maximum"] == pytest.approx(told["values"]["feature_drift"])
    names = {each["MetricName"] for each in clients.cloudwatch.list_metrics(Namespace="BQX")["Metrics"]}
    assert {"skill", "mae_change", "data_age", "monitor_runs", "cost", "cost_of_line"} <= names
    assert "prediction_shift" not in names, "what has no data is not sent"
    assert not {"latency_p99", "requests"} & names, "CloudWatch has what SageMaker measures already"
    assert told["levels"]["feature_drift"] == CRITICAL
    found = kept(url)
    assert found["feature_drift", "", 0][0] == told["values"]["feature_drift"]
    assert found["skill", "", 0][2] == "No data for 1 of 2 pairs."
    assert found["latency_p99", "", 0][0] == pytest.approx(np.percentile([1, 2, 9], 99))
    assert found["error_rate", "", 0][0] == pytest.approx(1 / 3)
    assert found["cache_hits", "", 0][0] == pytest.approx(2 / 3)
    assert found["requests", "", 0][0] == pytest.approx(3 / 240), "a minute, over four hours"
    assert found["cpu", "", 0] == (None, NO_DATA, "CloudWatch has no CPUUtilization of the last 4 hours.")
    states = {line["name"]: line["state"] for line in told["scoreboard"]}
    assert len(states) == 7
    assert (states["P99 latency"], states["Cost a month"], states["Importance stability"]) == ("met",) * 3
    assert states["R2"] == "not met"
    assert json.loads(bucket.get(steps.SCOREBOARD) or b"")["lines"] == told["scoreboard"]
    assert "P99 latency           met with 8.86 (goal: below 200 ms)" in told["summary"]
    assert "critical: " in told["summary"]
    steps.complete(told["absent"], planned)


def test_the_dashboards_of_the_run_are_pictures_in_the_bucket(
    url: str, bucket: ObjectStore, planned: dict[str, Any]
) -> None:
    told = steps.draw(url, Reports(bucket._replace(prefix="reports")), planned, "run 5")
    assert told["summary"].endswith("/reports/monitoring/run-5/index.html")
    names = {found.key.rpartition("/")[2] for found in bucket.list("reports/monitoring/run-5/")}
    assert names == {"index.html", "performance.png", "cost.png"}


def test_a_pair_that_was_not_watched_fails_the_run_after_all_is_published(
    url: str, bucket: ObjectStore, planned: dict[str, Any], clients: steps.Clients
) -> None:
    datasets = datasets_of(bucket)
    steps.watch(url, bucket, datasets, planned, PAIR, learned(bucket, planned), "run 6")
    told = steps.conclude(url, bucket, datasets, clients, planned, "run 6")
    with pytest.raises(Incomplete, match=f"1 of 2 pairs were not watched: {OTHER}"):
        steps.complete(told["absent"], planned)
    assert kept(url)["feature_drift", "", 0][1:] == (
        CRITICAL,
        "EURUSD is the worst. No data for 1 of 2 pairs.",
    )


def test_a_dry_run_publishes_nothing(url: str, bucket: ObjectStore, planned: dict[str, Any]) -> None:
    with pytest.raises(NothingToDo, match="Dry run"):
        steps.conclude(url, bucket, datasets_of(bucket), None, planned | {"dry_run": True}, "run 7")  # type: ignore[arg-type]


def test_alarms_and_dashboards_are_those_of_the_run(
    bucket: ObjectStore, planned: dict[str, Any], clients: steps.Clients
) -> None:
    told = steps.provide(clients.cloudwatch, bucket, planned)
    assert sorted(told["written"]) == sorted(told["alarms"] + told["dashboards"])
    assert steps.provide(clients.cloudwatch, bucket, planned)["written"] == []
    assert json.loads(bucket.get(steps.PROVIDED) or b"")["alarms"] == told["alarms"]


def test_a_drift_asks_for_a_retraining_once(url: str, bucket: ObjectStore, planned: dict[str, Any]) -> None:
    with pytest.raises(NothingToDo, match="Dry run"):
        steps.drifted(url, planned | {"dry_run": True})
    steps.watch(url, bucket, datasets_of(bucket), planned, PAIR, learned(bucket, planned), "run 9")
    assert PAIR in steps.drifted(url, planned)["values"]["feature_drift"]
    later = planned | {"as_of": (datetime.fromisoformat(planned["as_of"]) + timedelta(hours=4)).isoformat()}
    with pytest.raises(NothingToDo, match="No value asks"):
        steps.drifted(url, later)
