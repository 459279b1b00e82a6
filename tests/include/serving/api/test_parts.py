"""The parts of the API, each by itself: throttle, routing table, threads, settings, access, OpenAPI."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from include.errors import BadParameter
from include.serving import clock
from include.serving.api import access, openapi, settings
from include.serving.api import handler as api_handler
from include.serving.api.handler import Head
from include.serving.api.memory import Memory
from include.serving.api.problems import Problem
from include.serving.api.tables import FRESH, LONGEST, PAUSE, Table
from include.serving.api.throttle import Throttle
from include.serving.api.workers import Workers
from include.serving.container import wire
from tests.include.serving.api.fakes import (
    OTHER,
    TOKEN,
    VERSION,
    Session,
    World,
    answer,
    client,
    refusal,
    served,
)  # fmt: skip
from tests.include.serving.api.fakes import handler as make


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_throttle_lets_a_burst_through_and_then_its_rate() -> None:
    clock = Clock()
    throttle = Throttle(100.0, 50, clock)
    assert sum(throttle.takes() for _ in range(200)) == 50
    passed = 0
    for _ in range(1_000):  # 200 a second for five seconds
        clock.now += 0.005
        passed += throttle.takes()
    assert passed == pytest.approx(500, abs=1)
    clock.now += 3600
    assert sum(throttle.takes() for _ in range(200)) == 50


def test_the_throttle_counts_right_among_threads() -> None:
    throttle = Throttle(1e-9, 1_000)
    passed: list[int] = []

    def ask() -> None:
        passed.append(sum(throttle.takes() for _ in range(1_000)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 1_000


class Bucket:
    """Gives a number that grows, or fails."""

    def __init__(self) -> None:
        self.reads, self.error = 0, False

    def __call__(self) -> int:
        self.reads += 1
        if self.error:
            raise OSError("the bucket is gone")
        return self.reads


def test_the_table_is_read_again_after_twenty_seconds() -> None:
    clock, bucket = Clock(), Bucket()
    table = Table(bucket, clock)
    assert [table() for _ in range(3)] == [1, 1, 1]
    clock.now += FRESH - 0.1
    assert table() == 1
    clock.now += 0.2
    assert [table(), table()] == [2, 2]


def test_a_bucket_that_is_gone_is_bridged_for_less_than_a_minute() -> None:
    clock, bucket = Clock(), Bucket()
    table = Table(bucket, clock)
    table()
    bucket.error = True
    clock.now += FRESH + 1
    assert [table() for _ in range(50)] == [1] * 50
    assert bucket.reads == 2  # not one attempt per request
    clock.now += PAUSE
    assert table() == 1
    assert bucket.reads == 3
    clock.now = 1_000.0 + LONGEST
    with pytest.raises(Problem) as caught:
        table()
    assert (caught.value.status, caught.value.code) == (503, "routing_unavailable")
    bucket.error = False
    clock.now += PAUSE
    assert table() == bucket.reads


def test_others_go_on_while_one_reads_the_table() -> None:
    clock = Clock()
    reading, go_on = threading.Event(), threading.Event()
    answers = iter([1, 2])

    def read() -> int:
        number = next(answers)
        if number == 2:
            reading.set()
            assert go_on.wait(10)
        return number

    table = Table(read, clock)
    assert table() == 1
    clock.now += FRESH + 1
    found: list[int] = []
    one = threading.Thread(target=lambda: found.append(table()))
    one.start()
    assert reading.wait(10)
    assert table() == 1
    go_on.set()
    one.join()
    assert found == [2]
    assert table() == 2


def test_what_was_just_made_is_not_made_again() -> None:
    clock, made = Clock(), list[str]()
    memory: Memory[int] = Memory(2.0, 3, clock)

    def get(key: str) -> int:
        return memory.get(key, lambda: (made.append(key), len(made))[1])

    assert [get("a"), get("a"), get("b"), get("a")] == [1, 1, 2, 1]
    clock.now += 2.1
    assert [get("a"), get("a")] == [3, 3]
    for key in "cde":
        get(key)
    assert get("a") == 7  # only three are kept
    with pytest.raises(ZeroDivisionError):
        memory.get("f", lambda: 1 // 0)
    assert get("f") == 8


def workers(**options: Any) -> Workers[Session]:
    return Workers(Session, **({"threads": 1, "room": 1, "patience": 0.3} | options))


def test_each_thread_keeps_its_session() -> None:
    pool = workers(threads=3, room=20, patience=5.0)
    seen: set[tuple[int, int]] = set()

    def look(session: Session) -> None:
        time.sleep(0.01)
        seen.add((threading.get_ident(), id(session)))

    for task in [pool.submit(look) for _ in range(20)]:
        pool.result(task)
    pool.close()
    assert len(seen) == 3


def test_a_result_that_comes_too_late_frees_its_thread_by_cutting_its_session() -> None:
    pool = workers()
    cut = threading.Event()

    def stuck(session: Session) -> None:
        session.cut = cut.set  # type: ignore[method-assign]
        assert cut.wait(10)

    first, waiting = pool.submit(stuck), pool.submit(lambda session: "waited")
    with pytest.raises(Problem) as caught:
        pool.submit(lambda session: "no room")
    assert (caught.value.status, caught.value.code) == (429, "busy")
    with pytest.raises(Problem) as caught:
        pool.result(first)
    assert (caught.value.status, caught.value.code) == (503, "timeout")
    assert cut.is_set()
    assert pool.result(waiting) == "waited"
    pool.close()


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    pool = workers()
    go_on, begun = threading.Event(), list[str]()
    first = pool.submit(lambda session: go_on.wait(10))
    waiting = pool.submit(lambda session: begun.append("late"))
    with pytest.raises(Problem):
        pool.result(waiting)
    go_on.set()
    assert pool.result(first)
    pool.close()
    assert begun == []


def test_errors_of_a_task_are_its_own() -> None:
    pool = workers()

    def fail(_: Session) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        pool.result(pool.submit(fail))
    assert pool.result(pool.submit(lambda session: 1)) == 1
    pool.close()


KNOWN = {"BQX_DATABASE_URL": "postgresql://u:p@h/d", "BQX_S3_BUCKET": "b"}


def test_settings_have_defaults_and_are_told_by_the_environment() -> None:
    told = settings.read(KNOWN)
    assert told == settings.Settings("postgresql://u:p@h/d", "b", "bqx", "now", 15, 4, 32, 100.0, 50)
    more = {"BQX_ENDPOINT_NAME": "e", "BQX_AS_OF": "last_bar", "BQX_API_RATE": "7", "BQX_API_OLDEST": "60"}
    told = settings.read(KNOWN | more)
    assert (told.endpoint, told.as_of, told.rate, told.oldest) == ("e", "last_bar", 7.0, 60)
    shares = [settings.read(KNOWN | {"BQX_API_CAPTURED": each}).captured for each in ("", "0", "100")]
    assert shares == [20, 0, 100]
    for wrong in ("101", "-1", "a fifth"):
        with pytest.raises(BadParameter, match="BQX_API_CAPTURED"):
            settings.read(KNOWN | {"BQX_API_CAPTURED": wrong})


def test_the_modes_of_time_are_those_of_the_clock() -> None:
    assert settings.MODES == clock.MODES


@pytest.mark.parametrize("name", [*KNOWN, "BQX_API_THREADS", "BQX_API_RATE", "BQX_AS_OF"])
def test_a_setting_that_is_missing_or_wrong_is_named(name: str) -> None:
    with pytest.raises(BadParameter, match=name):
        settings.read(KNOWN | {name: "" if name in KNOWN else "0"})


@pytest.mark.parametrize(
    ("secret", "url"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u:p@h:1/d"),
        (
            '{"username": "u", "password": "p@/:", "host": "h", "port": 5433, "dbname": "d"}',
            "postgresql://u:p%40%2F%3A@h:5433/d",
        ),
    ],
)
def test_the_database_may_be_told_by_a_secret(secret: str, url: str) -> None:
    variables = {"BQX_S3_BUCKET": "b", "BQX_DATABASE_SECRET": "arn"}
    assert settings.read(variables, {"arn": secret}.__getitem__).database_url == url


@pytest.mark.parametrize("secret", ["hush", '{"username": "u", "password": "hush"}', "[]"])
def test_a_secret_that_means_nothing_is_not_shown(secret: str) -> None:
    with pytest.raises(BadParameter) as caught:
        settings.url_of(secret)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "short"])
def test_without_a_token_nobody_is_served(token: str) -> None:
    with pytest.raises(BadParameter, match="BQX_API_TOKEN"):
        access.bearer(token)


def test_the_scheme_is_read_in_any_case_and_the_token_is_not() -> None:
    may_ask = access.bearer(TOKEN)

    def said(text: str) -> bool:
        return may_ask(Head("POST", "/predict", {"authorization": text}))

    assert said(f"bearer {TOKEN}")
    assert said(f"BEARER  {TOKEN} ")
    assert not said(f"Bearer {TOKEN.upper()}")


def test_the_openapi_document_is_one_and_names_what_is_answered() -> None:
    document = openapi.document()
    OpenAPI.model_validate(document)
    responses = document["paths"]["/predict"]["post"]["responses"]
    assert set(responses) == {"200", "401", "404", "405", "408", "409", "413", "422", "429", "500", "503"}
    forecast = document["components"]["schemas"]["Forecast"]["properties"]
    assert {"pair", "timestamp", "horizons", "model_version", "feature_hash"} <= set(forecast)
    with served(World()) as url, client(url) as asking:
        assert asking.get("/openapi.json").json() == document


def test_each_reference_of_the_document_leads_somewhere() -> None:
    document = openapi.document()

    def references(part: Any, visit: Callable[[str], None]) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                visit(part["$ref"])
            for value in part.values():
                references(value, visit)
        elif isinstance(part, list):
            for value in part:
                references(value, visit)

    found: list[str] = []
    references(document, found.append)
    assert found
    assert {name.removeprefix("#/components/schemas/") for name in found} <= set(
        document["components"]["schemas"]
    )


def test_models_are_kept_warm_as_long_as_the_server_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while one of them does not answer."""
    monkeypatch.setattr(api_handler, "_KEEP_WARM", 0.01)
    world = World()

    def endpoint(target: str, told: wire.Request) -> bytes:
        if target.startswith("eurusd"):
            raise refusal("unavailable", 503)
        return answer(target, told)

    world.endpoint = endpoint
    kept = make(world)
    kept.warm_up()
    deadline = time.monotonic() + 20
    while len(world.asked) < 9:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kept.close()
    names = [name.partition(".")[0] for name, _ in world.asked[:9]]
    assert names == [f"eurusd/{VERSION}", f"gbpusd/{VERSION}", f"gbpusd/{OTHER}"] * 3
    assert kept.keep_warm() == 2
