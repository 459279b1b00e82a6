"""A run in which every pair fails is told once by each channel: callbacks, outbox, DAG, SNS and SMTP."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from bqx.wiring import dag_arguments, per_pair

from include.alerts.policy import MOST_LINES
from include.errors import MissingInput
from include.pairs import PAIRS
from local.s3.server import KEY_ID
from local.services import TOPIC
from tests.alerts import PEOPLE, mail_server, mails, published
from tests.dags.test_events import carried_out
from tests.sagemaker import served

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow


def test_28_failing_pairs_are_one_mail_and_one_message(
    airflow_database,
    dagbag,
    database_url: str,
    db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from airflow.sdk import dag

    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)

    @dag(schedule=None, **dag_arguments({}))
    def failing():
        @per_pair(retries=0)
        def build(pair: str) -> None:
            raise MissingInput(f"{pair} has no bars")

        build.expand(pair=list(PAIRS))

    carried_out(failing())
    with served(tmp_path / "aws", topics=(TOPIC,)) as aws, mail_server(tmp_path / "mail") as server:
        told = {
            "AWS_DEFAULT": {
                "conn_type": "aws", "login": KEY_ID, "password": "secret",
                "extra": {"endpoint_url": aws.endpoint, "region_name": "us-east-1"},
            },
            "BQX_MAIL": {
                "conn_type": "smtp", "host": "127.0.0.1", "port": server.server_port,
                "extra": {"disable_tls": True, "disable_ssl": True},
            },
        }  # fmt: skip
        for name, connection in told.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW_VAR_BQX_ALERT_TOPIC", TOPIC)
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
        monkeypatch.setenv("AIRFLOW_VAR_BQX_MAIL_TO", ",".join(PEOPLE.recipients))
        for day in (1, 2):
            run = dagbag.dags["bqx_alert"].test(logical_date=datetime(2026, 2, day, tzinfo=UTC))
            assert run.state == "success"
        (mail,) = mails(tmp_path / "mail")
        (message,) = published(aws)
    assert mail.subject == message["Subject"]
    assert mail.subject.endswith("Critical: failing failed (28 pairs)")
    # Airflow's test run takes the pairs in any order, and a mail has the first reasons only.
    reasons = re.findall(r"build of (\w{6}): MissingInput: \1 has no bars", mail.text)
    assert len(set(reasons)) == MOST_LINES
    assert set(reasons) <= set(PAIRS)
    assert "Log: https://airflow.example/dags/failing/runs/" in mail.text
    assert db.execute("SELECT count(*) FROM bqx.messages WHERE sent_at IS NOT NULL").fetchone() == (2,)
