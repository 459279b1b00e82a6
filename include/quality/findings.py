"""What a gate found, in plain values and in words: the input of the report and of the error message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from include import settings
from include.names import to_datetime
from include.quality.sample import Difference
from include.quality.validation import RULES, BadCells, Broken

NAMED = 3  # findings that the error message names; the report has all of them
ORDER = ("table", *RULES, "cells", "complete")  # of findings, the gravest first
WORDS = {
    "rows": "{rows:,} rows, {rows_expected:,} expected from the bars",
    "keys": "other rows than the bars ask for",
    "null_unexplained": "{null_unexplained:,} NULL that neither warm-up nor an absent input explains",
    "unfounded": "{unfounded:,} values where NULL must be: too few bars before, or no input",
    "not_finite": "holds NaN or infinity",
    "below": "smallest value {low:.6g}, allowed from {low_allowed:.6g}",
    "above": "largest value {high:.6g}, allowed to {high_allowed:.6g}",
    "differs": "the values are not those that follow from the bars",
}
COUNTED = ("null_unexplained", "unfounded")  # rules whose column of the frame is a number of rows
OF_PARTITION = ("rows", "keys")  # rules that do not depend on the column

Partition = tuple[str, str]  # table and month


class Finding(NamedTuple):
    """Something that is wrong.

    Attributes:
        kind: "table", a rule of `validation.RULES`, "cells" or "complete".
        month: ``yyyy-mm``, empty if it concerns the table.
        column: empty if it concerns all columns.
        text: what is wrong, for people.
        number: rows or values concerned.
    """

    kind: str
    table: str
    month: str
    column: str
    text: str
    number: int = 1

    @property
    def partition(self) -> Partition:
        """Table and month."""
        return self.table, self.month

    def __str__(self) -> str:
        return f"{' '.join(part for part in (self.table, self.month, self.column) if part)}: {self.text}"


@dataclass
class Inspection:
    """Everything one gate saw of one pair.

    Attributes:
        records: one mapping per column and month: profile, what is allowed, NULL by reason.
        columns: number of columns per family.
        months: grid rows per month.
        absent: rows without volume or spread, where columns read them.
        pairs_not_loaded: other pairs that columns read and that have no bars.
        sampled: partitions that were read completely.
        stale: faulty partitions that were built from other bars or by other code.
        rows_compared: rows compared value by value, whole partitions and stretches.
        unchanged: partitions that an earlier gate found right and that are what it saw, with its page.
    """

    pair: str
    families: tuple[str, ...]
    run_label: str
    records: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)
    months: dict[str, int] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    pairs_not_loaded: list[str] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    rows_compared: int = 0
    unchanged: dict[Partition, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add_month(self, month: str, rows: int, absent: Mapping[str, int]) -> None:
        """Note the grid rows of a month and those in which inputs are absent."""
        self.months[month] = rows
        for name, number in absent.items():
            self.absent[name] = self.absent.get(name, 0) + number

    @property
    def stage(self) -> str:
        """Name of the stage that builds exactly these families, else the families."""
        stage = self._stage
        if stage is not None:
            return stage.group
        return "_".join(self.families) if len(self.families) <= 3 else f"{len(self.families)}_families"

    @property
    def title(self) -> str:
        """The same for people."""
        return self.stage.replace("_", " ") if self._stage is None else self._stage.title

    @property
    def _stage(self) -> settings.Stage | None:
        stages = (*settings.STAGES, settings.LAST_STAGE)
        same = (stage for stage in stages if set(stage.families) == set(self.families))
        return next(same, None)

    @property
    def absent_inputs(self) -> list[str]:
        """Each absent input once, in words."""
        total = sum(self.months.values())
        absent = [_absence(name, rows, total) for name, rows in self.absent.items() if rows]
        if self.pairs_not_loaded:
            absent.append(f"no bars of {', '.join(self.pairs_not_loaded)}, which it is compared with")
        return [f"{self.pair}: {words}" for words in absent]

    def total(self, name: str) -> int:
        """Sum of a number over all columns and months."""
        return sum(int(record[name]) for record in self.records)

    def partitions(self) -> dict[Partition, int]:
        """Rows per partition that was found."""
        return {(record["table"], record["month"]): record["rows"] for record in self.records}

    def ordered(self) -> list[Finding]:
        """The findings, the gravest first."""
        return sorted(self.findings, key=lambda one: (ORDER.index(one.kind), one.table, one.month))

    def summary(self) -> dict[str, object]:
        """The result of a gate as plain values."""
        partitions = self.partitions()
        return {
            "pair": self.pair,
            "families": list(self.families),
            "rows": sum(partitions.values()),
            "partitions": len(partitions),
            "unchanged": len(self.unchanged),
            "columns": sum(self.columns.values()),
            "null_warm_up": self.total("null_warm_up"),
            "null_absent_input": self.total("null_absent"),
            "absent_inputs": self.absent_inputs,
            "sampled": self.sampled,
            "rows_compared": self.rows_compared,
            "seconds": self.seconds,
        }

    @property
    def hint(self) -> str:
        """What explains faults of partitions whose bars or code changed since they were built."""
        if not self.stale:
            return ""
        return f"Not built from the present bars by the present code: {_listed(self.stale)}. "

    def message(self, report: str) -> str:
        """The findings as the text of an error."""
        findings = self.ordered()
        partitions = len({finding.partition for finding in findings})
        named = "; ".join(str(finding) for finding in findings[:NAMED])
        more = f"; and {len(findings) - NAMED} more" if len(findings) > NAMED else ""
        return (
            f"{self.pair}: quality gate of {self.stage} failed with {count(len(findings), 'finding')} in "
            f"{count(partitions, 'partition')}. {named}{more}. {self.hint}Report: {report}. "
            "Nothing was changed. Mend the cause, build those months with `rebuild`, then clear this task."
        )


def of_profiles(broken: Iterable[Broken], records: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Findings for broken rules: one per partition or per column, by the first rule that it breaks."""
    found: dict[tuple[str, str, str], Finding] = {}
    general = []
    for rule, rows in sorted(broken, key=lambda one: ORDER.index(one.rule)):
        if rule not in WORDS:
            general.append(Finding("complete", "profiles", "", "", f"not one per column and month ({rule})"))
        for row in rows if rule in WORDS else ():
            record = records[row]
            column = "" if rule in OF_PARTITION else record["column"]
            text = WORDS[rule].format_map(record)
            place = (record["table"], record["month"], column)
            found.setdefault(place, Finding(rule, *place, text, int(record[rule]) if rule in COUNTED else 1))
    wrong_keys = {finding.partition for finding in found.values() if finding.kind == "rows"}
    kept = [one for one in found.values() if one.kind != "keys" or one.partition not in wrong_keys]
    return kept or general


def gravest(findings: Iterable[Finding]) -> list[Finding]:
    """One finding per column and month: what two checks saw is told once."""
    found: dict[tuple[str, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda one: ORDER.index(one.kind)):
        found.setdefault((finding.table, finding.month, finding.column), finding)
    return list(found.values())


def with_differences(
    findings: Sequence[Finding], partition: Partition, different: Iterable[Difference]
) -> list[Finding]:
    """Add what a comparison of rows found: to the finding of the column, or as a finding of its own."""
    by_column = {one.column: one for one in different}
    told = []
    for finding in sorted(findings, key=lambda one: ORDER.index(one.kind)):
        more = by_column.pop(finding.column, None) if finding.partition == partition else None
        told.append(finding if more is None else finding._replace(text=f"{finding.text}; {_first(more)}"))
    rest = [Finding("differs", *partition, name, _first(one), one.rows) for name, one in by_column.items()]
    return told + rest


def with_text(findings: Sequence[Finding], partition: Partition, text: str) -> list[Finding]:
    """Add a detail to the findings that concern all columns of a partition."""
    return [
        finding._replace(text=f"{finding.text}; {text}")
        if finding.partition == partition and finding.kind in OF_PARTITION
        else finding
        for finding in findings
    ]


def of_cells(partition: Partition, bad: Iterable[BadCells]) -> list[Finding]:
    """Findings of a suite on a whole partition."""
    return [
        Finding("cells", *partition, one.column, f"{one.number:,} values like {one.example}", one.number)
        for one in bad
    ]


def minute(epoch_minute: int) -> str:
    """A time for people: ``2018-12-03 10:15 UTC``."""
    return f"{to_datetime(epoch_minute):%Y-%m-%d %H:%M} UTC"


def _first(one: Difference) -> str:
    guess = f" ({one.guess})" if one.guess else ""
    return (
        f"{count(one.rows, 'row')} differ{'s' * (one.rows == 1)}{guess}, first {minute(one.first)}: "
        f"{_value(one.stored)} instead of {_value(one.expected)}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _value(value: float) -> str:
    return "NULL" if math.isnan(value) else f"{value:.10g}"


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _absence(name: str, rows: int, total: int) -> str:
    return f"source has no {name}" if rows == total else f"no {name} in {rows:,} of {total:,} rows"
