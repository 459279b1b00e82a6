"""Records wait in the bucket until they are delivered, whatever fails."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from include.objects import ObjectStore
from include.tracking import outbox
from include.tracking.run import TrackedRun


def record(number: int, score: float = 0.1) -> TrackedRun:
    name = f"bqx-eurusd-xgb-{number:016x}"
    return TrackedRun(name, {"rounds": "5"}, {"test/r2_h15": score}, {"bqx.pair": "eurusd"}, {}, 2.0)


class Server:
    """A tracking server in memory.

    Args:
        refuses: names that it does not take, by the error.
    """

    def __init__(self, **refuses: Exception) -> None:
        self.runs: dict[str, TrackedRun] = {}
        self.refuses: dict[str, Exception] = refuses
        self.calls = 0

    def deliver(self, run: TrackedRun, recorded: datetime) -> None:
        assert abs((datetime.now(UTC) - recorded).total_seconds()) < 3600
        self.calls += 1
        for part, error in self.refuses.items():
            if run.name.endswith(part):
                raise error
        self.runs[run.name] = run


def waiting(bucket: ObjectStore) -> list[str]:
    return [found.key for found in bucket.list(outbox.FOLDER)]


def test_a_record_is_read_as_it_was_written() -> None:
    run = record(1)._replace(documents={"card.json": {"pair": "eurusd", "columns": 195}})
    assert TrackedRun.of(run.to_json()) == run
    with pytest.raises(ValueError, match="not JSON compliant"):
        run._replace(metrics={"r2": float("nan")}).to_json()


def test_what_is_delivered_does_not_wait_any_more(bucket: ObjectStore) -> None:
    server = Server()
    outbox.put(bucket, map(record, range(3)))
    assert outbox.deliver(bucket, lambda: server) == (3, 0, "")
    assert set(server.runs) == {record(number).name for number in range(3)}
    assert waiting(bucket) == []


def test_nothing_is_opened_for_an_empty_outbox(bucket: ObjectStore) -> None:
    assert outbox.deliver(bucket, lambda: pytest.fail("nothing waits")) == (0, 0, "")


def test_a_record_that_waits_is_there_once(bucket: ObjectStore) -> None:
    for _ in range(2):
        outbox.put(bucket, [record(1)])
    assert len(waiting(bucket)) == 1
    outbox.put(bucket, [record(1, 0.2)])
    assert len(waiting(bucket)) == 2


def test_a_server_that_is_down_loses_nothing(bucket: ObjectStore) -> None:
    def down() -> Any:
        raise ConnectionError("https://bqx:hunter2@tracking:443 does not answer\nread the manual")

    outbox.put(bucket, [record(1), record(2)])
    told = outbox.deliver(bucket, down)
    assert told == (0, 2, "ConnectionError: https://bqx:***@tracking:443 does not answer")
    before = set(waiting(bucket))
    outbox.put(bucket, [record(2, 0.2), record(3)])
    assert before < set(waiting(bucket))
    server = Server()
    assert outbox.deliver(bucket, lambda: server) == (4, 0, "")
    assert len(server.runs) == 3


def test_a_record_that_is_refused_does_not_hold_up_the_others(bucket: ObjectStore) -> None:
    server = Server(**{"2": ValueError("too long"), "5": ValueError("too long as well")})
    outbox.put(bucket, map(record, range(8)))
    assert outbox.deliver(bucket, lambda: server) == (6, 2, "ValueError: too long")
    assert [key.split("/")[2] for key in waiting(bucket)] == [record(2).name, record(5).name]


def test_a_server_that_refuses_everything_is_left_alone(bucket: ObjectStore) -> None:
    server = Server(**{"": ValueError("read-only")})
    outbox.put(bucket, map(record, range(8)))
    assert outbox.deliver(bucket, lambda: server) == (0, 8, "ValueError: read-only")
    assert server.calls == outbox.PATIENCE
    assert len(waiting(bucket)) == 8


def test_a_killed_delivery_goes_on_where_it_was(bucket: ObjectStore) -> None:
    server = Server(**{"3": KeyboardInterrupt()})  # type: ignore[arg-type]
    outbox.put(bucket, map(record, range(6)))
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver(bucket, lambda: server)
    server.refuses.clear()
    delivered = outbox.deliver(bucket, lambda: server)
    assert delivered.waiting == 0
    assert len(server.runs) == 6
