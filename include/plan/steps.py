"""What the DAG does, one function per task: preflight, read, analyse, apply, verify, report.

Whatever one task leaves for another is on S3 below the run's folder, so workers need not share a disk. Each
step can be run again: reading starts anew, and what is written already is not written twice.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from include import pages
from include.errors import MissingInput, NothingToDo, PlanFailed, PlanRefused
from include.objects import ObjectStore
from include.plan import apply as applying
from include.plan import arithmetic, consistency, encode, gaps
from include.plan import report as reporting
from include.plan.airtable import Base
from include.plan.differences import KINDS, PARENTS, Analysis
from include.plan.live import TABLES, Record, Snapshot
from include.plan.model import DESIRED, Plan, load
from include.plan.report import Carried, Report
from include.reports import Reports

log = logging.getLogger(__name__)

BEFORE, ANALYSIS, APPLIED, AFTER = "before.json", "analysis.json", "applied.json", "after.json"
PAGE, TEXT = "plan.html", "plan.md"
KIND = "plan"  # of the reports, see `include.reports.KINDS`
_SHOWN = 5


def preflight(base: Base, *, desired: Path = DESIRED) -> dict[str, Any]:
    """Check that the plan can be read, and that token and base, tables, fields and options fit it.

    Returns:
        Plain values: ``items`` of the plan, ``records`` by table, ``schema`` ("read" or "guessed").

    Raises:
        PlanRefused: something does not fit; lists everything that does not. Nothing was written.
        AirtableUnavailable: there was no answer.
    """
    plan = load(desired)
    base.check()
    snapshot = base.snapshot(TABLES)
    encode.check(plan, snapshot)
    guessed = any(table.inferred for table in snapshot.tables.values())
    return {
        "items": len(plan.items),
        "records": {name: len(table.records) for name, table in snapshot.tables.items()},
        "schema": "guessed from the records, the token may not read it" if guessed else "read",
    }


def read(base: Base, store: ObjectStore, run_label: str, *, desired: Path = DESIRED) -> str:
    """Read every page of the tables, and keep what the plan is compared with.

    Returns:
        Key of the snapshot.
    """
    store.delete([_key(store, run_label, name) for name in (ANALYSIS, APPLIED, AFTER)])
    snapshot = _trimmed(base.snapshot(TABLES), load(desired))
    return _put(store, run_label, BEFORE, snapshot.to_json())


def analyse(
    store: ObjectStore, run_label: str, reports: Reports, *, desired: Path = DESIRED
) -> dict[str, Any]:
    """List the gaps and the changes that close them, and write the report.

    Returns:
        Plain values: ``changes``, and of them ``create`` and ``update`` ("1 phase, 12 stages ..."); ``gaps``
        by kind; ``decisions`` needed; ``checks`` and those that stop the run (``off``), by name; ``report``
        (link) and ``page`` (Markdown, for the approval).
    """
    plan, before = load(desired), _snapshot(store, run_label, BEFORE)
    analysis = gaps.analyse(plan, before)
    _put(store, run_label, ANALYSIS, analysis.to_json())
    after = consistency.projected(before, analysis.changes)
    made = Report(plan, before, analysis, _checks(plan, after), run_label)
    link = _write(made, reports)
    counts = Counter(gap.kind for gap in analysis.gaps)
    return {
        "changes": len(analysis.changes),
        "create": sum(change.action == "create" for change in analysis.changes),
        "update": sum(change.action == "update" for change in analysis.changes),
        "gaps": {kind: counts[kind] for kind in KINDS},
        "decisions": len(analysis.blocking),
        "checks": len(made.checks),
        # A key that is there twice is left alone; it fails the run at its end and stops no other record.
        "off": [check.name for check in made.wrong if check.name != consistency.TWICE],
        "report": link,
        "page": reporting.page(made, where=link),
    }


def decide(found: Mapping[str, Any], *, dry_run: bool) -> None:
    """Whether the changes that `analyse` found are to be written.

    Raises:
        PlanRefused: the plan does not add up; nothing was written.
        NothingToDo: it is a dry run, or Airtable is up to date.
    """
    if found["off"] and not dry_run:
        raise PlanRefused(
            f"The plan does not add up: {', '.join(found['off'])}. {found['report']} says which numbers; "
            "mend them in include/plan/desired. Nothing was written."
        )
    if dry_run or not found["changes"]:
        raise NothingToDo("Dry run: see the report." if found["changes"] else "Airtable is up to date.")


def apply(base: Base, store: ObjectStore, run_label: str) -> dict[str, Any]:
    """Write what was analysed, and nothing else, each batch read back.

    Returns:
        Plain values: ``created``, ``updated``, and ``present``: what an earlier try had written.

    Raises:
        PlanFailed: some records were not written; the others were.
        PlanRefused, AirtableUnavailable: see `include.plan.apply.apply`; run this step again.
    """
    analysis = _analysis(store, run_label)
    kept: dict[str, Any] = {"created": 0, "updated": 0, "failed": [], "finished": False}
    _put(store, run_label, APPLIED, json.dumps(kept))  # should this be interrupted, the report says so
    applied = applying.apply(base, analysis.changes, _snapshot(store, run_label, BEFORE))
    actions = Counter(change.action for change in (*applied.created, *applied.updated, *applied.present))
    failed = [(change.table, change.key, reason) for change, reason in applied.failed]
    kept |= {"created": actions["create"], "updated": actions["update"], "failed": failed, "finished": True}
    _put(store, run_label, APPLIED, json.dumps(kept))
    if failed:
        raise PlanFailed(
            f"{len(failed)} of {len(analysis.changes)} records were not written, the others were:\n"
            + _listed([f"{table} {key!r}: {reason}" for table, key, reason in failed])
        )
    return {
        "created": len(applied.created),
        "updated": len(applied.updated),
        "present": len(applied.present),
    }


def verify(base: Base, store: ObjectStore, run_label: str, *, desired: Path = DESIRED) -> dict[str, Any]:
    """Read everything once more: a further run must have nothing to write, and the plan must add up.

    Returns:
        Plain values: ``records`` by table, ``checks``.

    Raises:
        PlanFailed: something is left to write, or does not add up.
    """
    plan = load(desired)
    after = _trimmed(base.snapshot(TABLES), plan)
    _put(store, run_label, AFTER, after.to_json())
    changes, checks = gaps.analyse(plan, after).changes, _checks(plan, after)
    wrong = [f"{check.name}: planned {check.wanted}, is {check.found} ({check.explanation})"
             for check in checks if not check.ok]  # fmt: skip
    if wrong:  # changes that are left are among them
        left = [f"{change.action} {change.table} {change.key!r}" for change in changes]
        edited = "Somebody may have edited the base meanwhile: run bqx_plan again.\n" if changes else "\n"
        raise PlanFailed(
            f"After the update {len(changes)} changes are left and {len(wrong)} checks do not hold. {edited}"
            + _listed([*left, *wrong])
        )
    records = {name: len(table.records) for name, table in after.tables.items()}
    return {"records": records, "checks": len(checks)}


def report(
    store: ObjectStore, run_label: str, reports: Reports, *, desired: Path = DESIRED
) -> dict[str, Any]:
    """Write the final report; fail if a person has to decide something.

    Returns:
        Plain values: ``summary`` (few plain lines, before and after), ``report`` (link).

    Raises:
        PlanFailed: a managed record is ambiguous or in the way of another, and no decision says what to do.
    """
    plan, before = load(desired), _snapshot(store, run_label, BEFORE)
    analysis, applied = _analysis(store, run_label), store.get(_key(store, run_label, APPLIED))
    after = _snapshot(store, run_label, AFTER) if store.get(_key(store, run_label, AFTER)) else None
    carried = None
    if applied is not None:
        kept = json.loads(applied)
        failed = tuple((table, key, reason) for table, key, reason in kept["failed"])
        left = None if after is None else len(gaps.analyse(plan, after).changes)
        carried = Carried(kept["created"], kept["updated"], failed, left, kept["finished"])
    now = after or consistency.projected(before, analysis.changes)
    made = Report(plan, before, analysis, _checks(plan, now), run_label, carried, after)
    link = _write(made, reports)
    if analysis.blocking:
        names = [f"{gap.table} {gap.key!r}, {gap.kind}: {gap.note}" for gap in analysis.blocking]
        raise PlanFailed(
            f"{len(names)} records need a decision, see {link}. Settle them in Airtable or in decisions.yaml "
            f"of the plan, and run bqx_plan again.\n{_listed(names)}"
        )
    return {"summary": reporting.summary(made), "report": link}


def _checks(plan: Plan, base: Snapshot) -> tuple[arithmetic.Check, ...]:
    return (*arithmetic.check(plan.desired), *consistency.check(plan, base))


def _trimmed(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Without the values of fields that the plan does not compare: they are nobody's business here."""
    tables = {}
    for name, table in snapshot.tables.items():
        used = {table.primary, PARENTS.get(name, ("",))[0]}
        for item in plan.items:
            if item.table == name:
                used |= {*item.fields, *item.blocks, *item.links}
        records = tuple(
            Record(one.id, one.table, {key: value for key, value in one.fields.items() if key in used})
            for one in table.records
        )
        tables[name] = replace(table, records=records)
    return Snapshot(tables)


def _write(made: Report, reports: Reports) -> str:
    """The pages and pictures; returns the link of the HTML page."""
    pictures = reporting.pictures(made.plan.desired)
    files = {PAGE: reporting.html(made, pictures), TEXT: reporting.markdown(made)}
    log.info("%s", reporting.summary(made).replace("\n", ". "))
    return reports.write(KIND, made.run, {**files, **pictures})[PAGE]


def _key(store: ObjectStore, run_label: str, name: str) -> str:
    return store.key(pages.file_name(run_label), name)


def _put(store: ObjectStore, run_label: str, name: str, content: str | bytes) -> str:
    key = _key(store, run_label, name)
    body = content.encode() if isinstance(content, str) else content
    store.put(key, body)
    return key


def _get(store: ObjectStore, run_label: str, name: str) -> bytes:
    key = _key(store, run_label, name)
    if (body := store.get(key)) is None:
        raise MissingInput(
            f"There is no {key} in bucket {store.bucket}: the step that writes it did not finish, or it was "
            "removed. Start bqx_plan again."
        )
    return body


def _snapshot(store: ObjectStore, run_label: str, name: str) -> Snapshot:
    return Snapshot.of(_get(store, run_label, name))


def _analysis(store: ObjectStore, run_label: str) -> Analysis:
    return Analysis.from_json(_get(store, run_label, ANALYSIS))


def _listed(lines: list[str]) -> str:
    more = [f"... and {len(lines) - _SHOWN} more, see the report"] if len(lines) > _SHOWN else []
    return "\n".join(f"- {line}" for line in [*lines[:_SHOWN], *more])
