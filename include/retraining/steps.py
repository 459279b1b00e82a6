"""The tasks of the DAG bqx_retrain: one function each, plain values in and out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from include.alerts import policy
from include.alerts import store as alerts
from include.alerts.policy import Signal
from include.build.freshness import check_freshness, describe
from include.dataset.frame import default_id
from include.errors import Incomplete, MissingInput, NothingToDo
from include.features.catalogue import STORED
from include.forms import DATASET_PARAMS, ENDPOINT_PARAMS, FEATURE_PARAMS, TRAINING_PARAMS
from include.monitoring.retrainings import DECIDED, FAILED, NOTHING
from include.monitoring.triggers import QUIET_DAYS
from include.names import Month, months_between, to_datetime, to_minute
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.retraining import comparison, log, page
from include.retraining.comparison import Task
from include.retraining.rules import DEPLOY, REVIEW
from include.serving import clock, routing
from include.serving.planning import DEPLOY as DEPLOYING
from include.serving.routing import Target
from include.storage.bars import range_of_bars
from include.storage.connection import Connection, connect
from include.storage.ownership import foreign_columns
from include.storage.partitions import ensure_month
from include.storage.schema import columns_of
from include.storage.tables import PREDICTIONS, SHARED, table_of
from include.training.choice import record

__all__ = [
    "KIND", "begin", "candidates", "coming", "compare", "conclude", "decide", "plan", "select", "stale",
    "to_deploy",
]  # fmt: skip

logger = logging.getLogger(__name__)

KIND = "retraining"  # of reports
DAY = 1440  # minutes
COMING = 2  # months after the present one whose partitions are made
DRIFT = "asset_triggered"  # kind of a run that a drift has started

Plain = dict[str, Any]


def begin(url: str, run: str, kind: str) -> None:
    """Note that a run has begun, so that one which ends nowhere counts as a failure."""
    with connect(url) as connection:
        log.begin(connection, run, kind)


def plan(url: str, params: Mapping[str, Any], mode: str, run: str, kind: str, label: str) -> Plain:
    """Decide whether there is a cycle to decide, and what its phases are asked for.

    Args:
        url: libpq connection string.
        params: those of the form.
        mode: see `include.serving.clock.as_of`.
        run: of the DAG.
        kind: how it was started: ``scheduled``, ``manual``, ``asset_triggered`` ...
        label: run of the phases, from which the data set has its name.

    Returns:
        Plain values for the other tasks; under ``features``, ``dataset`` and ``train`` params of these DAGs.

    Raises:
        NothingToDo: the data have been decided about, or a drift came too soon after a decision.
        MissingInput: a pair has no bars.
    """
    with connect(url) as connection:
        moment = clock.as_of(connection, mode)
        first, last = _limits(connection, params["pairs"])
        cycle = log.claim(connection, run, moment, min(last + 1, moment) // DAY * DAY)
        if why := _too_soon(log.last_decided(connection, run), cycle, kind):
            log.conclude(connection, run, NOTHING, why)
            raise NothingToDo(why)
    start = max(-(-first // DAY) * DAY, cycle.end - params["history_days"] * DAY)
    days = {"first_day": _day(start), "end_day": _day(cycle.end)}
    dataset_id = default_id(start, cycle.end, label)
    return {
        "run": run,
        "kind": kind,
        "pairs": params["pairs"],
        "start": start,
        "end": cycle.end,
        "as_of": to_datetime(cycle.as_of).isoformat(),
        "dataset_id": dataset_id,
        "holdout_days": params["holdout_days"],
        "least_days": params["least_days"],
        # Without an id of its own a data set is removed when newer ones are there.
        "dataset": _of(DATASET_PARAMS, params) | days | {"dataset_id": None},
        "train": _of(TRAINING_PARAMS, params) | {"dataset_id": dataset_id},
        "deploy": _of(ENDPOINT_PARAMS, params) | {"action": DEPLOYING, "ask": False},
    }


def coming(url: str, planned: Plain) -> Plain:
    """Make the partitions of the coming months of all tables of ours that are there.

    Returns:
        ``made``, how many.
    """
    month = Month.of_minute(to_minute(datetime.fromisoformat(planned["as_of"])))
    months = [month := month.next for _ in range(COMING)]
    families = ("m1", "bqx", *STORED, PREDICTIONS)
    tables = [table_of(SHARED, ""), *(table_of(name, pair) for pair in planned["pairs"] for name in families)]
    with connect(url) as connection:
        there = [table for table in tables if columns_of(connection, table.name)]
        foreign = foreign_columns(connection, there)
        ours = [table.name for table in there if table.name not in foreign]
        made = sum(ensure_month(connection, name, month) for name in ours for month in months)
    return {"made": made, "months": [str(month) for month in months]}


def stale(url: str, planned: Plain) -> Plain:
    """The months whose features are to be built: new ones, and those whose bars were corrected.

    Returns:
        Params of bqx_features.

    Raises:
        NothingToDo: there are none.
    """
    months = [str(month) for month in months_between(planned["start"], planned["end"] - 1)]
    found = check_freshness(url, planned["pairs"], STORED, months).stale
    if not found:
        raise NothingToDo(f"The features of all {len(months)} months are right.")
    logger.info(describe(found))
    defaults = {name: schema["default"] for name, schema in FEATURE_PARAMS.items()}
    wanted = sorted({each.month for each in found if each.month}) or months
    return defaults | {"pairs": planned["pairs"], "months": wanted}


def candidates(bucket: ObjectStore, planned: Plain) -> Plain:
    """Who serves each pair, and which decision of this cycle challenges it.

    Returns:
        By pair ``champion``, as the routing table has it, and ``challenger``, key of the decision; or None.
    """
    table = routing.read(bucket)
    found = {}
    for pair in planned["pairs"]:
        newest = record.current(bucket, pair)
        of_cycle = newest is not None and newest.content["dataset_id"] == planned["dataset_id"]
        found[pair] = {
            "champion": table.pairs[pair].champion.to_dict() if pair in table.pairs else None,
            "challenger": newest.key if newest is not None and of_cycle else None,
        }
    return found


def select(planned: Plain) -> list[str]:
    """The pairs to compare."""
    return list(planned["pairs"])


def compare(url: str, bucket: ObjectStore, planned: Plain, found: Plain, pair: str) -> Plain:
    """Compare champion and challenger of a pair; see `include.retraining.comparison.compare`."""
    told = found[pair]
    task = Task(
        pair=pair,
        dataset_id=planned["dataset_id"],
        end=planned["end"],
        days=planned["holdout_days"],
        least_days=planned["least_days"],
        champion=None if told["champion"] is None else Target.of(told["champion"]),
        challenger=told["challenger"],
    )
    return comparison.compare(url, bucket, task)


def decide(reports: Reports, planned: Plain, compared: Iterable[Plain | None] | None) -> Plain:
    """Write the page, and sort the pairs by what becomes of them.

    Returns:
        ``deploy`` and ``review``, params of bqx_deploy, None where there is no such pair; ``question``;
        ``report``; ``summary`` and ``lines``; ``absent`` pairs.
    """
    told = sorted(
        (each for each in compared or () if each), key=lambda each: planned["pairs"].index(each["pair"])
    )
    absent = [pair for pair in planned["pairs"] if pair not in {each["pair"] for each in told}]
    summary = page.summary(told, absent)
    title = f"Retraining on data until {_day(planned['end'])}"
    link = reports.write(KIND, planned["run"], {INDEX: page.draw(told, title, summary)})[INDEX]
    return {
        "deploy": _deployment(planned, told, DEPLOY),
        "review": _deployment(planned, told, REVIEW),
        "subject": f"{title}: {sum(each['outcome'] == REVIEW for each in told)} pairs to review",
        "question": page.question(told, link),
        "report": link,
        "summary": summary,
        "lines": page.lines(told),
        "absent": absent,
    }


def to_deploy(decided: Plain, which: str) -> Plain:
    """Params of bqx_deploy.

    Args:
        decided: what `decide` returned.
        which: ``deploy`` or ``review``.

    Raises:
        NothingToDo: there is no such pair.
    """
    if decided[which] is None:
        raise NothingToDo(f"There is no pair to {which}.")
    found: Plain = decided[which]
    return found


def conclude(
    url: str, run: str, planned: Plain | None, decided: Plain | None, failed: Sequence[str]
) -> Plain:
    """End a run: keep how it ended, and tell people.

    Args:
        url: libpq connection string.
        run: of the DAG.
        planned: what `plan` returned; None if it did not end, or there was nothing to do.
        decided: what `decide` returned; None if it did not end.
        failed: tasks of the run that failed.

    Raises:
        NothingToDo: there was nothing to do.
        Incomplete: the run did not reach a decision about all pairs, or a deployment failed.
    """
    if planned is None and not failed:
        raise NothingToDo("There was nothing to do in this run.")
    absent = decided["absent"] if decided else []
    why = _trouble(failed, absent)
    summary = f"{decided['summary'] if decided else 'There is no decision.'} {why}".strip()
    report = decided["report"] if decided else ""
    with connect(url) as connection:
        log.conclude(connection, run, FAILED if why else DECIDED, summary, report)
        if not why and planned is not None and decided is not None:
            alerts.ensure_tables(connection)
            alerts.note(connection, _told(planned, decided))
    if why:
        raise Incomplete(
            f"{why} Open these tasks, mend the cause and clear them with downstream: what is done is not "
            "done again, and this task then says how it ended."
        )
    return {"state": DECIDED, "summary": summary, "report": report}


def _limits(connection: Connection, pairs: Sequence[str]) -> tuple[int, int]:
    """What the bars of all pairs reach: first and last minute."""
    found = {pair: range_of_bars(connection, pair) for pair in pairs}
    if empty := [pair for pair, limits in found.items() if limits is None]:
        raise MissingInput(f"{', '.join(empty)}: there are no bars. Load them first (DAG bqx_load).")
    known = [limits for limits in found.values() if limits is not None]
    return max(first for first, _ in known), min(last for _, last in known)


def _too_soon(before: log.Cycle | None, cycle: log.Cycle, kind: str) -> str:
    """Why nothing is to be done; empty if something is."""
    if before is None:
        return ""
    if cycle.end <= before.end:
        return (
            f"Run {before.run} has decided about the data until {_day(before.end)}; there are no newer ones."
        )
    if kind == DRIFT and cycle.end < before.end + QUIET_DAYS * DAY:
        return (
            f"Run {before.run} has decided about the data until {_day(before.end)}. A drift asks for a "
            f"retraining again when there are {QUIET_DAYS} days more."
        )
    return ""


def _of(forms: Mapping[str, Any], params: Mapping[str, Any]) -> Plain:
    """The params of a phase, for the same pairs."""
    known = {name: params.get(name, schema["default"]) for name, schema in forms.items()}
    return known | {"pairs": params["pairs"], "dry_run": False}


def _deployment(planned: Plain, told: Sequence[Plain], outcome: str) -> Plain | None:
    versions = {each["pair"]: each["challenger"] for each in told if each["outcome"] == outcome}
    return planned["deploy"] | {"pairs": list(versions), "versions": versions} if versions else None


def _trouble(failed: Sequence[str], absent: Sequence[str]) -> str:
    parts = [
        f"Tasks failed: {', '.join(failed)}." if failed else "",
        f"Not compared: {', '.join(absent)}." if absent else "",
    ]
    return " ".join(part for part in parts if part)


def _told(planned: Plain, decided: Plain) -> list[Signal]:
    """The report that people get by mail, a line for each reason."""
    whole = Signal(
        key=f"retraining/{planned['run']}",
        kind=policy.REPORT,
        title=f"Retraining on data until {_day(planned['end'])}: {decided['summary']}",
        at=datetime.now(UTC),
        severity=policy.INFORMATION,
        link=decided["report"],
        runbook="retraining.md",
    )
    return [replace(whole, line=line) for line in decided["lines"]]


def _day(minute: int) -> str:
    return f"{to_datetime(minute):%Y-%m-%d}"
