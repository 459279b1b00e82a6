"""When an incident begins, when people are told of it, and when it is over. Nothing here reads a clock.

Whoever notices something sends a signal. Signals with the same key belong to one incident, which sends one
message when it begins, one if it becomes critical, and one when it is over. It is over after some quiet, not
with the first good sign: the quiet doubles each time the same thing begins again, so what flaps is told once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

INFORMATION, WARNING, CRITICAL = SEVERITIES = ("information", "warning", "critical")
FAILURE, DEADLINE, STUCK, IMPORT_ERROR = "failure", "missed deadline", "stuck task", "import error"
DRIFT, COST, LATENCY, ALARM, PLATFORM = "drift", "cost", "latency", "alarm", "platform"
REPORT = "report"  # nothing is wrong: people are told once, and of no end

OPENED, WORSE, RESOLVED = "opened", "worse", "resolved"  # stages that people are told of
DROPPED, EXPIRED = "dropped", "expired"  # ends that nobody is told of

GROUP_WAIT = timedelta(minutes=5)  # a run that goes on collects its failures for so long
QUIET = timedelta(minutes=10)  # after which an incident that began once is over
MOST_QUIET = timedelta(hours=4)
MEMORY = timedelta(days=1)  # how long an incident that is over lengthens the quiet of the next one
EXPIRY = timedelta(days=7)  # nobody has said anything of it for so long
MOST_LINES = 20


@dataclass(frozen=True)
class Signal:
    """Something that was noticed.

    Attributes:
        key: what it is about; one incident at a time has it.
        kind: one of the kinds above.
        title: what happened, in a few words.
        at: when it happened, UTC. A signal older than the newest one of its key changes no state.
        firing: False if it is well again.
        severity: information, warning or critical.
        settled: False while more of the same may follow within minutes: the message waits for it.
        line: a line of what happened.
        pairs: the currency pairs concerned.
        link: address of a log.
        runbook: what to do, a path below ``docs/``.
    """

    key: str
    kind: str
    title: str
    at: datetime
    firing: bool = True
    severity: str = CRITICAL
    settled: bool = True
    line: str = ""
    pairs: tuple[str, ...] = ()
    link: str = ""
    runbook: str = ""


@dataclass(frozen=True)
class Incident:
    """What signals of one key have in common.

    Attributes:
        id: short; it stands in the subject of every message.
        key, kind, title, severity, settled, link, runbook: as of `Signal`; the worst severity so far.
        lines: what happened, each line once, the first `MOST_LINES` of them.
        omitted: how many further lines there were, at least.
        pairs: of all signals, sorted.
        opened_at: when it began, UTC.
        changed_at: when it began or ended last.
        seen_at: of the newest signal.
        firing: whether it goes on.
        bursts: how often it began, with earlier incidents of the key of the last day.
        told: the severity that people were told; empty before the first message.
        closed_at: when it was over for good.
    """

    id: str
    key: str
    kind: str
    title: str
    severity: str
    settled: bool
    link: str
    runbook: str
    lines: tuple[str, ...]
    omitted: int
    pairs: tuple[str, ...]
    opened_at: datetime
    changed_at: datetime
    seen_at: datetime
    firing: bool = True
    bursts: int = 1
    told: str = ""
    closed_at: datetime | None = None


def apply(signal: Signal, current: Incident | None, before: Incident | None) -> Incident | None:
    """The incident of a key after a signal.

    Args:
        signal: what was noticed.
        current: the open incident of its key, if there is one.
        before: the last one that is over.

    Returns:
        The open incident, changed or new; None if there still is none.
    """
    if current is None:
        if not signal.firing or (before is not None and signal.at <= before.seen_at):
            return None
        return _begin(signal, before)
    merged = _merged(current, signal) if signal.firing else current
    if signal.at <= current.seen_at:
        return merged
    if signal.firing == current.firing:
        return replace(merged, seen_at=signal.at)
    return replace(
        merged,
        firing=signal.firing,
        seen_at=signal.at,
        changed_at=signal.at,
        bursts=current.bursts + signal.firing,
    )


def due(incident: Incident, at: datetime) -> str | None:
    """What an open incident comes to at a moment: a stage, an end that nobody is told of, or nothing."""
    if not incident.firing:
        over = at >= incident.changed_at + quiet(incident.bursts)
        return (RESOLVED if incident.told else DROPPED) if over else None
    if at >= incident.seen_at + EXPIRY:
        return EXPIRED
    if incident.told:
        return WORSE if _rank(incident.severity) > _rank(incident.told) else None
    return OPENED if incident.settled or at >= incident.opened_at + GROUP_WAIT else None


def after(incident: Incident, stage: str, at: datetime) -> Incident:
    """The incident once it has come to what `due` says."""
    if stage in (OPENED, WORSE):
        return replace(incident, told=incident.severity)
    return replace(incident, closed_at=at)


def quiet(bursts: int) -> timedelta:
    """How long an incident that began so often has to be quiet until it is over."""
    doublings: int = min(bursts - 1, 10)
    return min(QUIET * (1 << doublings), MOST_QUIET)


def calmed(incidents: Iterable[Incident], signals: Iterable[Signal], at: datetime) -> list[Signal]:
    """Signals that all is well, for incidents of whose keys nobody said anything.

    Args:
        incidents: open ones, of kinds that were looked at as a whole.
        signals: all that was noticed.
        at: the moment of the look.
    """
    noticed = {signal.key for signal in signals}
    return [
        Signal(each.key, each.kind, each.title, at, firing=False)
        for each in incidents
        if each.firing and each.key not in noticed
    ]


def _begin(signal: Signal, before: Incident | None) -> Incident:
    remembered = before is not None and before.closed_at is not None and signal.at < before.closed_at + MEMORY
    told = f"{signal.key} {signal.at.isoformat()}"
    return Incident(
        id=hashlib.sha256(told.encode()).hexdigest()[:8],
        key=signal.key,
        kind=signal.kind,
        title=signal.title,
        severity=signal.severity,
        settled=signal.settled,
        link=signal.link,
        runbook=signal.runbook,
        lines=(signal.line,) if signal.line else (),
        omitted=0,
        pairs=tuple(sorted(set(signal.pairs))),
        opened_at=signal.at,
        changed_at=signal.at,
        seen_at=signal.at,
        bursts=before.bursts + 1 if before is not None and remembered else 1,
    )


def _merged(incident: Incident, signal: Signal) -> Incident:
    """The incident with what a signal tells, however old that is."""
    worse = _rank(signal.severity) > _rank(incident.severity)
    new = bool(signal.line) and signal.line not in incident.lines
    room = len(incident.lines) < MOST_LINES
    return replace(
        incident,
        title=signal.title if worse else incident.title,
        severity=signal.severity if worse else incident.severity,
        settled=incident.settled or signal.settled,
        link=incident.link or signal.link,
        runbook=incident.runbook or signal.runbook,
        lines=(*incident.lines, signal.line) if new and room else incident.lines,
        omitted=incident.omitted + (new and not room),
        pairs=tuple(sorted({*incident.pairs, *signal.pairs})),
    )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity)
