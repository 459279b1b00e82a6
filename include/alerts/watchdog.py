"""Tells people that Airflow itself is silent: ``python -m include.alerts.watchdog --state FILE``.

It runs outside of Airflow, by the cron of another machine or as a process of its own, for nothing inside can
tell that the scheduler, the API server or the database is gone. So it needs none of them: what it has told is
in a file. Everything that is silent at once is one incident, and its rules are those of `policy`.

Environment: AIRFLOW_API_URL, BQX_DATABASE_URL, BQX_ALERT_TOPIC, BQX_MAIL_TO and BQX_MAIL_FROM with
BQX_SMTP_URL (``smtp://login:password@host:port``, or ``smtps://``; without it mails go through SES),
BQX_DOCS_URL.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from include.alerts import policy
from include.alerts.channels import ONCE, Addresses, Carrier, Mail, Ses, Smtp, Topic
from include.alerts.policy import CRITICAL, PLATFORM, Incident, Signal
from include.alerts.render import message
from include.alerts.store import Channel, Message, last_round, reason
from include.pages import write

log = logging.getLogger(__name__)

LATE = timedelta(minutes=10)  # since the last round of bqx_alert
TIMEOUT = 5  # seconds without an answer
KEY = "platform"
TITLE = "Airflow is silent"


@dataclass(frozen=True)
class Kept:
    """What the watchdog remembers from look to look.

    Attributes:
        current: the incident that is not over.
        before: the last one that is.
        waiting: messages that a channel, named first, has not taken yet.
    """

    current: Incident | None = None
    before: Incident | None = None
    waiting: tuple[tuple[str, Message], ...] = ()


class Memory:
    """What is kept, in a file.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Kept:
        """What was kept last; nothing at first."""
        from pydantic import TypeAdapter

        try:
            return TypeAdapter(Kept).validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Kept()

    def write(self, kept: Kept) -> Kept:
        """Keep something; a reader sees the old or the new."""
        from pydantic import TypeAdapter

        write(self._path, TypeAdapter(Kept).dump_json(kept))
        return kept

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other watchdog has this file, while the block runs."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def look(environment: Mapping[str, str], at: datetime) -> list[str]:
    """What is silent now, a line for each part; nothing if all is well.

    Args:
        environment: AIRFLOW_API_URL and BQX_DATABASE_URL; what is not set is not looked at.
        at: now, UTC.
    """
    found: list[str] = []
    if airflow := environment.get("AIRFLOW_API_URL"):
        found += _silent_components(airflow)
    if database := environment.get("BQX_DATABASE_URL"):
        found += _silent_rounds(database, at)
    return found


def step(kept: Kept, silent: Sequence[str], at: datetime, channels: Sequence[str], docs: str = "") -> Kept:
    """What is kept after a look; messages that became due wait.

    Args:
        kept: after the look before.
        silent: what `look` found.
        at: now, UTC.
        channels: names of the channels.
        docs: address of the folder ``docs/``.
    """
    runbook = "alerts.md#airflow-is-silent"
    for line in silent or ("",):
        signal = Signal(KEY, PLATFORM, TITLE, at, bool(silent), CRITICAL, settled=False, line=line)
        signal = replace(signal, runbook=runbook)
        kept = replace(kept, current=policy.apply(signal, kept.current, kept.before))
    stage = policy.due(kept.current, at) if kept.current is not None else None
    if kept.current is None or stage is None:
        return kept
    done = policy.after(kept.current, stage, at)
    if stage in (policy.OPENED, policy.WORSE, policy.RESOLVED):
        told = message(kept.current, stage, at, docs)
        kept = replace(kept, waiting=(*kept.waiting, *((name, told) for name in channels)))
    if done.closed_at is None:
        return replace(kept, current=done)
    return replace(kept, current=None, before=done)


def send(memory: Memory, kept: Kept, channels: Sequence[Channel]) -> Kept:
    """Send what waits; each message is forgotten once it is sent, and kept where it is not taken."""
    by_name = {channel.name: channel for channel in channels}
    for entry in kept.waiting:
        name, told = entry
        if name not in by_name:
            continue
        try:
            by_name[name].send(told)
        except Exception as error:  # whatever it is, the other channel is tried too
            log.warning("%s was not told of incident %s: %s", name, told.alert_id, reason(error))
        else:
            rest = tuple(other for other in kept.waiting if other != entry)
            kept = memory.write(replace(kept, waiting=rest))
    return kept


def channels_of(environment: Mapping[str, str]) -> list[Channel]:
    """The channels that the environment sets up."""

    def client(service: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(service, config=Config(**ONCE))

    found: list[Channel] = []
    if arn := environment.get("BQX_ALERT_TOPIC"):
        found.append(Topic(client("sns"), arn))
    if to := environment.get("BQX_MAIL_TO"):
        url = environment.get("BQX_SMTP_URL", "")
        carrier: Carrier = _smtp(url) if url else Ses(client("ses"))
        recipients = tuple(each.strip() for each in to.split(",") if each.strip())
        found.append(Mail(carrier, Addresses(environment.get("BQX_MAIL_FROM") or recipients[0], recipients)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Look once, or again and again; returns the exit code: 1 while something is silent."""
    parser = argparse.ArgumentParser(prog="python -m include.alerts.watchdog")
    parser.add_argument("--state", type=Path, help="file of what was told")
    parser.add_argument("--every", type=float, default=0, help="seconds between two looks; 0 looks once")
    options = parser.parse_args(arguments)
    path = options.state or os.environ.get("BQX_WATCHDOG_STATE")
    if not path:
        parser.error("--state or BQX_WATCHDOG_STATE must name a file that stays from look to look")
    memory, channels = Memory(Path(path)), channels_of(os.environ)
    while True:
        silent = _once(memory, channels, datetime.now(UTC))
        if not options.every:
            return int(bool(silent))
        time.sleep(options.every)


def _once(memory: Memory, channels: Sequence[Channel], at: datetime) -> list[str]:
    with memory.alone() as alone:
        if not alone:
            return []
        silent = look(os.environ, at)
        for line in silent:
            log.warning("Silent: %s", line)
        names = [channel.name for channel in channels]
        kept = memory.write(step(memory.read(), silent, at, names, os.environ.get("BQX_DOCS_URL", "")))
        send(memory, kept, channels)
    return silent


def _silent_components(url: str) -> list[str]:
    import requests

    try:
        answer = requests.get(f"{url.rstrip('/')}/api/v2/monitor/health", timeout=TIMEOUT)
        answer.raise_for_status()
        health = answer.json()
    except (requests.RequestException, ValueError) as error:
        return [f"the API server does not answer ({type(error).__name__})"]
    return [f"{name} is not healthy" for name, part in health.items() if part.get("status") == "unhealthy"]


def _silent_rounds(url: str, at: datetime) -> list[str]:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT, options="-c statement_timeout=5000") as connection:
            last = last_round(connection)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return []  # bqx_alert was never switched on here
    except psycopg.Error as error:
        return [f"the database does not answer ({type(error).__name__})"]
    if last is None or at <= last + LATE:
        return []
    return [f"bqx_alert has not run since {last:%Y-%m-%d %H:%M} UTC"]


def _smtp(url: str) -> Smtp:

    parts = urlsplit(url)
    tls = parts.scheme == "smtps"
    return Smtp(
        parts.hostname or "localhost",
        parts.port or (465 if tls else 25),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        tls=tls,
        starttls="starttls=no" not in parts.query,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sys.exit(main())
