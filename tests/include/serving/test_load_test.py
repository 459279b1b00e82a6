"""What is measured is what a client waits for, and what is not good enough is said with its reason."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.errors import DeployFailed
from include.serving import load_test
from include.serving.container.wire import Answer
from include.serving.load_test import MOST_ROUNDS, QUIET_ROUNDS, Load, Warmth, check, judge, run, warm
from include.serving.probes import MISMATCH, Probe, Reply
from include.serving.routing import Target

LIMIT = 200.0  # milliseconds
QUICK, SLOW = Reply(0.2, ""), Reply(0.201, "")
BUSY = Reply(0.01, "ModelNotReadyException")
WRONG = Reply(0.01, f"{MISMATCH}: version is b, not a")
GOOD = Load(1000, 50.0, 10.0, 20.0, LIMIT, 900.0, {})


def probe(letter: str) -> Probe:
    target = Target(
        letter * 16, f"eurusd/{letter * 16}.tar.gz", "f" * 64, f"decisions/eurusd/{letter}.json", ()
    )
    return Probe("eurusd", target, b"", Answer("eurusd", target.version, "f" * 64, np.zeros(1, np.int64), ()))


A, B, C = (probe(letter) for letter in "abc")


# Loading models


class Rounds:
    """An endpoint that answers alike for a round; the last round goes on for ever."""

    def __init__(self, probes: Sequence[Probe], *replies: Reply, copies: int = 1) -> None:
        self._size, self._replies, self._lock = len(probes) * copies, replies, threading.Lock()
        self.asked: list[Probe] = []

    def __call__(self, probe: Probe) -> Reply:
        with self._lock:
            place = len(self.asked) // self._size
            self.asked.append(probe)
            first = len(self.asked) % self._size == 1 or self._size == 1
        # The others of the round are quick: one answer decides.
        return self._replies[min(place, len(self._replies) - 1)] if first else Reply(0.001, "")


def test_models_that_are_loaded_are_asked_a_few_times() -> None:
    ask = Rounds([A, B], QUICK)
    assert warm(ask, [A, B], LIMIT) == Warmth(QUIET_ROUNDS, [200.0] * QUIET_ROUNDS)
    assert Counter(each.target for each in ask.asked) == {A.target: QUIET_ROUNDS, B.target: QUIET_ROUNDS}


def test_every_instance_is_found_by_several_copies() -> None:
    ask = Rounds([A, B], QUICK, copies=4)
    warm(ask, [A, B], LIMIT, copies=4, quiet_rounds=1)
    assert Counter(each.target for each in ask.asked) == {A.target: 4, B.target: 4}


def test_copies_of_a_model_are_asked_at_once() -> None:
    """A further instance is asked for a model only while the first one is busy with it."""
    crowd = {each.target: threading.Barrier(8, timeout=30) for each in (A, B)}

    def ask(asked: Probe) -> Reply:
        crowd[asked.target].wait()
        return QUICK

    assert warm(ask, [A, B], LIMIT, copies=8, quiet_rounds=1).rounds == 1


@pytest.mark.parametrize("disturbed", [SLOW, BUSY])
def test_quiet_rounds_count_from_the_last_slow_or_failed_answer(disturbed: Reply) -> None:
    ask = Rounds([A, B], disturbed, QUICK, QUICK, disturbed, QUICK)
    told = warm(ask, [A, B], LIMIT, quiet_rounds=3)
    assert told.rounds == len(told.slowest) == 7


def test_a_wrong_answer_while_models_are_loaded_is_never_waited_out() -> None:
    ask = Rounds([A, B], SLOW, WRONG, QUICK)
    with pytest.raises(DeployFailed, match=r"gives 1 wrong answers, the first is a mismatch: version is b"):
        warm(ask, [A, B], LIMIT)
    assert len(ask.asked) == 4, "it is refused in the round in which it is seen"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (SLOW, r"longer than 200 ms \(the slowest of the last round 201 ms\) or fail \(none failed\)"),
        (BUSY, r"fail \({'ModelNotReadyException': 1}\)"),
    ],
)
def test_an_endpoint_that_does_not_come_to_rest_fails(last: Reply, said: str) -> None:
    ask = Rounds([A, B], last)
    with pytest.raises(DeployFailed, match=f"After {MOST_ROUNDS} rounds of questions to 2 models .*{said}"):
        warm(ask, [A, B], LIMIT)
    assert len(ask.asked) == 2 * MOST_ROUNDS


def test_rest_in_the_very_last_round_is_rest() -> None:
    ask = Rounds([A], *[SLOW] * (MOST_ROUNDS - 3), QUICK)
    assert warm(ask, [A], LIMIT, quiet_rounds=3).rounds == MOST_ROUNDS
    late = Rounds([A], *[SLOW] * (MOST_ROUNDS - 2), QUICK)
    with pytest.raises(DeployFailed, match=f"After {MOST_ROUNDS} rounds"):
        warm(late, [A], LIMIT, quiet_rounds=3)


# What is good enough


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"p99": LIMIT + 1}, "P99 is 201 ms, more than 200 ms"),
        ({"problems": {"ServiceUnavailable": 10}}, ""),
        ({"problems": {"ServiceUnavailable": 11}}, "11 of 1000 requests failed (ServiceUnavailable)"),
        ({"problems": {"Timeout": 6, "Busy": 5}}, "11 of 1000 requests failed (Busy, Timeout)"),
        ({"problems": {"Timeout": 11}, "p99": 999.0}, "11 of 1000 requests failed (Timeout)"),
        ({"problems": {"mismatch: version": 1}}, "an answer was wrong (mismatch: version)"),
        ({"problems": {"Timeout": 99, "mismatch: pair": 1}}, "an answer was wrong (mismatch: pair)"),
        ({"problems": {"Timeout": 1}, "requests": 1}, "1 of 1 requests failed (Timeout)"),
        ({"problems": {"ModelError: mismatch": 1}}, ""),
    ],
)
def test_a_measurement_is_judged(changes: dict[str, Any], said: str) -> None:
    """At a limit is good enough; a wrong answer never is, and comes before all that may pass."""
    assert judge(GOOD._replace(**changes), LIMIT) == said


def test_a_measurement_reads_well() -> None:
    load = Load(1000, 49.7, 10.2, 20.0, 30.0, 900.0, {})
    assert str(load) == "1000 requests at 50/s: P50 10, P95 20, P99 30 ms"
    assert str(load._replace(problems={"Timeout": 3, "Busy": 2})).endswith("P99 30 ms, 5 failed")


# The check


def measured(monkeypatch: pytest.MonkeyPatch, *loads: Load) -> list[tuple[Any, ...]]:
    """Let these be what is measured; returns what was done, in order."""
    done: list[tuple[Any, ...]] = []
    left = iter(loads)

    def ran(*asked: Any) -> Load:
        done.append(asked)
        return next(left)

    monkeypatch.setattr(load_test, "run", ran)
    return done


def ask_nobody(probe: Probe) -> Reply:
    raise AssertionError("nobody is asked")


def test_it_is_measured_under_load_and_after_a_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = GOOD._replace(requests=3)
    done = measured(monkeypatch, GOOD, quiet)
    told = check(ask_nobody, [A, B, C], LIMIT, 50, 60, 30, sleep=lambda seconds: done.append((seconds,)))
    assert told == {"load": GOOD, "after quiet": quiet}
    under_load, slept, after = done
    assert under_load == (ask_nobody, [A, B, C], 50, 60)
    assert slept == (30,)
    assert after == (ask_nobody, [A, B, C], 50, 3 / 50), "every probe once"


@pytest.mark.parametrize("when", ["load", "after quiet"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"p99": 201.0}, "P99 is 201 ms"),
        ({"problems": {"Timeout": 11}}, "11 of 1000 requests failed"),
        ({"problems": {"mismatch: pair": 1}}, "an answer was wrong"),
    ],
)
def test_both_measurements_must_be_good(
    monkeypatch: pytest.MonkeyPatch, when: str, changes: dict[str, Any], why: str
) -> None:
    bad = GOOD._replace(**changes)
    measured(monkeypatch, *((bad, GOOD) if when == "load" else (GOOD, bad)))
    with pytest.raises(DeployFailed, match=rf"did not pass its check \({when}\): {why}.*Traffic was not mov"):
        check(ask_nobody, [A], LIMIT, 50, 60, 0, sleep=lambda _: None)


# The load itself


class Clock:
    """A time that passes only if somebody waits or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class OneByOne:
    """A pool that does everything at once, in turn."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def submit(self, work: Callable[..., Reply], *given: Any) -> Future[Reply]:
        done: Future[Reply] = Future()
        done.set_result(work(*given))
        return done


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    it = Clock()
    monkeypatch.setattr(load_test, "time", SimpleNamespace(perf_counter=lambda: it.now, sleep=it.sleep))
    monkeypatch.setattr(load_test, "ThreadPoolExecutor", OneByOne)
    return it


def test_requests_are_made_when_they_are_due(clock: Clock) -> None:
    asked: list[tuple[float, Probe]] = []

    def ask(probe: Probe) -> Reply:
        asked.append((clock.now, probe))
        return Reply(99.0, "")

    load = run(ask, [A, B], 4, 1.25)
    assert [each for _, each in asked] == [A, B, A, B, A], "probes are asked in turn"
    assert [moment - 100 for moment, _ in asked] == [0, 0.25, 0.5, 0.75, 1]
    assert load == Load(5, 5.0, 0.0, 0.0, 0.0, 0.0, {}), "what counts is the clock of who asks"


def test_who_has_to_wait_for_others_waits_since_it_was_due(clock: Clock) -> None:
    """A server that stalls cannot hide it by slowing down whoever asks."""

    def ask(probe: Probe) -> Reply:
        clock.now += 0.5
        return Reply(0.5, "")

    load = run(ask, [A], 4, 1)  # due at 0, 0.25, 0.5, 0.75; answered at 0.5, 1, 1.5, 2
    assert (load.requests, load.rate) == (4, 2.0)
    assert [load.p50, load.p95, load.p99, load.slowest] == pytest.approx([875, 1212.5, 1242.5, 1250])


def test_problems_are_counted_by_kind(clock: Clock) -> None:
    replies = iter([QUICK, BUSY, WRONG, BUSY, QUICK])
    load = run(lambda _: next(replies), [A], 5, 1)
    assert (load.requests, load.problems) == (5, {BUSY.problem: 2, WRONG.problem: 1})


@pytest.mark.parametrize("seconds", [0, 0.001])
def test_somebody_is_asked_however_short_it_is(clock: Clock, seconds: float) -> None:
    def ask(probe: Probe) -> Reply:
        clock.now += 0.25
        return Reply(0.25, "")

    assert run(ask, [A, B], 50, seconds) == Load(1, 4.0, 250.0, 250.0, 250.0, 250.0, {})


def test_a_request_that_takes_long_holds_no_other_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these is answered before all of them are asked."""
    hurried = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: None)
    monkeypatch.setattr(load_test, "time", hurried)
    all_there = threading.Barrier(load_test.AT_ONCE, timeout=30)

    def ask(probe: Probe) -> Reply:
        all_there.wait()
        return QUICK

    assert run(ask, [A], 1000, load_test.AT_ONCE / 1000).requests == load_test.AT_ONCE


def test_an_error_that_is_no_answer_is_not_hidden(clock: Clock) -> None:
    def ask(probe: Probe) -> Reply:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError, match="a fault of ours"):
        run(ask, [A], 5, 1)
