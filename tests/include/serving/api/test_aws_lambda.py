"""The same handler behind API Gateway: who is let in, what is answered, and kernels of a read-only image."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from include.serving.api import access, aws_lambda
from include.serving.api.handler import Handler
from include.serving.api.predictor import Predictor
from include.serving.api.throttle import Throttle
from include.serving.api.workers import Workers
from tests.include.serving.api.fakes import OTHER, VERSION, Session, World, ask, served

ROOT = Path(__file__).resolve().parents[4]
ARN = "arn:aws:iam::111122223333:role/reader"


def event(method: str = "POST", path: str = "/predict", body: Any = None, **more: Any) -> dict[str, Any]:
    """What API Gateway sends, payload format 2.0."""
    told = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "X-Request-Id": "r-1"},
        "requestContext": {
            "accountId": "111122223333",
            "authorizer": {"iam": {"userArn": ARN, "accountId": "111122223333"}},
            "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    return told | ({} if body is None else {"body": json.dumps(body)}) | more


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def handler(world: World) -> Handler:
    predictor = Predictor(world.table, world.newest, world, "bqx")
    workers = Workers(Session, threads=1, room=1, patience=1.8)
    return Handler(predictor, workers, Throttle(1e4, 1_000), access.known_caller)


def answered(handler: Handler, told: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = aws_lambda.answered(handler, told)
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert answer["headers"]["X-Request-Id"] == json.loads(answer["body"])["request_id"]
    return answer["statusCode"], json.loads(answer["body"])


def test_it_says_what_the_server_says(handler: Handler) -> None:
    status, told = answered(handler, event(body={"pair": "eurusd"}))
    assert status == 200
    assert told["request_id"] == "r-1"
    with served(World()) as url:
        assert ask(url, request_id="r-1").json() == told


def test_a_body_may_come_as_base64(handler: Handler) -> None:
    body = base64.b64encode(b'{"pair": "eurusd"}').decode()
    assert answered(handler, event(body=None, isBase64Encoded=True) | {"body": body})[0] == 200
    assert answered(handler, event(body=None, isBase64Encoded=True) | {"body": "%%%"})[0] == 422


def test_the_schedule_keeps_every_model_warm(world: World, handler: Handler) -> None:
    assert aws_lambda.answered(handler, {"source": "bqx.keep-warm"}) == {"warm": 3}
    assert [name for name, _ in world.asked] == [
        f"eurusd/{VERSION}.tar.gz",
        f"gbpusd/{VERSION}.tar.gz",
        f"gbpusd/{OTHER}.tar.gz",
    ]


def test_the_template_sends_the_event_that_is_known() -> None:
    rule = (ROOT / "deploy" / "cloudformation" / "api.yaml").read_text()
    assert f'Input: \'{{"source": "{aws_lambda.SCHEDULE}"}}\'' in rule


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"iam": {}}, {"iam": {"userArn": None}}, {"jwt": {"claims": {}}}]
)
def test_whom_the_gateway_does_not_name_is_refused(handler: Handler, authorizer: Any) -> None:
    told = event(body={"pair": "eurusd"})
    told["requestContext"]["authorizer"] = authorizer
    assert answered(handler, told)[0] == 401
    del told["requestContext"]["authorizer"]
    assert answered(handler, told)[0] == 401
    assert answered(handler, {})[0] == 401


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (event("GET", "/health"), 200),
        (event("GET", "/predict"), 405),
        (event(path="/nowhere"), 404),
        (event(body={"pair": "xxxyyy"}), 404),
        (event(body={"pair": 1}), 422),
        (event(), 422),
        (event(body={"pair": "eurusd", "request_id": "x" * 70_000}), 413),
    ],
)
def test_refusals_are_those_of_the_server(handler: Handler, told: dict[str, Any], status: int) -> None:
    assert answered(handler, told)[0] == status


def test_a_named_stage_is_no_part_of_the_path(handler: Handler) -> None:
    told = event("GET", "/live/health")
    told["requestContext"]["stage"] = "live"
    assert answered(handler, told)[0] == 200


def test_the_machine_code_of_the_image_is_copied_to_where_it_may_be_used(tmp_path: Path) -> None:
    compiled, used = tmp_path / "image", tmp_path / "tmp" / "kernels"
    (compiled / "kernels-1").mkdir(parents=True)
    (compiled / "kernels-1" / "a.nbc").write_bytes(b"code")
    variables = {aws_lambda.COMPILED: str(compiled), aws_lambda.CACHE: str(used)}
    aws_lambda.prepare(variables)
    assert (used / "kernels-1" / "a.nbc").read_bytes() == b"code"
    (used / "kernels-1" / "a.nbc").write_bytes(b"newer")
    aws_lambda.prepare(variables)  # a process that lives on
    assert (used / "kernels-1" / "a.nbc").read_bytes() == b"newer"
    aws_lambda.prepare({})
