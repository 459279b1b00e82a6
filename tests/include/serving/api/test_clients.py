"""Slow clients, broken clients and too many of them: the others are answered as if they were not there."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from include.serving.api.server import Guarded
from tests.include.serving.api.fakes import TOKEN, World, ask, client, served

HEAD = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
BODY = b'{"pair": "eurusd"}'


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as connection:
        yield connection


def heard(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_head_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guarded, "limit", 0.5)
    with served(World()) as url, connected(url) as silent, connected(url) as slow, connected(url) as again:
        slow.sendall(HEAD.encode()[:40])
        again.sendall((HEAD + f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY)
        assert again.recv(65_536).startswith(b"HTTP/1.1 200")
        again.sendall(b"POST /pre")  # a second request on the same connection, unfinished
        began = time.monotonic()
        assert [heard(one) for one in (silent, slow, again)] == [b"", b"", b""]
        assert time.monotonic() - began < 3
        assert ask(url).status_code == 200


def test_a_body_that_drips_is_told_so() -> None:
    with served(World(), arriving=0.5) as url, connected(url) as slow:
        slow.sendall((HEAD + "Content-Length: 1000\r\n\r\n").encode() + BODY)
        began = time.monotonic()
        told = heard(slow)
        assert time.monotonic() - began < 3
        assert told.startswith(b"HTTP/1.1 408")
        assert b"slow_request" in told
        assert ask(url).status_code == 200


def test_what_is_left_of_a_refused_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guarded, "limit", 0.5)
    with served(World()) as url, connected(url) as endless:
        endless.sendall((HEAD + "Content-Length: 100000000\r\n\r\n").encode() + BODY)
        began = time.monotonic()
        told = heard(endless)
        assert told.startswith(b"HTTP/1.1 413")
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,  # TLS to a server that has none
        b"GET\r\n\r\n",
        b"\x00" * 1000,
        HEAD.encode() + b"Content-Length: minus\r\n\r\n",
        HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD.encode() + b"Content-Length: -5\r\n\r\n",
    ],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with served(World(), arriving=0.5) as url, connected(url) as broken:
        broken.sendall(garbage)
        broken.shutdown(socket.SHUT_WR)
        told = heard(broken)
        assert told == b"" or told.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))
        assert ask(url).status_code == 200


def test_bad_clients_do_not_hurt_others() -> None:
    """A hundred of each kind hold their connections; others are answered as fast as before."""
    with served(World(), room=400) as url, ExitStack() as held:

        def hold(said: bytes) -> socket.socket:
            connection = held.enter_context(connected(url))
            connection.sendall(said)
            return connection

        for _ in range(100):
            hold(b"")
            hold(HEAD.encode()[:30])
            hold((HEAD + "Content-Length: 1000\r\n\r\n").encode() + BODY)
            gone = hold((HEAD + f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY)
            gone.close()  # before the answer
        took = []
        with client(url) as asking:
            for _ in range(50):
                began = time.monotonic()
                assert asking.post("/predict", json={"pair": "eurusd"}).status_code == 200
                took.append(time.monotonic() - began)
    assert sorted(took)[-5] < 0.5, took


def test_a_client_that_does_not_read_holds_nothing_but_its_connection() -> None:
    with served(World(), threads=1) as url, connected(url) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.5)
        asked = (HEAD + f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY
        try:
            for _ in range(2_000):
                deaf.sendall(asked)
        except TimeoutError:
            pass  # the server has stopped to read
        assert ask(url).status_code == 200


def test_a_burst_is_throttled_and_nothing_queues_for_ever() -> None:
    """Far more requests come than the limit of 20 a second lets through, however slow the machine is."""
    world = World(features=lambda pair: time.sleep(0.02))
    with served(world, threads=4, room=32, rate=20.0, burst=50) as url:
        took: list[float] = []
        limits = httpx.Limits(max_connections=200)
        with client(url, limits=limits) as asking, ThreadPoolExecutor(100) as pool:
            began = time.monotonic()

            def one(number: int) -> str:
                time.sleep(max(0.0, began + number / 200 - time.monotonic()))
                start = time.monotonic()
                answer = asking.post("/predict", json={"pair": "eurusd"})
                took.append(time.monotonic() - start)
                if answer.status_code == 429:
                    assert answer.headers["retry-after"] == "1"
                return str(answer.json().get("error", "ok"))

            seconds = 2
            told = Counter(pool.map(one, range(200 * seconds)))
    assert set(told) <= {"ok", "too_many_requests", "busy"}
    assert told["too_many_requests"] > 0
    # What passes: the burst at once, then the rate; a slow machine stretches the time.
    assert told["ok"] + told["busy"] <= 50 + 20 * (time.monotonic() - began) + 1
    assert told["ok"] >= 50
    assert max(took) < 2.5


def test_who_waits_is_answered_in_time_whatever_the_others_do() -> None:
    """Every thread is stuck: some wait and are given up, the rest is refused at once."""
    stuck = threading.Event()
    world = World(features=lambda pair: stuck.wait(20) and None)
    with served(world, threads=2, room=3, patience=0.6) as url, ThreadPoolExecutor(20) as pool:
        try:
            began = time.monotonic()
            told = Counter(
                pool.map(lambda _: (lambda a: (a.status_code, a.json()["error"]))(ask(url)), range(20))
            )
            assert time.monotonic() - began < 3
        finally:
            stuck.set()
        assert set(told) == {(503, "timeout"), (429, "busy")}
        assert told[503, "timeout"] == 5
        world.features = lambda pair: None
        assert ask(url).status_code == 200
