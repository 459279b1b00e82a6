"""Where the hook finds token and base: a connection, or AWS Secrets Manager (a stand-in that speaks it)."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bqx.airtable import AirtableHook, airtable_base

from include.errors import PlanRefused
from local.airtable.server import BASE_ID, TOKEN, Server
from local.airtable.tables import tables
from tests.airtable import served
from tests.aws import Service, connected

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves

SECRET = "bqx-ml/airtable/api-token"


class Secrets(Service):
    """Keeps secrets as text, by name.

    Attributes:
        secrets: what is kept.
        throttled: how many questions are refused first.
        asked: names, in order.
    """

    content_type = "application/x-amz-json-1.1"

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self.throttled = 0
        self.asked: list[str] = []

    def answer(self, target: str, body: str) -> tuple[int, str]:
        assert target == "secretsmanager.GetSecretValue"
        status, found = self._find(json.loads(body)["SecretId"])
        return status, json.dumps(found)

    def _find(self, name: str) -> tuple[int, dict[str, str]]:
        self.asked.append(name)
        if self.throttled:
            self.throttled -= 1
            return 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}
        if name not in self.secrets:
            return 400, {"__type": "ResourceNotFoundException", "message": "can't find the secret"}
        return 200, {"Name": name, "SecretString": self.secrets[name]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    """Secrets that the connection aws_default leads to."""
    with connected(Secrets(), monkeypatch) as secrets:
        yield secrets


@pytest.fixture
def airtable(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, seed=tables) as running:
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, airtable: Server) -> Any:
    """Sets the connection to the stand-in: password and extra."""

    def set_connection(password: str | None = None, **extra: str) -> None:
        connection = {"conn_type": "airtable", "host": airtable.endpoint, "password": password}
        text = json.dumps({**connection, "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_BQX_AIRTABLE", text)

    return set_connection


def refusal(database_url: str) -> str:
    """Why there is no base; neither that nor the traceback may hold the token."""
    with pytest.raises(PlanRefused) as caught:
        airtable_base("bqx_airtable", database_url)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    return str(caught.value)


def test_a_connection_leads_to_the_base(connect: Any, database_url: str) -> None:
    connect(TOKEN, base_id=BASE_ID)
    base = airtable_base("bqx_airtable", database_url)
    base.check()
    assert set(base.snapshot(["Stages"]).tables) == {"Stages"}


def test_the_limit_is_shared_and_its_row_does_not_name_the_base(
    connect: Any, database_url: str, db: psycopg.Connection
) -> None:
    connect(TOKEN, base_id=BASE_ID)
    airtable_base("bqx_airtable", database_url).check()
    AirtableHook().get_base(database_url).check()
    ((name,),) = db.execute("SELECT name FROM bqx.airtable_limits").fetchall()
    assert BASE_ID not in name


@pytest.mark.parametrize("key", ["token", "api_key"])
def test_a_secret_holds_the_token_under_either_name(
    connect: Any, aws: Secrets, database_url: str, key: str
) -> None:
    aws.secrets[SECRET] = json.dumps({key: TOKEN, "base_id": BASE_ID, "base_name": "BQX"})
    connect(secret_name=SECRET)
    airtable_base("bqx_airtable", database_url).check()


def test_the_token_comes_before_the_older_key(connect: Any, aws: Secrets, database_url: str) -> None:
    aws.secrets[SECRET] = json.dumps({"api_key": "keyOld", "token": TOKEN, "base_id": BASE_ID})
    connect(secret_name=SECRET)
    airtable_base("bqx_airtable", database_url).check()


@pytest.mark.parametrize("place", ["extra", "second secret"])
def test_the_base_may_be_named_elsewhere(connect: Any, aws: Secrets, database_url: str, place: str) -> None:
    aws.secrets |= {SECRET: json.dumps({"token": TOKEN}), "base": json.dumps({"base_id": BASE_ID})}
    connect(
        secret_name=SECRET, **({"base_id": BASE_ID} if place == "extra" else {"base_secret_name": "base"})
    )
    airtable_base("bqx_airtable", database_url).check()


def test_a_throttled_question_is_asked_again(connect: Any, aws: Secrets, database_url: str) -> None:
    aws.secrets[SECRET] = json.dumps({"token": TOKEN, "base_id": BASE_ID})
    aws.throttled = 1
    connect(secret_name=SECRET)
    airtable_base("bqx_airtable", database_url).check()
    assert aws.asked == [SECRET, SECRET]


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (TOKEN, "is not a JSON object with the keys"),
        (f'{{"token": "{TOKEN}", ', "is not a JSON object with the keys"),
        (json.dumps([TOKEN]), "is not a JSON object with the keys"),
        (json.dumps({"tokens": TOKEN, "base_id": BASE_ID}), "has no token"),
        (json.dumps({"token": {"value": TOKEN}, "base_id": BASE_ID}), "has no token"),
        (json.dumps({"token": "", "base_id": BASE_ID}), "has no token"),
        (json.dumps({"token": TOKEN}), "has no base_id"),
        (None, "AWS does not give the secret bqx-ml/airtable/api-token: ResourceNotFoundException"),
    ],
)
def test_what_a_secret_lacks_is_named_and_nothing_of_it_is_told(
    connect: Any, aws: Secrets, database_url: str, held: str | None, told: str
) -> None:
    if held is not None:
        aws.secrets[SECRET] = held
    connect(secret_name=SECRET)
    message = refusal(database_url)
    assert told in message
    assert SECRET in message
    assert BASE_ID not in message


def test_airflow_is_told_what_to_mask_before_it_is_used(
    connect: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("bqx.airtable.mask_secret", masked.append)
    connect(TOKEN, base_id=BASE_ID)
    airtable_base("bqx_airtable", database_url)
    assert masked == [TOKEN, BASE_ID]


def test_what_a_connection_lacks_is_named(connect: Any, database_url: str) -> None:
    connect(None, base_id=BASE_ID)
    assert "The connection bqx_airtable has no token" in refusal(database_url)
    connect(TOKEN)
    assert "The connection bqx_airtable has no base_id" in refusal(database_url)


def test_a_connection_can_be_tried(connect: Any, airtable: Server) -> None:
    connect(TOKEN, base_id=BASE_ID)
    assert AirtableHook().test_connection() == (True, "Airtable answers, and the token reaches the base.")
    connect("patWrong", base_id=BASE_ID)
    works, told = AirtableHook().test_connection()
    assert not works
    assert "Either the base id is wrong, or the token is" in told
    connect(TOKEN)
    assert AirtableHook().test_connection()[0] is False


@pytest.mark.parametrize(
    ("host", "schema", "port", "endpoint"),
    [
        (None, None, None, "https://api.airtable.com"),
        ("http://127.0.0.1:81", None, None, "http://127.0.0.1:81"),
        ("airtable.example.org", None, None, "https://airtable.example.org"),
        ("127.0.0.1", "http", 82, "http://127.0.0.1:82"),
    ],
)
def test_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    host: str | None,
    schema: str | None,
    port: int | None,
    endpoint: str,
) -> None:
    connection = {"conn_type": "airtable", "host": host, "schema": schema, "port": port, "password": TOKEN}
    text = json.dumps({**connection, "extra": {"base_id": BASE_ID}})
    monkeypatch.setenv("AIRFLOW_CONN_BQX_AIRTABLE", text)
    assert str(airtable_base("bqx_airtable", database_url)._api.endpoint_url) == endpoint


def test_the_token_is_in_no_log_even_at_debug(
    connect: Any, aws: Secrets, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "patC4nary0123456789.s3cr3t"
    aws.secrets[SECRET] = json.dumps({"token": canary, "base_id": BASE_ID})
    aws.throttled = 1
    connect(secret_name=SECRET)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore.parsers").debug("a line that is seen")
    with pytest.raises(PlanRefused) as caught:
        airtable_base("bqx_airtable", database_url).check()
    logging.getLogger("botocore.parsers").debug("another")
    logged = [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert len([text for text in logged if "botocore" in text]) > 10, "DEBUG was on"
    assert any("another" in text for text in logged), "and is on again"
    assert not [text for text in logged if canary in text]
    assert canary not in "".join(traceback.format_exception(caught.value))
