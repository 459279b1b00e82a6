"""From `make predict` to the embedded endpoint and back, with nothing in between replaced."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from include.serving.api import access, assembly, aws_lambda, settings
from include.serving.container import wire
from include.storage.connection import connect
from local.airflow import ROOT
from local.postgres import Postgres
from local.state import State
from tests.deploy.test_lambda_image import variables
from tests.include.serving.api.fakes import TOKEN, ask, client
from tests.include.serving.api.test_aws_lambda import event
from tests.include.serving.api.worlds import PAIRS, World, api, world
from tests.sagemaker import wait_for

STEADY = 50  # requests a second


@pytest.fixture(scope="module")
def reached(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(postgres, tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(scope="module")
def url(reached: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with api(reached, port, tmp_path_factory.mktemp("api") / "log"):
        # Its first answers may come too late: machine code is loaded or made, models are loaded.
        for pair in PAIRS:
            wait_for(lambda pair=pair: ask(address, pair).status_code == 200)
        yield address


def predicted(state: State, pair: str) -> tuple[dict[str, Any], float]:
    """What `make predict` prints, and its seconds from start to end."""
    command = [sys.executable, "-m", "local.predict", "--state", str(state.root), "--pair", pair]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)), took


def test_make_predict_prints_what_the_model_says(reached: World, url: str, tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.create()
    state.write_env({"BQX_API_URL": url, "BQX_API_TOKEN": TOKEN})
    took = []
    for pair in PAIRS:
        told, seconds = predicted(state, pair)
        took.append(seconds)
        known = reached.champions[pair]
        assert (told["pair"], told["model_version"]) == (pair, known.name)
        assert (told["timestamp"], told["feature_hash"]) == (wire.text_of(reached.minute), known.feature_hash)
        found = {each["minutes"]: each["value"] for each in told["horizons"]}
        expected = reached.expected(known)
        assert found.keys() == expected.keys()
        np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-9, atol=1e-15)
        assert all(each["low"] < each["value"] < each["high"] for each in told["horizons"])
    print(f"make predict: {', '.join(f'{seconds:.2f}' for seconds in took)} s")


def test_the_function_of_lambda_says_the_same(
    reached: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in reached.variables.items():
        monkeypatch.setenv(name, value)
    told = settings.read(reached.variables)._replace(threads=1, room=1, captured=100)
    handler = assembly.make_handler(told, access.known_caller)
    try:
        assert handler.warm()
        answer = aws_lambda.answered(handler, event(body={"pair": "eurusd", "request_id": "r"}))
        assert answer["statusCode"] == 200, answer
        assert json.loads(answer["body"]) == ask(url, "eurusd", request_id="r").json()
        warm = aws_lambda.answered(handler, {"source": aws_lambda.SCHEDULE})
        assert warm == {"warm": len(reached.champions)}
        with connect(reached.url) as connection:
            found = connection.execute("SELECT h15_value FROM bqx.captures WHERE request_id = 'r'").fetchone()
        assert found == (json.loads(answer["body"])["horizons"][0]["value"],)
    finally:
        handler.close()


def test_by_the_wall_clock_old_bars_are_no_forecast(reached: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in reached.variables.items():
        monkeypatch.setenv(name, value)
    told = settings.read({**reached.variables, "BQX_AS_OF": "now"})._replace(threads=1)
    handler = assembly.make_handler(told, access.known_caller)
    try:
        answer = aws_lambda.answered(handler, event(body={"pair": "eurusd"}))
    finally:
        handler.close()
    assert answer["statusCode"] == 409
    assert "At most 15" in answer["body"] or "at most 15" in answer["body"]


def test_a_database_that_goes_away_is_a_503_and_comes_back(
    reached: World, url: str, postgres: Postgres
) -> None:
    with postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {reached.database} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [reached.database]
        )
        try:
            for _ in range(5):
                began = time.monotonic()
                answer = ask(url)
                assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
                assert time.monotonic() - began < 2
        finally:
            connection.execute(f"ALTER DATABASE {reached.database} ALLOW_CONNECTIONS true")
    assert ask(url).status_code == 200


@pytest.mark.parametrize("trouble", [{"delay": 4}, {"status": 500, "code": "InternalFailure"}])
def test_an_endpoint_in_trouble_is_a_503_within_two_seconds(
    reached: World, url: str, trouble: dict[str, Any]
) -> None:
    reached.aws.trouble.add("sagemaker", "InvokeEndpoint", **trouble)
    try:
        began = time.monotonic()
        answer = ask(url)
        assert (answer.status_code, answer.json()["error"]) == (503, "endpoint_unavailable")
        assert time.monotonic() - began < 2
    finally:
        reached.aws.trouble.clear()
    wait_for(lambda: ask(url).status_code == 200)


def test_a_challenger_answers_its_share_under_load_and_no_answer_mixes_versions(
    reached: World, url: str
) -> None:
    """It takes effect once the table is read again."""
    reached.route(0.5)
    expected = {
        (pair, known.name): reached.expected(known)[15]
        for group in (reached.champions, reached.challengers)
        for pair, known in group.items()
    }
    began, seen = time.monotonic(), Counter[str]()
    while len(seen) < 2 * len(PAIRS):
        assert time.monotonic() - began < 60
        answers, _ = load(url, rate=20, seconds=2)
        for answer in answers:
            assert answer.status_code == 200, answer.text
            told = answer.json()
            value = told["horizons"][0]["value"]
            assert value == pytest.approx(expected[told["pair"], told["model_version"]], rel=1e-9)
            seen[told["model_version"]] += 1
    reached.route()


def load(url: str, *, rate: int, seconds: int) -> tuple[list[httpx.Response], list[float]]:
    """Ask at a steady rate whatever the answers take; answers, and seconds from the planned begin of each."""
    told, took = list[httpx.Response](), list[float]()
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    draws = np.random.default_rng(1).integers(0, len(PAIRS), rate * seconds)
    with client(url, limits=limits) as asking, ThreadPoolExecutor(50) as pool:
        asking.get("/health")
        start = time.monotonic() + 0.1

        def one(number: int) -> None:
            planned = start + number / rate
            time.sleep(max(0.0, planned - time.monotonic()))
            answer = asking.post("/predict", json={"pair": PAIRS[draws[number]]})
            took.append(time.monotonic() - planned)
            told.append(answer)

        list(pool.map(one, range(rate * seconds)))
    return told, took


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_fifty_requests_a_second_for_ten_minutes(url: str) -> None:
    told, took = load(url, rate=STEADY, seconds=600)
    quantiles = np.quantile(took, [0.5, 0.95, 0.99]) * 1000
    print("P50 {:.0f}, P95 {:.0f}, P99 {:.0f} ms".format(*quantiles))
    assert {answer.status_code for answer in told} == {200}
    assert quantiles[2] < 200


START = """
import json, os, sys, time
begin = time.perf_counter()
import entry
ready = time.perf_counter()
told = entry.answer(json.loads(sys.argv[1]), None)
first = time.perf_counter()
entry.answer(json.loads(sys.argv[1]), None)
print("RESULT", json.dumps([ready - begin, first - ready, time.perf_counter() - first, told["statusCode"]]))
"""


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_cold_start_of_the_function_of_lambda(reached: World, url: str, tmp_path: Path) -> None:
    """From a fresh process, with the machine code of the image, to the first answer; the model is loaded."""
    lambda_ = ROOT / "deploy" / "lambda"
    image = variables() | {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(lambda_))),
        "PATH": os.environ["PATH"],
    }
    kernels = tmp_path / "kernels"
    build = [sys.executable, "-m", "include.build.kernels"]
    subprocess.run(build, env=image | {"NUMBA_CACHE_DIR": str(kernels)}, cwd=ROOT, check=True)
    found = []
    for number in range(3):
        started = image | dict(reached.variables) | {
            "BQX_KERNELS": str(kernels), "NUMBA_CACHE_DIR": str(tmp_path / f"used{number}"),
        }  # fmt: skip
        command = [sys.executable, "-c", START, json.dumps(event(body={"pair": "eurusd"}))]
        began = time.monotonic()
        done = subprocess.run(command, env=started, cwd=tmp_path, capture_output=True, text=True)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
        *parts, status = json.loads(line.removeprefix("RESULT"))
        assert status == 200
        found.append((took, *parts))
    size = sum(path.stat().st_size for path in kernels.rglob("*") if path.is_file())
    print(f"machine code {size / 2**20:.1f} MiB; seconds of whole process, start, first and second answer:")
    print(*(" ".join(f"{seconds:.3f}" for seconds in each) for each in found), sep="\n")
    assert min(each[1] for each in found) < 10  # what Lambda gives a start for nothing
    assert min(each[2] for each in found) < 1
