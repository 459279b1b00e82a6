"""Each incident is caused on a running stack, the page is followed as it is written, and it heals.

Long drills, which deploy, rebuild features or wait for alarms, are part of the soak.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from pyairtable import Api

from include import pairs
from include.names import Month
from include.serving import archives, routing
from include.serving.routing import Route
from local import predict
from local.legacy import build_legacy
from local.stack import Stack
from tests.runbooks.drill import Drill, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PAIRS = json.dumps(["eurusd", "usdjpy"])
VARIANT = [{"Name": "EndpointName", "Value": "bqx"}, {"Name": "VariantName", "Value": "all"}]


def aws(stack: Stack, service: str) -> Any:
    known = stack.exports()
    return boto3.client(
        service,
        endpoint_url=known["AWS_ENDPOINT_URL"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        region_name=known["AWS_DEFAULT_REGION"],
    )


def alarm(stack: Stack, name: str) -> str:
    (found,) = aws(stack, "cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def instances(stack: Stack) -> int:
    told = aws(stack, "sagemaker").describe_endpoint(EndpointName="bqx")
    return sum(each["CurrentInstanceCount"] for each in told["ProductionVariants"])


def version(stack: Stack, pair: str) -> str:
    """The model that answers; empty if none does, or one that the endpoint does not have."""
    known = predict.exports(stack.state.env)
    with contextlib.suppress(predict.NoForecast):
        return str(predict.ask(known["BQX_API_URL"], known["BQX_API_TOKEN"], pair)["model_version"])
    return ""


def test_rollback(stack: Stack) -> None:
    good = version(stack, "eurusd")
    assert good
    bucket = stack.place_of("s3://bqx/")
    now = routing.read(bucket)
    before = now.pairs["eurusd"].champion
    archive = bucket.get(archives.key_of(before.target))
    assert archive
    bad = before._replace(version="0" * 16, target=f"{before.target}-bad")
    bucket.put(archives.key_of(bad.target), archive)
    routing.publish(
        bucket,
        lambda table: routing.assign(table, {"eurusd": Route(bad)}, dict(now.columns), now.endpoint),
        "a bad version",
        "drill",
    )
    eventually(lambda: version(stack, "eurusd") != good)
    drill = Drill(stack, "rollback", PAIRS='["eurusd"]')
    drill.follow("Look", "Go back")
    eventually(lambda: version(stack, "eurusd") == good)
    assert good in drill.follow("Healed")


@pytest.mark.soak
def test_feature_pipeline_late(stack: Stack, bars: str) -> None:
    drill = Drill(stack, "feature-pipeline-late", PAIRS=PAIRS, BARS=bars)
    counted = (
        "SELECT (SELECT count(*) FROM bqx.m1_eurusd), (SELECT count(rsi_14) FROM bqx.technical_idx_eurusd)"
    )
    before = drill.rows(counted)
    drill.rows(
        "DELETE FROM bqx.m1_eurusd WHERE ts_utc > (SELECT max(ts_utc) FROM bqx.m1_eurusd) - '6 h'::INTERVAL"
    )
    drill.rows("DELETE FROM bqx.technical_idx_eurusd")
    assert drill.rows(counted) != before
    drill.follow("Look", "If bars are missing")
    assert drill.rows(counted)[0][0] == before[0][0]
    drill.follow("If features are missing")
    assert drill.rows(counted) == before
    drill.follow("If the monitor is silent", "Healed")
    assert drill.wait("bqx_features") == drill.wait("bqx_monitor") == "success"


def test_airtable_rejected(stack: Stack) -> None:
    known = stack.exports()
    base = Api(known["AIRTABLE_TOKEN"], endpoint_url=known["AIRTABLE_ENDPOINT_URL"])
    tasks = base.table(known["AIRTABLE_BASE_ID"], "Tasks")
    double = tasks.create({"Task ID": "TSK-1.6.10.3", "Task Name": "Execute backfill (336 partitions)"})["id"]
    assert double in said_by_sync(stack)
    drill = Drill(stack, "airtable-rejected", RECORD=double)
    assert "200" in drill.follow("Look").splitlines()
    drill.follow("If a key is there twice", "Compare everything")
    assert drill.follow("Healed").splitlines()[-1] == "0"
    assert double not in said_by_sync(stack)
    assert double not in [record["id"] for record in tasks.all()]


def said_by_sync(stack: Stack) -> str:
    with stack.api() as airflow:
        run = airflow.trigger("bqx_sync", {})
        eventually(lambda: airflow.run("bqx_sync", run)["state"] in ("success", "failed"), 180)
        (task,) = airflow.tasks("bqx_sync", run)
        return str(airflow.xcom(task)["summary"])


def test_restore_of_the_database(stack: Stack, tmp_path: Path) -> None:
    drill = Drill(stack, "restore-of-the-database", PAIRS=PAIRS, BACKUP=str(tmp_path / "bqx.dump"))
    tables = ("m1_eurusd", "bqx_usdjpy", "technical_idx_eurusd", "correlation_bqx_usdjpy", "monitor_values")
    counted = "SELECT " + ", ".join(f"(SELECT count(*) FROM bqx.{name})" for name in tables)
    before = drill.rows(counted)
    told = drill.follow("Before: a backup every day")
    assert int(told.splitlines()[-1]) > 10
    drill.follow("Stop what writes")
    drill.rows("DROP TABLE bqx.m1_eurusd, bqx.technical_idx_eurusd CASCADE")
    assert "m1_eurusd" not in drill.follow("Look").splitlines()
    drill.follow("Restore")
    assert drill.rows(counted)[0][0] == before[0][0]
    drill.follow("Build what follows from the bars")
    assert drill.wait("bqx_features") == "success"
    assert drill.rows(counted) == before
    drill.follow("Go on", "Healed")
    assert drill.wait("bqx_monitor") == "success"


@pytest.mark.soak
def test_high_latency(stack: Stack) -> None:
    drill = Drill(stack, "high-latency")
    client, now = aws(stack, "cloudwatch"), datetime.now(UTC)
    slow = [
        {
            "MetricName": "ModelLatency",
            "Dimensions": VARIANT,
            "Timestamp": now - timedelta(minutes=minute),
            "Values": [400_000.0],
            "Counts": [1_000.0],
        }
        for minute in range(1, 5)
    ]
    client.put_metric_data(Namespace="AWS/SageMaker", MetricData=slow)
    eventually(lambda: alarm(stack, "bqx-latency_p99-warning") == "ALARM", 120)
    assert "latency_p99" in drill.follow("Look")
    drill.follow("If cache hits are below 70%, or waiting did not help")
    assert drill.wait("bqx_deploy") == "success"
    assert instances(stack) == 2
    drill.follow("If neither holds")
    eventually(lambda: alarm(stack, "bqx-latency_p99-warning") == "OK", 600)
    assert float(drill.follow("Healed").strip()) < 0.3


@pytest.mark.soak
def test_cost(stack: Stack) -> None:
    drill = Drill(stack, "cost", PAIRS=PAIRS)
    client = aws(stack, "cloudwatch")
    datum = {"MetricName": "cost", "Dimensions": [{"Name": "Endpoint", "Value": "bqx"}], "Value": 401.0}
    client.put_metric_data(Namespace="BQX", MetricData=[datum])
    eventually(lambda: alarm(stack, "bqx-cost-critical") == "ALARM", 150)
    assert "Inference" in drill.follow("Look")
    drill.follow("If inference costs too much")
    assert drill.wait("bqx_deploy") == "success"
    eventually(lambda: instances(stack) == 1, 1200)  # scaling takes one away after fifteen quiet minutes
    drill.follow("If training costs too much")
    drill.follow("If storage costs too much")
    assert drill.wait("bqx_retention") == "success"
    drill.follow("Healed")
    assert drill.wait("bqx_monitor") == "success"


@pytest.mark.soak
def test_endpoint_down(stack: Stack) -> None:
    drill = Drill(stack, "endpoint-down")
    assert version(stack, "eurusd")
    aws(stack, "sagemaker").delete_endpoint(EndpointName="bqx")
    eventually(lambda: not version(stack, "eurusd"))
    drill.follow("Look", "If the endpoint is gone or failed")
    assert drill.wait("bqx_deploy") == "success"
    eventually(lambda: version(stack, "eurusd"))
    drill.follow("If one model fails", "Healed")


@pytest.mark.soak
def test_model_drift(stack: Stack) -> None:
    drill = Drill(stack, "model-drift", PAIRS=PAIRS)
    drill.rows(
        "UPDATE bqx.monitor_values SET value = 0.6, level = 'critical', note = 'drilled'"
        " WHERE name = 'mae_change' AND pair = 'eurusd'"
    )
    assert "drilled" in drill.follow("Look")
    drill.follow("If the data are right")
    assert drill.wait("bqx_retrain") == "success"
    drill.follow("Healed")
    assert drill.wait("bqx_monitor") == "success"
    assert drill.rows("SELECT count(*) FROM bqx.monitor_latest WHERE note = 'drilled'") == [(0,)]


@pytest.mark.soak
def test_failed_retraining(stack: Stack) -> None:
    drill = Drill(stack, "failed-retraining", PAIRS=PAIRS)
    drill.rows("ALTER TABLE bqx.m1_eurusd RENAME COLUMN high TO broken")
    try:
        with stack.api() as airflow:
            airflow.unpause("bqx_retrain")
            airflow.trigger("bqx_retrain", {"pairs": ["eurusd", "usdjpy"]})
        assert drill.wait("bqx_retrain") == "failed"
        assert "bqx_" in drill.follow("Look")
    finally:
        drill.rows("ALTER TABLE bqx.m1_eurusd RENAME COLUMN broken TO high")
    drill.follow("Retrain again")
    assert drill.wait("bqx_retrain") == "success"
    assert "success" in drill.follow("Healed")


@pytest.mark.soak
def test_failed_migration_batch(stack: Stack) -> None:
    url = stack.postgres.url("bqx")
    pair = untouched(url)
    drill = Drill(stack, "failed-migration-batch", PAIRS=f'["{pair}"]')
    build_legacy(url, pairs=(pair,), months=[Month(2024, 7)], decoys=False)
    with held(url, f"reg_{pair}"):
        with stack.api() as airflow:
            airflow.trigger("bqx_migrate", {"dry_run": False, "pairs": [pair]})
        assert drill.wait("bqx_migrate") == "failed"
        assert drill.follow("Healed").strip() != "0"
        time.sleep(30)  # a session of people is not ended at once
        assert "drill" in drill.follow("Look")
        drill.follow("If a session holds a table")
    drill.follow("Migrate again")
    assert drill.wait("bqx_migrate") == "success"
    assert drill.follow("Healed").strip() == "0"
    drill.follow("If nothing helps")
    assert drill.wait("bqx_migrate") == "success"


def untouched(url: str) -> str:
    """A pair that has no table of features yet, so that legacy ones can be made for it."""
    with psycopg.connect(url) as connection:
        tables = {name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")}
    free = [pair for pair in pairs.PAIRS if f"reg_{pair}" not in tables]
    if not free:
        pytest.skip("every pair of this stack has tables of features; the drill needs one that has none")
    return free[0]


@contextlib.contextmanager
def held(url: str, table: str) -> Iterator[None]:
    """Somebody's session reads a table and goes for a coffee."""
    with psycopg.connect(url, application_name="drill") as connection:
        connection.execute(f"SELECT 1 FROM bqx.{table} LIMIT 1")
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.OperationalError):
                connection.rollback()
