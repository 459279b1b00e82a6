"""What is true of monitoring, runbooks and improvement: read from what they leave behind.

Each function looks for some names: of values, pictures, pages, kinds of reports, folders of the bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, cast

from include.monitoring.steps import PROVIDED, SCOREBOARD
from include.objects import ObjectStore
from include.plan import drills
from include.plan.proof import Proof
from include.reports import Reports
from include.storage.connection import Connection, exists, statement

__all__ = ["board", "drawn", "drilled", "fired", "kept", "measured", "provided", "reported", "retrained"]


class Look(Protocol):
    """Where to look."""

    connection: Connection
    reports: Reports
    bucket: ObjectStore | None


def measured(look: Look, names: Sequence[str]) -> Proof:
    """The newest value of each of some monitored values is known; the scoreboard is told beside them."""
    found: dict[str, float | None] = {}
    if exists(look.connection, "monitor_latest"):
        rows = look.connection.execute(statement("plan/read_values"), {"names": list(names)})
        found = {str(name): None if value is None else float(str(value)) for name, value in rows}
    known = [name for name in names if found.get(name) is not None]
    told = ", ".join(f"{name} {found[name]:.4g}" for name in known)
    text = f"{len(known)} of {len(names)} values are published{f': {told}' if told else ''}"
    absent = tuple(name for name in names if name not in known)
    return Proof(not absent, bool(known), f"{text}{board(look.bucket)}", absent)


def board(bucket: ObjectStore | None) -> str:
    """The scoreboard of the newest run of the monitor in words; empty if there is none."""
    document = _document(bucket, SCOREBOARD)
    lines = document.get("lines", [])
    return "".join(f"; {line['name']}: {line['state']}" for line in lines)


def drawn(look: Look, names: Sequence[str]) -> Proof:
    """Dashboards are in CloudWatch, and the newest run of the monitor has drawn them."""
    boards = [name.rpartition("-")[2] for name in _document(look.bucket, PROVIDED).get("dashboards", ())]
    run = look.reports.newest("monitoring")
    pictures = look.reports.names("monitoring", run) if run else set()
    absent = [name for name in names if name not in boards or f"{name}.png" not in pictures]
    there = [name for name in names if name not in absent]
    link = look.reports.link("monitoring", run, "index.html") if run and there else ""
    text = f"{len(there)} of {len(names)} dashboards are in CloudWatch and drawn"
    return Proof(not absent, bool(there), text, tuple(absent), link)


def provided(look: Look, _: Sequence[str]) -> Proof:
    """Every declared alarm is in CloudWatch, and bqx_alert reads them."""
    _, declared = drills.declaration()
    there = len(_document(look.bucket, PROVIDED).get("alarms", ()))
    looked = None
    if exists(look.connection, "alert_round"):
        row = look.connection.execute("SELECT looked_at FROM bqx.alert_round").fetchone()
        looked = cast(datetime, row[0]) if row else None
    told = (
        f"bqx_alert looks at them since {looked:%Y-%m-%d} or before" if looked else "nobody is told of them"
    )
    missing = ("alarms in CloudWatch",) * (there != declared) + ("bqx_alert",) * (looked is None)
    text = f"{there} of {declared} alarms are in CloudWatch; {told}"
    return Proof(not missing, there > 0, text, missing)


def fired(look: Look, _: Sequence[str]) -> Proof:
    """Every alarm was fired by values of its metric, with the present declaration."""
    (now, declared), known = drills.declaration(), drills.read()
    current = known.declaration == now
    about = "as declared now" if current else "as declared before"
    text = f"{known.fired} of {declared} alarms fired by values of their metrics, {about}"
    done = current and known.fired == declared
    return Proof(done, known.fired > 0, text, () if done else ("make drill",))


def drilled(look: Look, names: Sequence[str]) -> Proof:
    """Some runbooks were drilled as they are now."""
    known = drills.read()
    there = [name for name in names if known.holds(name)]
    days = "".join(f", {name} on {known.pages[name].day}" for name in there)
    absent = tuple(name for name in names if name not in there)
    return Proof(not absent, bool(there), f"{len(there)} of {len(names)} runbooks drilled{days}", absent)


def retrained(look: Look, _: Sequence[str]) -> Proof:
    """A run of bqx_retrain has ended with a decision."""
    if not exists(look.connection, "retrainings"):
        return Proof(False, False, "no retraining has begun yet", ("a decision",))
    row = look.connection.execute(statement("plan/count_retrainings")).fetchone()
    runs, decided, report = cast("tuple[int, int, str | None]", row)
    text = f"{decided} of {runs} retrainings ended with a decision"
    return Proof(decided > 0, runs > 0, text, () if decided else ("a decision",), report or "")


def reported(look: Look, kinds: Sequence[str]) -> Proof:
    """There is a report of each of some kinds."""
    runs = {kind: look.reports.newest(kind) for kind in kinds}
    absent = tuple(kind for kind, run in runs.items() if run is None)
    link = next((look.reports.link(kind, run, "index.html") for kind, run in runs.items() if run), "")
    told = ", ".join(f"{kind} {run}" for kind, run in runs.items() if run) or "no report yet"
    return Proof(not absent, len(absent) < len(kinds), told, absent, link)


def kept(look: Look, folders: Sequence[str]) -> Proof:
    """There are objects in each of some folders of the bucket."""
    counts = {
        folder: sum(1 for _ in look.bucket.list(folder)) if look.bucket is not None else 0
        for folder in folders
    }
    absent = tuple(folder for folder, count in counts.items() if not count)
    text = ", ".join(f"{count:,} objects in {folder}" for folder, count in counts.items())
    return Proof(not absent, len(absent) < len(folders), text, absent)


def _document(bucket: ObjectStore | None, key: str) -> Mapping[str, Any]:
    content = bucket.get(key) if bucket is not None else None
    document: Mapping[str, Any] = json.loads(content) if content else {}
    return document
