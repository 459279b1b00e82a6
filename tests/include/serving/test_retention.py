"""An archive goes when no state that is kept names it, and not before it is old; nothing else ever goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.errors import QualityError
from include.objects import Found, ObjectStore
from include.serving import archives, retention, routing
from include.serving.retention import GRACE, Cleanup, clean_up
from include.serving.routing import Route, Target

NOW = datetime(2026, 1, 2, tzinfo=UTC)
COLUMNS = "f" * 64
SIZE = 7  # bytes of an archive


class Clock:
    """It is always now."""

    @staticmethod
    def now(zone: Any) -> datetime:
        return NOW.astimezone(zone)


class Ages(dict[str, timedelta]):
    """How old objects are, by key; those that are not named are as old as they must be to go."""


@pytest.fixture
def ages(monkeypatch: pytest.MonkeyPatch) -> Ages:
    known, listed = Ages(), ObjectStore.list

    def aged(store: ObjectStore, prefix: str) -> Iterator[Found]:
        for each in listed(store, prefix):
            yield each._replace(modified=NOW - known.get(each.key, GRACE))

    monkeypatch.setattr(ObjectStore, "list", aged)
    monkeypatch.setattr(retention, "datetime", Clock)
    return known


pytestmark = pytest.mark.usefixtures("ages")


def target(letter: str, pair: str = "eurusd") -> Target:
    version = letter * 16
    return Target(version, f"{pair}/{version}.tar.gz", COLUMNS, f"decisions/{pair}/{version}.json", ())


A, B, C, D, E = (target(letter) for letter in "abcde")


def key(one: Target) -> str:
    return archives.key_of(one.target)


def put(bucket: ObjectStore, *targets: Target) -> None:
    for each in targets:
        bucket.put(key(each), b"x" * SIZE)


def serve(bucket: ObjectStore, route: Route, pair: str = "eurusd") -> None:
    """Publish another state, with archives of all that it names."""
    put(bucket, *route.targets)
    routing.publish(
        bucket, lambda now: routing.assign(now, {pair: route}, {COLUMNS: {}}, "bqx"), "a test", "run"
    )


def left(bucket: ObjectStore) -> list[str]:
    return [found.key for found in bucket.list(f"{archives.FOLDER}/")]


def test_what_none_of_the_newest_states_names_goes(bucket: ObjectStore) -> None:
    for each in (A, B, C, D):
        serve(bucket, Route(each))
    put(bucket, E)  # of a deployment that was never finished
    assert clean_up(bucket, 2) == Cleanup(False, 2, [key(A), key(B), key(E)], 3 * SIZE)
    assert left(bucket) == [key(C), key(D)]
    assert clean_up(bucket, 2) == Cleanup(False, 2, [], 0)


def test_the_current_state_is_one_of_those_that_are_kept(bucket: ObjectStore) -> None:
    for each in (A, B, C):
        serve(bucket, Route(each))
    clean_up(bucket, 1)
    assert left(bucket) == [key(C)]


def test_a_model_that_came_back_stays_however_old_its_first_state_is(bucket: ObjectStore) -> None:
    for each in (A, B, C, A):
        serve(bucket, Route(each))
    assert clean_up(bucket, 2).removed == [key(B)]
    assert left(bucket) == [key(A), key(C)]


def test_a_challenger_stays_like_a_champion(bucket: ObjectStore) -> None:
    serve(bucket, Route(A, B, 0.1))
    serve(bucket, Route(C))
    assert clean_up(bucket, 2).removed == []
    serve(bucket, Route(C, D, 0.1))
    assert clean_up(bucket, 2).removed == [key(A), key(B)]
    assert left(bucket) == [key(C), key(D)]


def test_a_pair_that_nobody_touches_keeps_its_model(bucket: ObjectStore) -> None:
    other = target("a", "gbpusd")
    serve(bucket, Route(other), "gbpusd")
    for each in (A, B, C):
        serve(bucket, Route(each))
    clean_up(bucket, 1)
    assert left(bucket) == [key(C), key(other)]


def test_the_same_version_of_another_pair_is_another_archive(bucket: ObjectStore) -> None:
    serve(bucket, Route(A))
    put(bucket, target("a", "gbpusd"))
    assert clean_up(bucket, 1).removed == [key(target("a", "gbpusd"))]


def test_more_states_than_there_are_keep_them_all(bucket: ObjectStore) -> None:
    for each in (A, B):
        serve(bucket, Route(each))
    assert clean_up(bucket, 99) == Cleanup(False, 2, [], 0)
    assert left(bucket) == [key(A), key(B)]


def test_a_young_archive_stays_whoever_names_it(bucket: ObjectStore, ages: Ages) -> None:
    """A deployment makes its archives before the table names them."""
    serve(bucket, Route(C))
    put(bucket, A, B)
    ages[key(A)] = GRACE - timedelta(seconds=1)
    assert clean_up(bucket, 1) == Cleanup(False, 2, [key(B)], SIZE)
    assert left(bucket) == [key(A), key(C)]
    assert clean_up(bucket, 1, grace=GRACE - timedelta(seconds=1)).removed == [key(A)]


def test_a_dry_run_says_the_same_and_removes_nothing(bucket: ObjectStore) -> None:
    for each in (A, B):
        serve(bucket, Route(each))
    before = left(bucket)
    said = clean_up(bucket, 1, dry_run=True)
    assert said == Cleanup(True, 1, [key(A)], SIZE)
    assert left(bucket) == before
    assert clean_up(bucket, 1) == said._replace(dry_run=False)


def test_nothing_but_archives_is_removed(bucket: ObjectStore) -> None:
    for each in (A, B):
        serve(bucket, Route(each))
    others = (
        "decisions/eurusd/a.json",
        "serving/code/x.tar.gz",
        "serving/models.json",
        "training/model.tar.gz",
    )
    for each_key in others:
        bucket.put(each_key, b"")
    before = {found.key for found in bucket.list("")}
    clean_up(bucket, 1)
    assert before - {found.key for found in bucket.list("")} == {key(A)}


def test_an_empty_bucket_stays_empty(bucket: ObjectStore) -> None:
    assert clean_up(bucket, 1) == Cleanup(False, 0, [], 0)


@pytest.mark.parametrize("keep", [0, -1])
def test_the_current_state_cannot_be_given_up(bucket: ObjectStore, keep: int) -> None:
    serve(bucket, Route(A))
    with pytest.raises(ValueError, match="the number is at least 1"):
        clean_up(bucket, keep)
    assert left(bucket) == [key(A)]


@pytest.mark.parametrize("broken", [routing.KEY, f"{routing.HISTORY}000001.json"])
def test_a_state_that_cannot_be_read_lets_nothing_go(bucket: ObjectStore, broken: str) -> None:
    for each in (A, B):
        serve(bucket, Route(each))
    put(bucket, C)
    bucket.put(broken, b"{}")
    with pytest.raises(QualityError, match="is no routing table"):
        clean_up(bucket, 2)
    assert left(bucket) == [key(A), key(B), key(C)]
