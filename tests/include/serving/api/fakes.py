"""The API with its neighbours replaced: features, endpoint and routing table that do as a test says."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from botocore.exceptions import ClientError

from include.serving.api import access
from include.serving.api.asgi import Application
from include.serving.api.database import Database
from include.serving.api.handler import Handler
from include.serving.api.predictor import Inputs, Predictor
from include.serving.api.server import make_server
from include.serving.api.throttle import Throttle
from include.serving.api.workers import Workers
from include.serving.container import wire
from include.serving.online import Row
from include.serving.routing import Route, Routing, Target

TOKEN = "a-token-that-only-tests-know"
MINUTE = 28_700_000
COLUMNS = ["technical_idx__rsi_14", "reg_bqx__slope_60"]
FEATURES = "f" * 64
HORIZONS = (15, 30, 45, 60, 75)
VERSION, OTHER = "0123456789abcdef", "fedcba9876543210"
WINDOWS = tuple((minutes, minutes) for minutes in HORIZONS)


def target(pair: str, version: str = VERSION) -> Target:
    return Target(version, f"{pair}/{version}.tar.gz", FEATURES, f"decisions/{pair}/{version}.json", WINDOWS)


ROUTING = Routing(
    7,
    "bqx",
    {FEATURES: COLUMNS},
    {
        "eurusd": Route(target("eurusd")),
        "gbpusd": Route(target("gbpusd"), target("gbpusd", OTHER), 0.5),
    },
)


class Session(Database):
    """A database that is never asked: the features are given."""

    def __init__(self) -> None:
        super().__init__("postgresql://nowhere")
        self.cuts = 0

    def read(self, function: Callable[[Any], Any]) -> Any:
        return function(self)

    def execute(self, _statement: str) -> Session:
        return self

    def fetchone(self) -> tuple[int]:
        return (1,)

    def cut(self) -> None:
        self.cuts += 1


@dataclass
class World:
    """What the API meets; a test changes it while it runs.

    Attributes:
        routing: the table, or the error that reading it raises.
        age: minutes between the row and `as_of`.
        features: called with each pair in place of the features, for delays and errors.
        endpoint: called with target and request; what it returns is answered.
        asked: targets that the endpoint was asked for, with the request.
    """

    routing: Routing | Exception = ROUTING
    age: int = 1
    features: Callable[[str], None] = lambda pair: None
    endpoint: Callable[[str, wire.Request], bytes] = field(default=lambda target, told: answer(target, told))
    asked: list[tuple[str, wire.Request]] = field(default_factory=list)

    def table(self) -> Routing:
        if isinstance(self.routing, Exception):
            raise self.routing
        return self.routing

    def newest(self, _: Any, pair: str, columns: Sequence[str], windows: Mapping[int, int]) -> Inputs:
        self.features(pair)
        values = np.arange(1.0, len(columns) + 1)
        q, s = ({window: scale * window for window in windows.values()} for scale in (1e-5, 1e-6))
        return Inputs(MINUTE + self.age, Row(pair, MINUTE, values, q, s))

    def invoke_endpoint(self, **told: Any) -> dict[str, Any]:
        assert told["EndpointName"] == "bqx"
        assert told["ContentType"] == "application/json"
        request = wire.read_request(told["Body"])
        self.asked.append((told["TargetModel"], request))
        return {"Body": io.BytesIO(self.endpoint(told["TargetModel"], request))}


def answer(name: str, told: wire.Request, pair: str = "") -> bytes:
    """What a model answers: 2 s above q, within an s on each side."""
    horizons = []
    for minutes in HORIZONS:
        q, s = told.rows.q[minutes], told.rows.s[minutes]
        scaled = wire.Values(*(np.full(len(q), x) for x in (2.0, 1.0, 3.0)))
        horizons.append(wire.Horizon(minutes, minutes, wire.Values(*(q + s * x for x in scaled)), scaled))
    own = pair or name.partition("/")[0]
    return wire.answer(wire.Answer(own, told.version, told.feature_hash, told.rows.ts, tuple(horizons)))


def refusal(code: str, status: int = 400) -> ClientError:
    """The endpoint's container refuses."""
    body = wire.error(wire.Refused(code, f"It is {code}.", status)).decode()
    told = {
        "Error": {"Code": "ModelError", "Message": body},
        "OriginalStatusCode": status,
        "OriginalMessage": body,
    }
    return ClientError(told, "InvokeEndpoint")


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: object) -> Any:
        raise error

    return fail


def handler(
    world: World,
    *,
    threads: int = 2,
    room: int = 8,
    rate: float = 10_000.0,
    burst: int = 10_000,
    patience: float = 1.8,
    sessions: Callable[[], Database] = Session,
) -> Handler:
    """The handler of a world."""
    predictor = Predictor(world.table, world.newest, world, "bqx")
    workers = Workers(sessions, threads=threads, room=room, patience=patience)
    return Handler(predictor, workers, Throttle(rate, burst), access.bearer(TOKEN))


@contextmanager
def served(world: World, arriving: float = 5.0, **options: Any) -> Iterator[str]:
    """The API of a world over real HTTP, while the block runs; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port = listener.getsockname()[1]
        application = Application(handler(world, **options), arriving)
        server = make_server(application, "127.0.0.1", port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert time.monotonic() < deadline
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(20)


def client(url: str, token: str = TOKEN, **options: Any) -> httpx.Client:
    """A client that knows the token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False, **options)


def ask(url: str, pair: str = "eurusd", **more: Any) -> httpx.Response:
    """One question over a connection of its own."""
    with client(url) as asking:
        return asking.post("/predict", json={"pair": pair, **more})
