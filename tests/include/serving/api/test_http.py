"""What clients of the API are answered, over real HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from include.errors import MissingInput, QualityError, StaleInput
from include.serving.api.problems import unavailable
from include.serving.container import wire
from include.serving.routing import EMPTY
from tests.include.serving.api import fakes
from tests.include.serving.api.fakes import TOKEN, World, ask, client, raising, refusal, served

LIMIT = 65_536


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, World]]:
    """One server for all tests, and what it meets."""
    world = World()
    with served(world) as address:
        yield address, world


@pytest.fixture
def world(place: tuple[str, World]) -> World:
    """What the server meets, as new."""
    found = place[1]
    found.__dict__.update(World().__dict__)
    return found


@pytest.fixture
def url(place: tuple[str, World], world: World) -> str:
    return place[0]


def problem(answer: httpx.Response) -> tuple[int, str]:
    told = answer.json()
    assert set(told) == {"error", "message", "request_id"}
    assert told["message"].endswith((".", "?"))
    assert told["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, told["error"]


def test_a_forecast_has_the_form_that_is_promised(url: str, world: World) -> None:
    answer = ask(url, request_id="r-1")
    told = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(told) == [
        "pair", "timestamp", "as_of", "horizons", "model_version", "feature_hash", "request_id",
    ]  # fmt: skip
    minute = wire.text_of(fakes.MINUTE)
    assert (told["pair"], told["timestamp"], told["as_of"]) == (
        "eurusd",
        minute,
        wire.text_of(fakes.MINUTE + 1),
    )
    assert (told["model_version"], told["feature_hash"]) == (fakes.VERSION, fakes.FEATURES)
    assert told["request_id"] == answer.headers["x-request-id"] == "r-1"
    assert [each["minutes"] for each in told["horizons"]] == [15, 30, 45, 60, 75]
    first = told["horizons"][0]
    assert first["scaled"] == {"value": 2.0, "low": 1.0, "high": 3.0}
    assert first["value"] == pytest.approx(1e-5 * 15 + 2 * 1e-6 * 15, rel=1e-12)
    assert first["low"] < first["value"] < first["high"]
    ((target, request),) = world.asked
    assert (target, request.version) == (f"eurusd/{fakes.VERSION}.tar.gz", fakes.VERSION)
    assert request.rows.features.tolist() == [[1.0, 2.0]]


def test_a_model_without_interval_answers_null(url: str, world: World) -> None:
    def without(name: str, told: wire.Request) -> bytes:
        body = json.loads(fakes.answer(name, told))
        for horizon in body["rows"][0]["horizons"]:
            horizon["low"] = horizon["high"] = None
        return json.dumps(body).encode()

    world.endpoint = without
    first = ask(url).json()["horizons"][0]
    assert (first["low"], first["high"]) == (None, None)
    assert first["value"] > 0


@pytest.mark.parametrize("path", ["/predict", "/health", "/openapi.json", "/nowhere"])
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer -",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer é",
    ],
)
def test_nobody_is_answered_without_the_token(url: str, world: World, path: str, header: str) -> None:
    with client(url, token="") as stranger:
        headers = [(b"Authorization", header.encode())] if header else []
        answer = stranger.post(path, json={"pair": "eurusd"}, headers=headers)
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert world.asked == []


def test_paths_and_methods(url: str) -> None:
    with client(url) as asking:
        assert problem(asking.get("/docs")) == (404, "not_found")
        assert problem(asking.get("/redoc")) == (404, "not_found")
        assert problem(asking.post("/predict/", json={})) == (404, "not_found")
        answer = asking.get("/predict")
        assert problem(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
        assert asking.get("/health").json() | {"request_id": ""} == {
            "status": "ok", "endpoint": "bqx", "routing": 7, "pairs": ["eurusd", "gbpusd"], "request_id": "",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "code"),
    [("xxxyyy", "unknown_pair"), ("EURUSD", "unknown_pair"), ("", "unknown_pair"), ("audcad", "not_served")],
)
def test_a_pair_that_is_not_served(url: str, world: World, pair: str, code: str) -> None:
    assert problem(ask(url, pair)) == (404, code)
    assert world.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"eurusd"', b"{}", b'{"pair": 1}', b'{"pair": null}', b"\xff\xfe",
        b'{"pair": "eurusd", "more": 1}', b'{"pair": "eurusd", "request_id": "a b"}',
        b'{"pair": "eurusd", "request_id": ""}', b'{"pair": "' + b"x" * 65 + b'"}', b"[" * 20_000,
        b'{"pair": "eurusd", "request_id": "' + b"x" * 65 + b'"}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_question(url: str, world: World, body: bytes) -> None:
    with client(url) as asking:
        answer = asking.post("/predict", content=body)
    assert problem(answer) == (422, "invalid_request")
    assert world.asked == []
    assert len(answer.content) < 1_000


def test_a_body_that_is_too_large(url: str) -> None:
    at_most = b'{"pair": "eurusd"}'.ljust(LIMIT)
    with client(url) as asking:
        assert asking.post("/predict", content=at_most).status_code == 200
        assert problem(asking.post("/predict", content=at_most + b" ")) == (413, "too_large")
        chunks = (b" " * 10_000 for _ in range(500))  # of unknown length, and far more than the limit
        assert problem(asking.post("/predict", content=chunks)) == (413, "too_large")
        assert ask(url).status_code == 200


@pytest.mark.parametrize(
    ("error", "code"),
    [(StaleInput("It is of Friday."), "stale_data"), (MissingInput("There is no row."), "missing_data")],
)
def test_old_or_missing_data_are_no_forecast(url: str, world: World, error: Exception, code: str) -> None:
    world.features = raising(error)
    answer = ask(url)
    assert problem(answer) == (409, code)
    assert answer.json()["message"] == str(error)
    assert world.asked == []


def test_a_missing_value_is_no_forecast(url: str, world: World) -> None:
    world.endpoint = raising(refusal("missing_value"))
    assert problem(ask(url)) == (409, "missing_value")


def failure(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "That is wrong."}}, "InvokeEndpoint")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal("version_mismatch"), "model_mismatch"),
        (refusal("feature_hash_mismatch"), "model_mismatch"),
        (refusal("corrupt_archive", 500), "endpoint_unavailable"),
        (failure("ValidationError"), "endpoint_unavailable"),
        (failure("ThrottlingException"), "endpoint_unavailable"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "endpoint_unavailable"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), "endpoint_unavailable"),
    ],
)  # fmt: skip
def test_an_endpoint_in_trouble(url: str, world: World, error: Exception, code: str) -> None:
    world.endpoint = raising(error)
    answer = ask(url)
    assert problem(answer) == (503, code)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": fakes.OTHER}, "model_mismatch"),
        ({"pair": "gbpusd"}, "model_mismatch"),
        ({"feature_hash": "0" * 64}, "model_mismatch"),
        ({"rows": []}, "endpoint_unavailable"),
    ],
)
def test_an_answer_of_another_model_is_never_passed_on(
    url: str, world: World, change: dict[str, object], code: str
) -> None:
    world.endpoint = lambda name, told: json.dumps(json.loads(fakes.answer(name, told)) | change).encode()
    assert problem(ask(url)) == (503, code)


def test_an_answer_of_another_minute_or_without_a_number_is_never_passed_on(url: str, world: World) -> None:
    def changed(name: str, told: wire.Request, **values: object) -> bytes:
        body = json.loads(fakes.answer(name, told))
        body["rows"][0] |= {"timestamp": values["timestamp"]} if "timestamp" in values else {}
        if "value" in values:
            body["rows"][0]["horizons"][2]["value"] = values["value"]
        return json.dumps(body).encode()

    world.endpoint = lambda name, told: changed(name, told, timestamp="2024-07-26T12:34:00Z")
    assert problem(ask(url)) == (503, "model_mismatch")
    world.endpoint = lambda name, told: changed(name, told, value=None)
    assert problem(ask(url)) == (503, "endpoint_unavailable")


def test_a_routing_table_that_cannot_be_read(url: str, world: World) -> None:
    world.routing = unavailable("routing", "The bucket is gone.")
    assert problem(ask(url)) == (503, "routing_unavailable")
    with client(url) as asking:
        assert problem(asking.get("/health")) == (503, "routing_unavailable")
    world.routing = EMPTY
    assert problem(ask(url)) == (404, "not_served")


def test_a_defect_is_told_without_its_details(
    url: str, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.features = raising(QualityError("password=secret"))
    answer = ask(url)
    assert problem(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    world.features = raising(ZeroDivisionError())
    assert problem(ask(url)) == (500, "internal_error")
    world.features = lambda pair: None
    assert ask(url).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up_within_two_seconds(url: str, world: World) -> None:
    world.features = lambda pair: time.sleep(3)
    began = time.monotonic()
    assert problem(ask(url)) == (503, "timeout")
    assert time.monotonic() - began < 2.2


def test_the_request_id_is_the_body_s_then_the_header_s_then_random(url: str) -> None:
    with client(url) as asking:

        def id_of(body: dict[str, str], **headers: str) -> str:
            return str(asking.post("/predict", json=body, headers=headers).json()["request_id"])

        question = {"pair": "eurusd"}
        assert id_of(question | {"request_id": "b"}, **{"X-Request-Id": "h"}) == "b"
        assert id_of(question, **{"X-Request-Id": "h"}) == "h"
        made = {
            id_of(question),
            id_of(question, **{"X-Request-Id": 'x"y'}),
            id_of(question, **{"X-Request-Id": "z" * 65}),
        }
        assert len(made) == 3
        assert all(len(one) == 32 for one in made)


def test_a_request_id_decides_which_model_answers_and_always_the_same_one(url: str, world: World) -> None:
    with client(url) as asking:

        def version(number: int) -> str:
            told = asking.post("/predict", json={"pair": "gbpusd", "request_id": f"r{number}"}).json()
            assert told["request_id"] == f"r{number}"
            return str(told["model_version"])

        first = [version(number) for number in range(60)]
        assert first == [version(number) for number in range(60)]
    assert set(first) == {fakes.VERSION, fakes.OTHER}
    assert {(name.partition("/")[2][:16], told.version) for name, told in world.asked} == {
        (fakes.VERSION, fakes.VERSION), (fakes.OTHER, fakes.OTHER),
    }  # fmt: skip
