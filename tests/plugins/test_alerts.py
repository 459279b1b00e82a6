"""Connections and Variables of Airflow say whom incidents are told to and what is watched."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from bqx import alerts

from include.alerts.airflow_api import AirflowApi
from include.alerts.channels import TIMEOUT, Addresses, Mail, Ses, Smtp, Topic
from include.errors import MissingInput
from local import airflow, services
from local.airflow import ROOT
from local.state import State

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves

AWS = {"conn_type": "aws", "login": "key", "password": "hunter2", "extra": {"region_name": "us-east-1"}}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever surrounds the tests."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_VAR_", "AIRFLOW_CONN_"))]:
        monkeypatch.delenv(name)


def variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"AIRFLOW_VAR_BQX_{name.upper()}", value)


def connection(monkeypatch: pytest.MonkeyPatch, name: str, told: dict[str, Any]) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(told))


def test_nobody_is_told_where_nothing_is_set() -> None:
    assert alerts.channels() == []
    known = alerts.sources()
    assert (known.airflow, known.cloudwatch, known.docs, known.alarms) == (None, None, "", "bqx-")


def test_a_topic_is_asked_once_with_the_settings_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    told = AWS | {"extra": {"region_name": "eu-west-1", "config_kwargs": {"user_agent_extra": "ours"}}}
    connection(monkeypatch, "aws_default", told)
    variables(monkeypatch, alert_topic=services.TOPIC)
    (channel,) = alerts.channels()
    assert isinstance(channel, Topic)
    config = channel.client.meta.config
    assert channel.client.meta.region_name == "eu-west-1"
    assert config.user_agent_extra == "ours"
    assert (config.read_timeout, config.retries["total_max_attempts"]) == (TIMEOUT, 1)
    assert (channel.arn, channel.warnings) == (services.TOPIC, "")
    variables(monkeypatch, warning_topic="arn:aws:sns:eu-west-1:1:warnings")
    assert alerts.channels()[0].warnings == "arn:aws:sns:eu-west-1:1:warnings"


@pytest.mark.parametrize(
    ("told", "carrier"),
    [
        ({"host": "h"}, Smtp("h", 465, tls=True, starttls=True)),
        ({"host": "h", "extra": {"disable_ssl": True}}, Smtp("h", 587, starttls=True)),
        (
            {"host": "h", "port": 25, "extra": {"disable_ssl": "true", "disable_tls": "True"}},
            Smtp("h", 25, starttls=False),
        ),
        (
            {"host": "h", "login": "me", "password": "hunter2"},
            Smtp("h", 465, "me", "hunter2", tls=True, starttls=True),
        ),
    ],
)
def test_mail_goes_by_the_smtp_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], carrier: Smtp
) -> None:
    connection(monkeypatch, "bqx_mail", {"conn_type": "smtp"} | told)
    variables(monkeypatch, mail_to=" a@x , b@x,", mail_from="c@x")
    assert alerts.channels() == [Mail(carrier, Addresses("c@x", ("a@x", "b@x")))]


def test_mail_goes_by_ses_where_the_connection_is_one_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "bqx_mail", AWS)
    variables(monkeypatch, mail_to="a@x")
    (channel,) = alerts.channels()
    assert isinstance(channel.carrier, Ses)
    assert channel.carrier.client.meta.service_model.service_name == "ses"
    assert channel.addresses.sender == "a@x"


def test_addresses_without_a_connection_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, mail_to="a@x")
    with pytest.raises(MissingInput, match="no connection bqx_mail: create one of type smtp"):
        alerts.channels()


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ({"host": "http://h:8080"}, "http://h:8080"),
        ({"host": "h", "schema": "https"}, "https://h"),
        ({"host": "h", "port": 8080}, "http://h:8080"),
    ],
)
def test_airflow_is_asked_where_the_connection_says(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], address: str
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(AirflowApi, "__init__", lambda self, *given: asked.append(given))
    connection(monkeypatch, "bqx_airflow", {"conn_type": "http", "login": "me", "password": "p"} | told)
    assert alerts.sources().base == address, "links lead there where Airflow does not know its own address"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://ui")
    assert alerts.sources().base == "https://ui"
    assert asked == [(address, "me", "p")] * 2


def test_alarms_are_those_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, "aws_default", AWS)
    variables(monkeypatch, endpoint="other", docs="https://docs.example")
    known = alerts.sources()
    assert (known.alarms, known.docs) == ("other-", "https://docs.example")
    assert known.cloudwatch.meta.service_model.service_name == "cloudwatch"


def test_the_stack_tells_its_topic_and_its_mail_catcher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = State(tmp_path / "state")
    state.create()
    ports = {service.name: 9_000 + number for number, service in enumerate(services.SERVICES)}
    known = services.settings(state, ports) | airflow.settings(
        state, metadata_url="postgresql://m", bqx_url="b", tracking_url="t", port=8_081
    )
    for name, value in known.items():
        if name.startswith(("AIRFLOW_VAR_", "AIRFLOW_CONN_")):
            monkeypatch.setenv(name, value)
    topic, mail = alerts.channels()
    assert topic.arn == services.TOPIC
    assert topic.client.meta.endpoint_url == services.address(ports["aws"])
    assert mail.carrier == Smtp("127.0.0.1", ports["smtp"], starttls=False)
    sources = alerts.sources()
    assert sources.docs == (ROOT / "docs").as_uri()
    assert sources.airflow is not None
