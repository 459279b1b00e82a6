"""Incidents and messages in PostgreSQL: the outbox that nothing is lost from.

A message is queued in the transaction that changes its incident, and marked in the one in which it was sent.
So a process that dies in between sends it once more, and never not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, cast

from psycopg.rows import dict_row

from include.alerts.policy import DROPPED, EXPIRED, Incident, Signal, after, apply, due
from include.events import outbox
from include.storage.connection import Connection, exists, statement

LAG = timedelta(minutes=5)  # what is older than the last look by this is known; clocks and commits differ
FARTHEST = timedelta(days=1)  # an alerting that was off for longer tells nothing older
PATIENCE = 3  # messages refused in a row until a channel is left alone
_CREATE_LOCK, _ROUND_LOCK = "bqx: create the alerts", "bqx: alerts"


@dataclass(frozen=True)
class Message:
    """What people are told.

    Attributes:
        alert_id: id of the incident.
        stage: opened, worse or resolved.
        severity: of the incident.
        subject: at most 99 ASCII characters.
        body: plain text.
        html: the same for a mail.
    """

    alert_id: str
    stage: str
    severity: str
    subject: str
    body: str
    html: str


class Channel(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str:
        """Of the channel, in the table of messages."""
        ...

    def send(self, message: Message) -> None:
        """Send a message once; any exception means that it may not have been taken."""
        ...


class Delivery(NamedTuple):
    """What became of the messages.

    Attributes:
        sent: taken by their channels now.
        waiting: still queued for these channels.
        oldest: since when the oldest of those waits.
        problems: why, by channel.
    """

    sent: int
    waiting: int
    oldest: datetime | None
    problems: dict[str, str]


def ensure_tables(connection: Connection) -> None:
    """Make the tables unless they are there; several sessions may call this at once."""
    outbox.ensure_table(connection)
    if exists(connection, "alerts", "messages", "alert_round"):
        return
    with connection.transaction():
        _lock(connection, _CREATE_LOCK)
        connection.execute(statement("alerts/create_tables"))


def note(connection: Connection, signals: Iterable[Signal]) -> None:
    """Apply signals to the incidents, in the order in which things happened.

    Args:
        connection: to the database.
        signals: what was noticed; of any keys.
    """
    ordered = sorted(signals, key=lambda signal: signal.at)
    with connection.transaction():
        _lock(connection, _ROUND_LOCK)
        incidents = {each.key: each for each in open_incidents(connection)}
        before = _last_closed(connection, sorted({signal.key for signal in ordered}))
        changed: dict[str, Incident] = {}
        for signal in ordered:
            found = apply(signal, incidents.get(signal.key), before.get(signal.key))
            if found is not None and found != incidents.get(signal.key):
                incidents[signal.key] = changed[signal.key] = found
        for incident in changed.values():
            _write(connection, incident)


def queue(
    connection: Connection,
    channels: Sequence[str],
    at: datetime,
    render: Callable[[Incident, str, datetime], Message],
) -> list[Message]:
    """Queue the messages that are due, and close what is over.

    Args:
        connection: to the database.
        channels: names of those that messages go to.
        at: now, UTC.
        render: makes the message of an incident at a stage.

    Returns:
        The messages, each once.
    """
    queued = []
    with connection.transaction():
        _lock(connection, _ROUND_LOCK)
        for incident in open_incidents(connection):
            stage = due(incident, at)
            if stage is None:
                continue
            _write(connection, after(incident, stage, at))
            if stage not in (DROPPED, EXPIRED):
                message = render(incident, stage, at)
                queued.append(message)
                for channel in channels:
                    values = asdict(message) | {"channel": channel, "queued_at": at}
                    connection.execute(statement("alerts/queue_message"), values)
    return queued


def deliver(connection: Connection, channels: Sequence[Channel], at: datetime) -> Delivery:
    """Send what waits. Nothing that goes wrong at a channel is raised: its messages wait for the next time.

    Args:
        connection: to the database.
        channels: all of them; one that is down does not keep the others.
        at: now, UTC.
    """
    sent = 0
    problems: dict[str, str] = {}
    for channel in channels:
        tried: list[int] = []
        refusals = 0
        while refusals < PATIENCE:
            problem = _send_next(connection, channel, tried, at)
            if problem is None:
                break
            sent += not problem
            refusals = refusals + 1 if problem else 0
            if problem:
                problems.setdefault(channel.name, problem)
    names = {"channels": [channel.name for channel in channels]}
    waiting, oldest = connection.execute(statement("alerts/count_waiting"), names).fetchone() or (0, None)
    return Delivery(sent, int(str(waiting)), cast("datetime | None", oldest), problems)


def open_incidents(connection: Connection) -> list[Incident]:
    """Incidents that are not over, oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_incident(row) for row in cursor.execute(statement("alerts/read_open"))]


def failures(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Failures of tasks and runs that callbacks wrote down since a moment, see ``list_failures.sql``."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(statement("alerts/list_failures"), {"since": since}))


def since(connection: Connection, at: datetime) -> datetime:
    """From when on a look at this moment has to look."""
    last = last_round(connection)
    return max((last or at) - LAG, at - FARTHEST)


def last_round(connection: Connection) -> datetime | None:
    """Up to when everything has been seen; None if nobody has looked yet."""
    row = connection.execute("SELECT looked_at FROM bqx.alert_round").fetchone()
    return cast(datetime, row[0]) if row else None


def set_round(connection: Connection, at: datetime) -> None:
    """Note that everything up to a moment has been seen."""
    connection.execute(statement("alerts/set_round"), {"at": at})


def reason(error: Exception) -> str:
    """Why a channel refused: kind of error and code. Its words may hold an address or a password."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    code = code or getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _send_next(connection: Connection, channel: Channel, tried: list[int], at: datetime) -> str | None:
    """Send one message; returns why it was refused, empty if it was not, None if none is left."""
    with connection.transaction():
        values: dict[str, object] = {"channel": channel.name, "tried": tried}
        row = connection.execute(statement("alerts/claim_message"), values).fetchone()
        if row is None:
            return None
        number, *told = row
        tried.append(int(str(number)))
        problem = ""
        try:
            channel.send(Message(*map(str, told)))
        except Exception as error:  # whatever it is, the other channels and the next round go on
            problem = reason(error)
        values = {"message_id": number, "at": at, "problem": problem}
        connection.execute(statement("alerts/mark_refused" if problem else "alerts/mark_sent"), values)
        return problem


def _last_closed(connection: Connection, keys: list[str]) -> dict[str, Incident]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("alerts/read_last_closed"), {"keys": keys})
        return {row["key"]: _incident(row) for row in rows}


def _write(connection: Connection, incident: Incident) -> None:
    values = asdict(incident) | {"lines": list(incident.lines), "pairs": list(incident.pairs)}
    connection.execute(statement("alerts/upsert_alert"), values)


def _incident(row: dict[str, Any]) -> Incident:
    return Incident(**row | {"lines": tuple(row["lines"]), "pairs": tuple(row["pairs"])})


def _lock(connection: Connection, name: str) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
