"""Captures: which answers, in batches, and nothing lost that is not counted, whatever the database does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
import psycopg
import pytest

from include.names import to_datetime
from include.serving.api import aws_lambda
from include.serving.api.capturing import Capturing
from include.serving.api.handler import Handler, Head
from include.serving.captures import HORIZONS, Capture, Said, Sink, is_captured
from include.serving.container import wire
from include.serving.routing import fraction
from include.storage.tables import PREDICTION_COLUMNS, WINDOWS
from tests.include.serving.api import fakes
from tests.include.serving.api.fakes import MINUTE, OTHER, VERSION, World, ask, served
from tests.sagemaker import wait_for

GONE = psycopg.OperationalError("the server is gone")
REFUSED = psycopg.errors.InsufficientPrivilege("permission denied for table captures")


def capture(number: int) -> Capture:
    said = tuple(Said(minutes, minutes, number + minutes / 100, None, 1.0) for minutes in HORIZONS)
    return Capture("eurusd", MINUTE, MINUTE + 1, f"r-{number}", VERSION, "f" * 64, said)


@dataclass
class Written:
    """In place of a database.

    Attributes:
        errors: raised one after the other, before anything is written.
        gate: nothing is written before it is set.
    """

    errors: list[Exception] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    batches: list[list[Capture]] = field(default_factory=list)
    lost: int = 0
    waits: int = 0
    closed: int = 0

    def __call__(self, captures: Sequence[Capture], lost: int) -> None:
        self.waits += 1
        assert self.gate.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(list(captures))
        self.lost += lost

    def close(self) -> None:
        self.closed += 1

    @property
    def ids(self) -> list[str]:
        return [each.request_id for batch in self.batches for each in batch]


def test_a_fifth_is_captured_and_the_choice_has_nothing_to_do_with_the_routing() -> None:
    ids = [f"request-{number}" for number in range(20_000)]
    chosen = [each for each in ids if is_captured(each, 0.2)]
    assert len(chosen) / len(ids) == pytest.approx(0.2, abs=0.01)
    assert chosen == [each for each in ids if is_captured(each, 0.2)]
    assert set(chosen) < {each for each in ids if is_captured(each, 0.5)}
    challenger = np.mean([fraction("eurusd", each) < 0.5 for each in chosen])
    assert challenger == pytest.approx(0.5, abs=0.03), "of the captured, the challenger has its share"


def test_captures_are_written_in_batches_and_in_order() -> None:
    written = Written()
    capturing = Capturing(written, share=1.0, batch=10, every=0.01)
    for number in range(25):
        assert capturing.offer(capture(number))
    written.gate.set()
    assert capturing.flush(20)
    assert written.ids == [f"r-{number}" for number in range(25)]
    assert max(len(batch) for batch in written.batches) <= 10
    assert len(written.batches) < 25
    capturing.close()
    assert (capturing.lost, written.lost, written.closed) == (0, 0, 1)


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    written = Written()
    capturing = Capturing(written, share=1.0, room=5, batch=1, every=0.0)
    capturing.offer(capture(0))
    wait_for(lambda: written.waits)  # the thread holds the first one
    taken = [capturing.offer(capture(number)) for number in range(1, 11)]
    assert taken == [True] * 5 + [False] * 5
    assert capturing.lost == 5
    written.gate.set()
    assert capturing.flush(20)
    capturing.offer(capture(11))
    capturing.close()
    assert len(written.ids) == 7
    assert written.lost == capturing.lost == 5, "the table says what is missing in it"


def test_a_database_that_comes_back_loses_nothing() -> None:
    written = Written(errors=[GONE, GONE, psycopg.InterfaceError("closed")])
    written.gate.set()
    capturing = Capturing(written, share=1.0, batch=4, every=0.0, pause=0.01)
    for number in range(8):
        capturing.offer(capture(number))
    assert capturing.flush(20)
    capturing.close()
    assert written.ids == [f"r-{number}" for number in range(8)]
    assert capturing.lost == 0


def test_what_the_database_refuses_is_counted_and_the_rest_goes_on() -> None:
    written = Written(errors=[REFUSED])
    written.gate.set()
    capturing = Capturing(written, share=1.0, batch=3, every=20.0)
    for number in range(6):
        capturing.offer(capture(number))
    assert capturing.flush(20)
    capturing.close()
    assert written.ids == ["r-3", "r-4", "r-5"]
    assert capturing.lost == written.lost == 3


def test_a_process_that_ends_while_the_database_is_gone_counts_what_it_takes_along() -> None:
    written = Written(errors=[GONE] * 9)
    written.gate.set()
    capturing = Capturing(written, share=1.0, batch=2, every=0.0, pause=20.0)
    for number in range(7):
        capturing.offer(capture(number))
    wait_for(lambda: written.waits)
    capturing.close()
    assert capturing.lost == 7
    assert not capturing.offer(capture(8))
    assert capturing.lost == 8


def rows(db: psycopg.Connection) -> list[tuple[object, ...]]:
    return db.execute("SELECT * FROM bqx.captures ORDER BY request_id").fetchall()


def test_the_table_has_the_forecast_columns_of_the_predictions(
    database_url: str, db: psycopg.Connection
) -> None:
    assert HORIZONS == WINDOWS
    sink = Sink(database_url)
    sink([capture(1)._replace(horizons=capture(1).horizons[:4])], 3)
    sink([capture(1), capture(2)], 0)  # the first is there already
    sink.close()
    found = db.execute("SELECT * FROM bqx.captures ORDER BY request_id")
    assert found.description is not None
    names = [column.name for column in found.description]
    first, second = (dict(zip(names, row, strict=True)) for row in found)
    assert set(PREDICTION_COLUMNS) < set(names)
    assert (first["ts_utc"], first["as_of"]) == (to_datetime(MINUTE), to_datetime(MINUTE + 1))
    assert [first[f"h15_{name}"] for name in ("window", "value", "low", "high")] == [15, 1.15, None, 1.0]
    assert (first["h75_value"], second["h75_value"]) == (None, 2.75)
    assert (first["lost"], second["lost"]) == (3, 0)


def test_a_connection_that_was_ended_is_opened_again(database_url: str, db: psycopg.Connection) -> None:
    sink = Sink(database_url)
    capturing = Capturing(sink, share=1.0, every=0.0, pause=0.01)
    capturing.offer(capture(1))
    assert capturing.flush(20)
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    capturing.offer(capture(2))
    assert capturing.flush(20)
    capturing.close()
    assert (len(rows(db)), capturing.lost) == (2, 0)


def test_who_may_not_write_loses_captures_and_they_are_counted(
    database_url: str, db: psycopg.Connection
) -> None:
    db.execute(f"ALTER DATABASE {db.info.dbname} SET default_transaction_read_only = on")
    sink = Sink(database_url)
    capturing = Capturing(sink, share=1.0, every=0.0)
    for number in range(3):
        capturing.offer(capture(number))
    assert capturing.flush(20)
    capturing.close()
    assert capturing.lost == 3


def answering(world: World, capturing: Capturing) -> Handler:
    made = fakes.handler(world)
    made._capturing = capturing
    return made


def test_every_answer_is_captured_as_it_was_given_and_refusals_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, written, made = World(), Written(), fakes.handler
    written.gate.set()
    capturing = Capturing(written, share=1.0, every=0.0)

    def handler(*args: object, **options: object) -> Handler:
        found = made(*args, **options)  # type: ignore[arg-type]
        found._capturing = capturing
        return found

    monkeypatch.setattr(fakes, "handler", handler)
    with served(world) as url:
        answers = [ask(url, "gbpusd", request_id=f"r-{number}") for number in range(12)]
        assert ask(url, "audcad").status_code == 404
    told = {each.request_id: each for batch in written.batches for each in batch}
    assert sorted(told) == sorted(f"r-{number}" for number in range(12))
    assert {each.version for each in told.values()} == {VERSION, OTHER}
    for answer in answers:
        _compare(answer, told[answer.json()["request_id"]])
    asked = {hashlib.sha256(wire.request(*request)).hexdigest() for _, request in world.asked}
    assert {each.inputs for each in told.values()} == asked


def _compare(answer: httpx.Response, captured: Capture) -> None:
    said = answer.json()
    assert said["model_version"] == captured.version
    assert (said["pair"], said["timestamp"]) == (captured.pair, wire.text_of(captured.minute))
    assert said["as_of"] == wire.text_of(captured.as_of)
    for told, each in zip(said["horizons"], captured.horizons, strict=True):
        assert (told["minutes"], told["value"], told["low"], told["high"]) == (
            each.minutes, each.value, each.low, each.high,
        )  # fmt: skip
        assert each.window == each.minutes


def test_a_database_that_hangs_slows_no_answer() -> None:
    world, written = World(), Written()
    capturing = Capturing(written, share=1.0, room=3, batch=1, every=0.0)
    handler = answering(world, capturing)
    head = Head("POST", "/predict", {"authorization": f"Bearer {fakes.TOKEN}"})
    try:
        for _ in range(20):
            assert handler.answer(head, b'{"pair": "eurusd"}').status == 200
        assert capturing.lost >= 16
    finally:
        written.gate.set()
        handler.close()
    assert len(written.ids) + capturing.lost == 20


def test_the_event_of_every_minute_writes_what_waits() -> None:
    written = Written()
    written.gate.set()
    handler = answering(World(), Capturing(written, share=1.0, every=3600.0))
    asked = Head("POST", "/predict", {"authorization": f"Bearer {fakes.TOKEN}"})
    assert handler.answer(asked, b'{"pair": "eurusd", "request_id": "r-1"}').status == 200
    assert written.ids == []
    aws_lambda.answered(handler, {"source": aws_lambda.SCHEDULE})
    assert written.ids == ["r-1"]
    handler.close()
