"""The report of the plan, to approve and to forward: one HTML page without outside parts, and Markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from include import pages
from include.plan import cost, schedule
from include.plan.arithmetic import Check
from include.plan.differences import Analysis
from include.plan.entries import DOMAINS, Desired
from include.plan.live import TABLES, Snapshot
from include.plan.model import Plan
from include.plan.texts import shown, whole
from include.plan.view import MEANING, View, view_of

GENERATOR = "bqx plan report"
TEMPLATES = {kind: Path(__file__).with_name(f"report.{kind}.j2") for kind in ("html", "md")}
PICTURES = {"timeline.png": "Timeline: phases and stages", "cost.png": "Cost a month, before and after"}
MOST, MOST_LINES = 8, 20  # problems of a kind, and changes, on the page of the approval; the report has all


class Fact(NamedTuple):
    """A number before and after."""

    name: str
    before: str
    after: str
    note: str = ""


class Figure(NamedTuple):
    """A picture: in the page, or beside it."""

    title: str
    uri: str


@dataclass(frozen=True)
class Carried:
    """What became of the changes.

    Attributes:
        created: how many records were created, an earlier try of the same run included.
        updated: how many were updated.
        failed: table, key and reason of those that were not.
        left: changes that a further run would write; None where nobody looked.
        finished: False where writing was interrupted, so that nobody counted.
    """

    created: int = 0
    updated: int = 0
    failed: tuple[tuple[str, str, str], ...] = ()
    left: int | None = None
    finished: bool = True


@dataclass(frozen=True)
class Report:
    """What is reported.

    Attributes:
        plan: what was wanted.
        before: the base before anything was written.
        analysis: what was found in it.
        checks: the plan's arithmetic, before or after.
        run: label of the run.
        carried: what became of the changes; None as long as nothing was written.
        after: the base afterwards; None as long as nothing was written.
    """

    plan: Plan
    before: Snapshot
    analysis: Analysis
    checks: Sequence[Check]
    run: str
    carried: Carried | None = None
    after: Snapshot | None = None
    written: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def wrong(self) -> tuple[Check, ...]:
        """Checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def verdict(self) -> str:
        """The report in a few words: the worst that can be said of it."""
        carried = self.carried or Carried()
        said = (
            (not carried.finished, "interrupted, run again"),
            (carried.failed, f"{pages.counted(len(carried.failed), 'record')} not written"),
            (carried.left, f"{pages.counted(carried.left or 0, 'change')} left"),
            (self.analysis.blocking, f"{pages.counted(len(self.analysis.blocking), 'decision')} needed"),
            (self.wrong, "does not add up"),
            (not self.analysis.changes, "up to date"),
            (self.carried is None, "proposal, nothing written"),
            (carried.left is None, "carried out"),
        )
        return next((words for there, words in said if there), "carried out and verified")

    @property
    def mood(self) -> str:
        """``good``, ``bad`` or ``plain``."""
        if self.verdict.startswith(("carried out", "up to date")):
            return "good"
        return "plain" if self.verdict.startswith("proposal") else "bad"

    def headline(self, view: View) -> str:
        """What is to be done, or was done, in two sentences."""
        rest = f"{pages.counted(view.records_left, 'record')} reported and left alone."
        if self.carried and not self.carried.finished:
            changes = pages.counted(len(self.analysis.changes), "change")
            return f"Writing was interrupted: some of {changes} may have been made."
        if self.carried:
            created = pages.counted(self.carried.created, "record")
            return f"{created} created, {self.carried.updated:,} updated. {rest}"
        if not self.analysis.changes:
            return f"The base holds what the plan wants: nothing to write. {rest}"
        return f"To create: {view.creations}. To update: {view.edits}. {rest} Nothing was written so far."

    def facts(self) -> list[Fact]:
        """The plan before and after."""
        desired = self.plan.desired
        numbers, times = desired.numbers, schedule.timeline(desired)
        before, after = cost.bill(desired)
        wall = f"{shown(numbers['wall_before'])} h", f"{whole(times.wall)} h"
        saved = f"{cost.saving(desired):.1f}% less, budget ${shown(numbers['cost_budget'])}"
        domains = (f"{shown(numbers[f'features_{name}'])} {name}" for name in DOMAINS)
        tasks = [item for item in self.plan.items if item.table == "Tasks"]
        hours = sum(float(item.fields.get("Estimated Hours", 0)) for item in tasks)
        planned = f"{len(tasks)} of the plan, {shown(hours)} h of work"
        return [
            Fact("Wall time", *wall, "phases one after the other, their stages in parallel"),
            Fact("Cost a month", f"${before:,.0f}", f"${after:,.0f}", saved),
            Fact("Features", "", shown(numbers["features"]), ", ".join(domains)),
            self._records("Phases"),
            self._records("Stages"),
            self._records("Tasks")._replace(note=planned),
        ]

    def _records(self, table: str) -> Fact:
        before = len(self.before.tables[table].records)
        created = sum(c.table == table and c.action == "create" for c in self.analysis.changes)
        updated = sum(c.table == table and c.action == "update" for c in self.analysis.changes)
        after = len(self.after.tables[table].records) if self.after else before + created
        note = f"{created} new, {updated} brought up to date" if created or updated else "as they are"
        return Fact(f"{table} in Airtable", f"{before:,}" if before != after else "", f"{after:,}", note)


def pictures(desired: Desired) -> dict[str, bytes]:
    """The pictures of the report as PNG, by file name."""
    from include import charts
    from include.plan import figures  # with matplotlib: only who draws waits for it

    return {
        "timeline.png": charts.png(figures.gantt(desired)),
        "cost.png": charts.png(figures.cost(desired)),
    }


def html(report: Report, drawn: Mapping[str, bytes]) -> str:
    """The whole report as one page, with the pictures in it."""
    figures = [Figure(title, _uri(drawn[name])) for name, title in PICTURES.items()]
    return _render("html", report, figures=figures)


def markdown(report: Report) -> str:
    """The whole report as text, with links to the pictures beside it."""
    figures = [Figure(title, name) for name, title in PICTURES.items()]
    return _render("md", report, figures=figures, brief=False, most=None, most_lines=None, where="")


def page(report: Report, *, where: str = "") -> str:
    """The page of the approval, Markdown: what matters, the rest in numbers.

    Args:
        report: what is to be approved.
        where: where the whole report is: a link or a path.
    """
    return _render("md", report, figures=(), brief=True, most=MOST, most_lines=MOST_LINES, where=where)


def summary(report: Report) -> str:
    """Few plain lines: before and after."""
    view = view_of(report.analysis, report.before)
    lines = [f"Project plan in Airtable: {report.verdict}. {report.headline(view)}"]
    lines += [
        f"{fact.name}: {fact.before} -> {fact.after}" for fact in report.facts() if fact.before and fact.after
    ]
    if report.wrong:
        lines.append("Does not add up: " + "; ".join(check.name for check in report.wrong))
    return "\n".join(lines)


def _render(kind: str, report: Report, **more: Any) -> str:
    view = view_of(report.analysis, report.before)
    values: Mapping[str, Any] = {
        "generator": GENERATOR,
        "report": report,
        "view": view,
        "headline": report.headline(view),
        "facts": report.facts(),
        "written": f"{report.written:%Y-%m-%d %H:%M} UTC",
        "meaning": MEANING,
        "tables": TABLES,
        "failed": report.carried.failed if report.carried else (),
        "done": report.carried is not None,
    }
    return pages.template(TEMPLATES[kind]).render(**values, **more)


def _uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
