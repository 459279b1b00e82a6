"""Incidents begin, flap and end as a second, much simpler account of the rules says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.alerts import policy
from include.alerts.policy import (
    CRITICAL,
    DROPPED,
    EXPIRED,
    GROUP_WAIT,
    MEMORY,
    OPENED,
    RESOLVED,
    WARNING,
    WORSE,
    Incident,
    Signal,
    apply,
    due,
    quiet,
)

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOLD = (OPENED, WORSE, RESOLVED)


def signal(minute: float = 0, firing: bool = True, **changes: object) -> Signal:
    told = {"key": "k", "kind": "alarm", "title": "t", "at": BEGIN + minute * MINUTE, "firing": firing}
    return Signal(**told | changes)  # type: ignore[arg-type]


def replayed(signals: Sequence[Signal], minutes: int) -> list[tuple[int, str, str]]:
    """Minute, stage and incident of everything that happens if somebody looks every minute."""
    current: Incident | None = None
    before: Incident | None = None
    happened = []
    for minute in range(minutes):
        at = BEGIN + minute * MINUTE
        for each in signals:
            if each.at == at:
                current = apply(each, current, before)
        stage = due(current, at) if current else None
        if current and stage:
            happened.append((minute, stage, current.id))
            current = policy.after(current, stage, at)
            if current.closed_at:
                current, before = None, current
    return happened


def expected(changes: dict[int, tuple[bool, bool]], minutes: int) -> list[tuple[int, str]]:
    """The same from the rules as people tell them, minute by minute, without any of the code.

    Args:
        changes: at a minute, whether it is bad from then on, and whether critically.
        minutes: of the replay.
    """
    told = []
    open_since = None
    bad, severe, announced, count, good_since, forgotten = False, False, "", 0, 0, 0
    for minute in range(minutes):
        is_bad, critical = changes.get(minute, (None, False))
        if is_bad and open_since is None:
            count = count + 1 if minute < forgotten else 1
            open_since, bad, severe, announced = minute, True, critical, ""
        elif is_bad:
            count, bad, severe = count + (not bad), True, severe or critical
        elif is_bad is False and bad:
            bad, good_since = False, minute
        wanted = "critical" if severe else "warning"
        if bad and announced not in (wanted, "critical"):
            told.append((minute, "worse" if announced else "opened"))
            announced = wanted
        elif open_since is not None and not bad and minute >= good_since + min(10 * 2 ** (count - 1), 240):
            told += [(minute, "resolved")] if announced else []
            open_since, forgotten = None, minute + 24 * 60
    return told


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.integers(0, 120), st.integers(0, 5000)),
        st.tuples(st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_messages_come_when_the_rules_say(changes: dict[int, tuple[bool, bool]]) -> None:
    signals = [
        signal(minute, bad, severity=CRITICAL if critical else WARNING)
        for minute, (bad, critical) in sorted(changes.items())
    ]
    told = [(minute, stage) for minute, stage, _ in replayed(signals, 6000) if stage in TOLD]
    assert told == expected(changes, 6000)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=30), st.randoms())
def test_doubled_and_late_signals_change_nothing(history: list[tuple[int, bool]], chance: object) -> None:
    """A look sees the last minutes again: everything that it sees twice, in any order, is old."""
    signals = [signal(minute, firing) for minute, firing in sorted(dict(history).items())]
    current = again = None
    for number, each in enumerate(signals):
        current = apply(each, current, None)
        again = apply(each, again, None)
        seen = signals[: number + 1]
        chance.shuffle(seen)  # type: ignore[attr-defined]
        for old in seen if current else ():
            again = apply(old, again, None)
    assert again == current


def test_a_flapping_alarm_sends_two_messages_and_not_twenty() -> None:
    signals = [signal(minute, minute % 4 == 0) for minute in range(0, 240, 2)]
    happened = replayed(signals, 24 * 60)
    assert [stage for _, stage, _ in happened] == [OPENED, RESOLVED]
    assert len({incident for _, _, incident in happened}) == 1


def test_the_worst_flapping_of_a_day_is_bounded() -> None:
    """Whoever waits each time until all is resolved, and then begins again, waits longer and longer."""
    current = before = None
    told = 0
    for minute in range(24 * 60):
        at = BEGIN + minute * MINUTE
        current = apply(signal(minute, current is None or not current.told), current, before)
        stage = due(current, at) if current else None
        if current and stage:
            told += stage in TOLD
            current = policy.after(current, stage, at)
            if current.closed_at:
                current, before = None, current
    assert told < 20


def test_failures_of_a_run_that_goes_on_are_collected() -> None:
    pairs = [signal(number / 60, pairs=(f"pair{number:02}",), line=f"line {number}", settled=False)
             for number in range(28)]  # fmt: skip
    current = None
    for each in pairs:
        current = apply(each, current, None)
    assert current is not None
    assert len(current.pairs) == 28
    assert len(current.lines) + current.omitted == 28
    assert due(current, BEGIN + GROUP_WAIT - MINUTE) is None
    assert due(current, BEGIN + GROUP_WAIT) == OPENED
    ended = apply(signal(1, settled=True), current, None)
    assert ended is not None
    assert due(ended, BEGIN + MINUTE) == OPENED, "the run has ended: nothing more comes"


def test_what_is_well_before_it_was_told_is_dropped() -> None:
    failed = apply(signal(0, settled=False), None, None)
    assert failed is not None
    well = apply(signal(2, firing=False), failed, None)
    assert well is not None
    assert due(well, BEGIN + 2 * MINUTE + quiet(1) - MINUTE) is None
    assert due(well, BEGIN + 2 * MINUTE + quiet(1)) == DROPPED


def test_an_incident_that_nobody_speaks_of_any_more_expires() -> None:
    told = policy.after(apply(signal(), None, None), OPENED, BEGIN)  # type: ignore[arg-type]
    assert due(told, BEGIN + policy.EXPIRY - MINUTE) is None
    assert due(told, BEGIN + policy.EXPIRY) == EXPIRED


def test_old_news_of_an_incident_that_is_over_begin_nothing() -> None:
    over = policy.after(apply(signal(5), None, None), RESOLVED, BEGIN + 20 * MINUTE)  # type: ignore[arg-type]
    assert apply(signal(5), None, over) is None
    assert apply(signal(3), None, over) is None
    again = apply(signal(21), None, over)
    assert again is not None
    assert (again.bursts, again.id == over.id) == (2, False)
    later = apply(signal(20 + MEMORY / MINUTE), None, over)
    assert later is not None
    assert later.bursts == 1


@pytest.mark.parametrize("firing", [True, False])
def test_a_look_that_finds_nothing_calms_what_it_would_have_found(firing: bool) -> None:
    known = apply(signal(), None, None)
    assert known is not None
    found = [signal(1)] if firing else []
    calm = policy.calmed([known], found, BEGIN + MINUTE)
    assert [(each.key, each.firing, each.at) for each in calm] == (
        [] if firing else [("k", False, BEGIN + MINUTE)]
    )
