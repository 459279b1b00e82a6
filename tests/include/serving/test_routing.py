"""The routing table: changed by one writer at a time, kept in every state, and fair to every request."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from include.errors import BadParameter, Busy, MissingInput, QualityError
from include.objects import ObjectStore
from include.serving import routing
from include.serving.routing import EMPTY, Route, Routing, Target

COLUMNS = "f" * 64
LISTS = {COLUMNS: ["lag__r_1"]}
WINDOWS = ((15, 15), (30, 45))


def target(letter: str, pair: str = "eurusd", columns: str = COLUMNS) -> Target:
    version = letter * 16
    return Target(version, f"{pair}/{version}.tar.gz", columns, f"decisions/{pair}/{version}.json", WINDOWS)


A, B, C = (target(letter) for letter in "abc")


def publish(bucket: ObjectStore, route: Route, pair: str = "eurusd") -> Routing:
    return routing.publish(
        bucket, lambda now: routing.assign(now, {pair: route}, LISTS, "bqx"), "a test", "run"
    )


def numbers(bucket: ObjectStore) -> list[int]:
    return [int(found.key.rpartition("/")[2].removesuffix(".json")) for found in bucket.list(routing.HISTORY)]


def test_before_the_first_deployment_nothing_serves(bucket: ObjectStore) -> None:
    assert routing.read(bucket) == EMPTY
    assert routing.states(bucket) == []
    with pytest.raises(MissingInput, match="No model of eurusd is deployed"):
        EMPTY.choose("eurusd", "1")


def test_the_table_is_written_as_it_is_agreed(bucket: ObjectStore) -> None:
    publish(bucket, Route(A))
    publish(bucket, Route(A, B, 0.25))
    told = json.loads(bucket.get(routing.KEY) or b"")
    assert told == {
        "format": 1,
        "number": 2,
        "endpoint": "bqx",
        "columns": LISTS,
        "pairs": {"eurusd": {"champion": A.to_dict(), "challenger": B.to_dict(), "share": 0.25}},
        "why": "a test",
        "run": "run",
    }
    assert bucket.get("serving/routing/000002.json") == bucket.get(routing.KEY)
    assert routing.read(bucket).pairs["eurusd"] == Route(A, B, 0.25)
    assert [each.number for each in routing.states(bucket)] == [1, 2]
    assert routing.state(bucket, 1).pairs == {"eurusd": Route(A)}
    with pytest.raises(BadParameter, match=r"no state 7 .* current one is 2"):
        routing.state(bucket, 7)


def test_a_change_that_changes_nothing_makes_no_state(bucket: ObjectStore) -> None:
    first = publish(bucket, Route(A))
    assert publish(bucket, Route(A)) == first
    assert numbers(bucket) == [1]


def test_writers_at_once_lose_nothing(bucket: ObjectStore) -> None:
    pairs = [f"pair{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: publish(bucket, Route(target("a", pair)), pair), pairs))
    assert sorted(routing.read(bucket).pairs) == pairs
    assert numbers(bucket) == list(range(1, 9)), "every state is kept"
    assert [len(each.pairs) for each in routing.states(bucket)] == list(range(1, 9))


def test_who_is_always_overtaken_gives_up(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStore, "replace", lambda *_: False)
    with pytest.raises(Busy, match="Try again later"):
        publish(bucket, Route(A))


class Killed(BaseException):
    """The process was killed."""


@pytest.mark.parametrize("done", [False, True])
def test_killed_while_it_publishes(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch, done: bool) -> None:
    publish(bucket, Route(A))
    for name in ("replace", "put_once"):
        method = getattr(ObjectStore, name)

        def killed(store: ObjectStore, key: str, *rest: Any, method: Any = method) -> Any:
            if done:
                method(store, key, *rest)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, name, killed)
            with pytest.raises(Killed):
                publish(bucket, Route(B))
        assert routing.read(bucket).pairs["eurusd"].champion in (A, B)
        publish(bucket, Route(B))
        publish(bucket, Route(A))
    assert [each.pairs["eurusd"].champion for each in routing.states(bucket)] == [A, B, A, B, A]
    assert numbers(bucket) == [1, 2, 3, 4, 5]


def test_an_answer_that_is_lost_changes_nothing_twice(bucket: ObjectStore) -> None:
    publish(bucket, Route(A))
    answers: list[int] = []

    def lose(**_: Any) -> None:
        answers.append(1)
        if len(answers) == 2:  # the first one is about keeping the present state, this one about the change
            raise ConnectionError("the answer is lost")

    bucket.client.meta.events.register("after-call.s3.PutObject", lose)
    with pytest.raises(ConnectionError):
        publish(bucket, Route(B))
    assert publish(bucket, Route(B)).number == 2
    assert numbers(bucket) == [1, 2]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "number": "x"}'])
def test_what_is_no_table_is_not_overwritten(bucket: ObjectStore, body: bytes) -> None:
    bucket.put(routing.KEY, body)
    with pytest.raises(QualityError, match=r"is no routing table .*Restore it from serving/routing/"):
        routing.read(bucket)
    with pytest.raises(QualityError):
        publish(bucket, Route(A))
    assert bucket.get(routing.KEY) == body


def table(share: float) -> Routing:
    return Routing(1, "bqx", LISTS, {"eurusd": Route(A, B, share), "gbpusd": Route(A, B, share)})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_a_share_is_met_within_one_percent(share: float) -> None:
    routed = table(share)
    chosen = sum(routed.choose("eurusd", f"request-{number}") == B for number in range(100_000))
    assert abs(chosen / 100_000 - share) < 0.01


def test_a_request_stays_where_it_is_and_a_canary_only_grows() -> None:
    ids = [f"id {number}" for number in range(2000)]
    small = {each for each in ids if table(0.1).choose("eurusd", each) == B}
    half = {each for each in ids if table(0.5).choose("eurusd", each) == B}
    assert small < half
    assert {each for each in ids if table(0.1).choose("eurusd", each) == B} == small
    other = {each for each in ids if table(0.5).choose("gbpusd", each) == B}
    assert len(half & other) < 0.35 * len(ids), "pairs are split independently of each other"


def test_the_place_of_a_request_is_the_same_in_every_process_and_version() -> None:
    # SHA-256 of "eurusd\nabc" begins with these 7 bytes.
    import hashlib

    first = hashlib.sha256(b"eurusd\nabc").hexdigest()[:14]
    assert routing.fraction("eurusd", "abc") == int(first, 16) / 16**14


def test_steps_of_a_route() -> None:
    assert routing.split(None, A, 0.1) == Route(A), "a first model answers all"
    assert routing.split(Route(A), B, 0.1) == Route(A, B, 0.1)
    assert routing.split(Route(A, B, 0.1), C, 0.5) == Route(A, C, 0.5)
    assert routing.split(Route(A, B, 0.5), B, 1) == Route(B)
    assert routing.split(Route(A, B, 0.5), B, 0) == Route(A)
    assert routing.split(Route(A, B, 0.5), A, 0.5) == Route(A)
    with pytest.raises(BadParameter, match="from 0 to 1"):
        routing.split(Route(A), B, 1.5)
    assert routing.promote(Route(A, B, 0.5)) == Route(B)
    assert routing.promote(Route(A)) == Route(A)
    assert routing.roll_back(Route(A, B, 0.5), C) == Route(A), "the challenger goes first"
    assert routing.roll_back(Route(A), C) == Route(C)
    assert routing.roll_back(Route(A), None) is None


@pytest.mark.parametrize(
    ("champions", "before"),
    [
        ("", None),
        ("a", None),
        ("ab", "a"),
        ("abb", "a"),
        ("abc", "b"),
        ("aba", None),  # went back to the first one
        ("abcb", "a"),  # twice back goes two back, not to and fro
        ("abcba", None),
        ("abca", None),
        ("abac", "a"),
    ],
)
def test_a_rollback_goes_to_what_served_before(champions: str, before: str | None) -> None:
    history = [Routing(n, "bqx", {}, {"eurusd": Route(target(each))}) for n, each in enumerate(champions, 1)]
    found = routing.previous([EMPTY, *history], "eurusd")
    assert found == (None if before is None else target(before))


def test_models_of_the_same_columns_keep_their_own_windows(bucket: ObjectStore) -> None:
    other = B._replace(target=f"gbpusd/{B.version}.tar.gz", windows=((15, 75), (30, 75)))
    publish(bucket, Route(A))
    publish(bucket, Route(other), "gbpusd")
    table = routing.read(bucket)
    assert [table.pairs[pair].champion.windows for pair in ("eurusd", "gbpusd")] == [WINDOWS, other.windows]


def test_columns_that_nobody_needs_go() -> None:
    other = target("d", columns="0" * 64)
    lists = LISTS | {"0" * 64: ["x"]}
    both = routing.assign(EMPTY, {"eurusd": Route(A, other, 0.5)}, lists, "bqx")
    assert set(both.columns) == set(lists)
    assert set(routing.assign(both, {"eurusd": Route(other)}, {}, "bqx").columns) == {"0" * 64}


def test_only_the_newest_states_are_asked_for(bucket: ObjectStore) -> None:
    for each in (A, B, C, A):
        publish(bucket, Route(each))
    assert [each.number for each in routing.states(bucket, 2)] == [3, 4]
    assert [each.number for each in routing.states(bucket, 1)] == [4]
    assert [each.number for each in routing.states(bucket, 99)] == [1, 2, 3, 4]
