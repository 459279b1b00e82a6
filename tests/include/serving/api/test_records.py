"""One line of JSON per request, with milliseconds, and without anything secret."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from include.serving.api import records
from tests.include.serving.api import fakes
from tests.include.serving.api.fakes import TOKEN, World, ask, client, raising, served


@contextmanager
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """While the block runs the log is written; a function gives the lines since it was called last."""
    loggers = [logging.getLogger(name) for name in ("bqx.api", "uvicorn.error")]
    before = [(list(one.handlers), one.propagate) for one in loggers]
    records.to_standard_output()

    def read() -> list[dict[str, Any]]:
        text = capsys.readouterr().out
        assert TOKEN not in text
        return [json.loads(line) for line in text.splitlines() if line]

    try:
        yield read
    finally:
        for one, (handlers, propagates) in zip(loggers, before, strict=True):
            one.handlers[:], one.propagate = handlers, propagates


def requests(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if line["event"] == "request"]


def test_a_request_has_one_line_with_the_time_of_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(features=lambda pair: time.sleep(0.05))

    def slow(name: str, told: Any) -> bytes:
        time.sleep(0.1)
        return fakes.answer(name, told)

    world.endpoint = slow
    with written(capsys) as lines, served(world) as url:
        ask(url, request_id="r-1")
        (line,) = requests(lines())
    ms = line.pop("ms")
    said = {name: line[name] for name in ("request_id", "method", "path", "status", "error")}
    assert said == {
        "request_id": "r-1", "method": "POST", "path": "/predict", "status": 200, "error": "",
    }  # fmt: skip
    assert (line["pair"], line["version"]) == ("eurusd", fakes.VERSION)
    assert line["level"] == "INFO"
    assert line["time"].endswith("+00:00")
    assert 50 <= ms["features"] < 1000
    assert 100 <= ms["endpoint"] < 1000
    assert 0 < ms["rest"] < 1000
    assert ms["total"] == pytest.approx(ms["features"] + ms["endpoint"] + ms["rest"], abs=0.1)


def test_refusals_have_a_line_too_and_defects_their_trace(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    with written(capsys) as lines, served(world) as url:
        ask(url, "xxxyyy")
        with client(url, token="wrong-token-of-a-stranger") as stranger:
            stranger.post("/predict?token=in-the-query", json={"pair": "eurusd"})
        world.features = raising(ZeroDivisionError("by zero"))
        ask(url, request_id="r-2")
        told = lines()
    assert [(line["status"], line["error"]) for line in requests(told)] == [
        (404, "unknown_pair"), (401, "unauthorized"), (500, "internal_error"),
    ]  # fmt: skip
    assert "wrong-token" not in json.dumps(told)
    assert "in-the-query" not in json.dumps(told)
    (defect,) = (line for line in told if line["event"] == "defect")
    assert defect["request_id"] == "r-2"
    assert "ZeroDivisionError: by zero" in defect["trace"]


def test_what_a_client_sends_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with written(capsys) as lines, served(World()) as url, client(url) as asking:
        asking.get('/x%0A{"event":"request"}' + "y" * 300)
        (line,) = requests(lines())
    assert line["status"] == 404
    assert len(line["path"]) == 100
