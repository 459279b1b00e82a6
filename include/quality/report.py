"""The report of a gate: one page without outside parts, for a desk or a phone, kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from include import pages
from include.features.catalogue import Feature
from include.features.catalogue import family as catalogue_family
from include.quality.findings import Inspection, count
from include.quality.sample import STRETCH
from include.reports import Reports

GENERATOR = "bqx quality gate"
KIND = "quality"  # of the reports, see `include.reports.KINDS`
TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN = 200  # findings on the page; more help nobody


class Bar(NamedTuple):
    """Where the values of a column lie in what is allowed, in percent of the width."""

    left: float
    width: float


class ColumnRow(NamedTuple):
    """One line of a family's table: all months of a column."""

    name: str
    formula: str
    low: str
    high: str
    allowed: str
    bar: Bar | None
    warm_up: int
    absent: int
    unexplained: int
    faulty: bool


class MonthChip(NamedTuple):
    """One month of a family."""

    name: str
    rows: int | None
    faulty: bool
    sampled: bool


def write_report(inspection: Inspection, reports: Reports) -> str:
    """Write the page of an inspection, ``{stage}_{pair}.html`` of its run; returns its link."""
    name = f"{pages.file_name(inspection.stage)}_{inspection.pair}.html"
    return reports.write(KIND, inspection.run_label, {name: render(inspection)})[name]


def render(inspection: Inspection) -> str:
    """The page as text."""
    findings = inspection.ordered()
    return pages.template(TEMPLATE).render(
        generator=GENERATOR,
        inspection=inspection,
        summary=inspection.summary(),
        verdict=count(len(findings), "finding") if findings else "passed",
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        findings=findings[:SHOWN],
        stretch=STRETCH,
        hidden=len(findings) - SHOWN,
        families=[_family(name, inspection) for name in inspection.families],
    )


def _family(name: str, inspection: Inspection) -> dict[str, Any]:
    family = catalogue_family(name)
    by_column: dict[str, list[dict[str, Any]]] = {column.name: [] for column in family.columns}
    for record in inspection.records:
        if record["family"] == name:
            by_column[record["column"]].append(record)
    table = f"{name}_{inspection.pair}"
    findings = [finding for finding in inspection.findings if finding.table == table]
    bad = {finding.column for finding in findings}
    return {
        "name": name,
        "title": family.title,
        "findings": count(len(findings), "finding") if findings else "",
        "months": _months(table, inspection),
        "columns": [_column(column, by_column[column.name], column.name in bad) for column in family.columns],
    }


def _months(table: str, inspection: Inspection) -> list[MonthChip]:
    rows = inspection.partitions()
    faulty = {finding.partition for finding in inspection.findings}
    return [
        MonthChip(
            month,
            rows.get((table, month)),
            faulty=(table, month) in faulty,
            sampled=f"{table} {month}" in inspection.sampled,
        )
        for month in inspection.months
    ]


def _column(column: Feature, records: Sequence[dict[str, Any]], faulty: bool) -> ColumnRow:
    low = min((record["low"] for record in records if record["low"] is not None), default=None)
    high = max((record["high"] for record in records if record["high"] is not None), default=None)
    return ColumnRow(
        name=column.name,
        formula=column.formula,
        low=_value(low),
        high=_value(high),
        allowed=_allowed(column),
        bar=_bar(column, low, high),
        warm_up=sum(record["null_warm_up"] for record in records),
        absent=sum(record["null_absent"] for record in records),
        unexplained=sum(record["null_unexplained"] for record in records),
        faulty=faulty,
    )


def _bar(column: Feature, low: float | None, high: float | None) -> Bar | None:
    if column.low is None or column.high is None or low is None or high is None:
        return None
    width = column.high - column.low
    left, right = (min(max((value - column.low) / width, 0.0), 1.0) for value in (low, high))
    return Bar(round(100 * left, 1), round(max(100 * (right - left), 1.0), 1))


def _allowed(column: Feature) -> str:
    if column.classes:
        return ", ".join(map(str, column.classes))
    if column.low is None and column.high is None:
        return "any"
    if column.high is None:
        return f"from {_value(column.low)}"
    if column.low is None:
        return f"to {_value(column.high)}"
    return f"{_value(column.low)} to {_value(column.high)}"


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}".replace("-", "\N{MINUS SIGN}", 1)
