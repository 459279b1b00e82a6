"""The quality gate: what a stage wrote for a pair is compared with the bars and with the catalogue.

Every partition is profiled by the server and computed again from the bars: rows and keys, NULL, range and
the sum of every column must agree, and a seeded stretch of rows value by value. One seeded partition
is read completely, compared cell by cell and validated with the suite of its family.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np

from include.build.chunks import lookback_of
from include.build.months import wanted_months
from include.errors import QualityError
from include.features.catalogue import family as catalogue_family
from include.names import Month
from include.quality.expected import Expected, expect, own_inputs, pairs_not_loaded
from include.quality.findings import (
    Finding,
    Inspection,
    Partition,
    gravest,
    minute,
    of_cells,
    of_profiles,
    with_differences,
    with_text,
)
from include.quality.memory import identities, remembered
from include.quality.profile import Profile, profile
from include.quality.report import write_report
from include.quality.sample import STRETCH, Difference, differences, recompute
from include.quality.suites import KEY
from include.quality.validation import check_cells, check_profiles, limits
from include.reports import Reports
from include.storage.arrays import read_rows
from include.storage.connection import Connection, connect
from include.storage.copying import FloatArray, MinuteArray
from include.storage.log import built_from, record_gates
from include.storage.partitions import count_rows, partition_of
from include.storage.schema import columns_of
from include.storage.tables import Table, table_of

_Item = TypeVar("_Item")

SUM_TOLERANCE = 1e-10  # of the sum of absolute values; the order of 31,000 additions matters by 3e-12
EXPLAINED = 12  # partitions with a fault that are read completely to say what is wrong in them


def check_stage(
    url: str,
    pair: str,
    families: Sequence[str],
    months: Sequence[str] = (),
    *,
    reports: Reports,
    run_label: str,
    sample_seed: int = 0,
    again: bool = True,
) -> dict[str, object]:
    """Check everything a stage wrote for a pair and write the report.

    Args:
        url: libpq connection string.
        pair: the currency pair.
        families: the stored families of the stage.
        months: months as ``yyyy-mm``; empty means every month that has bars.
        reports: where the report goes.
        run_label: name of the run, under which its reports lie; it also seeds the sample.
        sample_seed: another number looks at other rows.
        again: also look at partitions that an earlier gate found right and that are what it saw.

    Returns:
        Plain values: rows, partitions, unchanged (partitions that were not looked at again), columns,
        null_warm_up, null_absent_input, absent_inputs, sampled, rows_compared, seconds and the link of the
        report.

    Raises:
        QualityError: something is wrong; the message names the worst and the report.
        MissingInput: the pair has no bars in those months.
        BadParameter: the catalogue has no such family.
    """
    started = time.monotonic()
    inspection = Inspection(pair, tuple(families), run_label)
    seed = zlib.crc32(f"{sample_seed} {run_label} {pair}".encode())
    with connect(url) as connection:
        checked_at = _now(connection)
        wanted = wanted_months(connection, pair, families, months)
        tables = [table_of(name, pair).name for name in families]
        now = identities(connection, tables, wanted)
        if not again:
            inspection.unchanged = remembered(connection, tables, wanted, now)
        _Gate(connection, inspection, np.random.default_rng(seed)).check(wanted)
        inspection.seconds = round(time.monotonic() - started, 2)
        if inspection.unchanged and not inspection.months and not inspection.findings:
            return inspection.summary() | {"report": max(inspection.unchanged.values())}
        link = write_report(inspection, reports)
        _record(connection, inspection, now, link, checked_at)
    if inspection.findings:
        raise QualityError(inspection.message(link))
    return inspection.summary() | {"report": link}


def _now(connection: Connection) -> datetime:
    """The time by the clock of the server, which also dates the builds."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


def _record(
    connection: Connection,
    inspection: Inspection,
    now: Mapping[Partition, str],
    link: str,
    checked_at: datetime,
) -> None:
    """Keep the verdict on each partition beside the log of builds: pages are removed one day."""
    tables = [table_of(name, inspection.pair).name for name in inspection.families]
    months = [month for month, rows in inspection.months.items() if rows]
    findings = {
        (table, Month.parse(month)): sum(
            finding.table not in tables or (finding.table == table and finding.month in ("", month))
            for finding in inspection.findings
        )
        for table in tables
        for month in months
        if (table, month) not in inspection.unchanged
    }
    seen = {
        (table, month): now[table, str(month)]
        for (table, month), faults in findings.items()
        if not faults and (table, str(month)) in now
    }
    label = inspection.run_label
    record_gates(connection, findings, seen, report=link, run_label=label, checked_at=checked_at)


class _Gate:
    """One session that fills an inspection."""

    def __init__(self, connection: Connection, inspection: Inspection, random: np.random.Generator) -> None:
        self.connection, self.inspection, self.random = connection, inspection, random
        self.seen: dict[Partition, tuple[Table, Expected]] = {}
        self.different: dict[Partition, list[Difference]] = {}
        self.profiled = 0  # columns of all partitions that had to be there

    def check(self, months: Sequence[Month]) -> None:
        tables = [table_of(name, self.inspection.pair) for name in self.inspection.families]
        tables = [table for table in tables if self._has_its_columns(table)]
        if not tables:
            return
        columns = [column for table in tables for column in catalogue_family(table.family).columns]
        lookback = max(lookback_of(table.family) for table in tables)
        due = {
            month: [table for table in tables if (table.name, str(month)) not in self.inspection.unchanged]
            for month in months
        }
        due = {month: tables for month, tables in due.items() if tables}
        if not due:
            return
        sampled = self._one_of(list(due))
        sample = self._one_of([table.name for table in due[sampled]]), sampled
        self.inspection.pairs_not_loaded = pairs_not_loaded(self.connection, columns)
        inputs = own_inputs(columns)
        for month, tables in due.items():
            expected = expect(
                self.connection, self.inspection.pair, month, lookback, self.inspection.families
            )
            absent = {name: expected.absent(name) for name in inputs}
            self.inspection.add_month(str(month), expected.keys.number, absent)
            for table in tables:
                if expected.keys.number:
                    self.profiled += len(table.columns)
                    self._check_partition(table, expected, whole=sample == (table.name, month))
                else:
                    self._check_empty(table, month)
        self._judge()

    def _one_of(self, items: Sequence[_Item]) -> _Item:
        return items[int(self.random.integers(len(items)))]

    def _has_its_columns(self, table: Table) -> bool:
        """Whether the table can be profiled; if not, that is the finding. Legacy columns do not matter."""
        present, wanted = columns_of(self.connection, table.name), [KEY, *table.columns]
        self.inspection.columns[table.family] = len(table.columns)
        missing = [name for name in wanted if name not in present]
        if not missing:
            return True
        text = f"the columns are not those of the catalogue: {', '.join(missing[:5])}"
        self._found("table", table, "", text if present else "the table does not exist", len(missing))
        return False

    def _check_partition(self, table: Table, expected: Expected, *, whole: bool) -> None:
        rows = expected.keys.number
        found = profile(self.connection, table, expected.month)
        if found is None:
            text = f"the month is missing, {rows:,} rows are expected"
            self._found("table", table, str(expected.month), text, rows)
            return
        self.seen[table.name, str(expected.month)] = table, expected
        values = recompute(expected.chunk, table)
        self.inspection.records += _records(table, expected, found, values)
        if found.keys != expected.keys:
            return
        first = 0 if whole else int(self.random.integers(max(1, rows - STRETCH)))
        ts, stored = self._compare(table, expected, values, first, rows if whole else STRETCH)
        if whole:
            self._check_cells(table, expected.month, ts, stored)

    def _check_empty(self, table: Table, month: Month) -> None:
        """A month of which no bar is left has no rows."""
        partition = partition_of(self.connection, table.name, month)
        if partition is not None and (rows := count_rows(self.connection, partition)):
            self._found("table", table, str(month), f"{rows:,} rows, but no bar asks for one", rows)

    def _compare(
        self, table: Table, expected: Expected, values: dict[str, FloatArray], first: int, rows: int
    ) -> tuple[MinuteArray, dict[str, FloatArray]]:
        """Compare some rows of a month value by value."""
        minutes = expected.chunk.rows_of_month[first : first + rows]
        ts, stored = self._read(table, int(minutes[0]), int(minutes[-1]) + 1)
        wanted = {name: column[first : first + rows] for name, column in values.items()}
        self.different[table.name, str(expected.month)] = differences(ts, stored, wanted)
        self.inspection.rows_compared += len(ts)
        return ts, stored

    def _read(self, table: Table, first: int, end: int) -> tuple[MinuteArray, dict[str, FloatArray]]:
        return read_rows(self.connection, table.name, list(table.columns), first, end)

    def _check_cells(
        self, table: Table, month: Month, ts: MinuteArray, stored: dict[str, FloatArray]
    ) -> None:
        import pandas as pd

        partition = table.name, str(month)
        self.inspection.sampled.append(" ".join(partition))
        bad = check_cells(table.family, pd.DataFrame({KEY: ts, **stored}))
        self.inspection.findings += of_cells(partition, bad)

    def _judge(self) -> None:
        """Validate all profiles at once, then say for each fault where it is."""
        import pandas as pd

        inspection = self.inspection
        if inspection.records:
            broken = check_profiles(pd.DataFrame(inspection.records), self.profiled)
            inspection.findings += of_profiles(broken, inspection.records)
        inspection.findings = gravest(inspection.findings)
        faulty = {finding.partition for finding in inspection.findings}
        faulty |= {partition for partition, different in self.different.items() if different}
        for partition in sorted(faulty.intersection(self.seen))[:EXPLAINED]:
            self._explain(partition)
        for partition, different in self.different.items():
            inspection.findings = with_differences(inspection.findings, partition, different)

    def _explain(self, partition: Partition) -> None:
        """Read a faulty partition completely: which rows differ, and was it built from these bars?"""
        table, expected = self.seen[partition]
        month, inspection = expected.month, self.inspection
        ts, stored = self._read(table, month.first_minute, month.end_minute)
        last = built_from(self.connection, table.name, month)
        chunk = expected.chunk
        if last is None or last.input_hash != chunk.fingerprint(table.family):
            inspection.stale.append(" ".join(partition))
        wanted = expected.chunk.rows_of_month
        lost, foreign = np.setdiff1d(wanted, ts), np.setdiff1d(ts, wanted)
        for what, minutes in (("lost", lost), ("not a row of the grid", foreign)):
            if minutes.size:
                text = f"{minutes.size:,} {what}, first {minute(int(minutes[0]))}"
                inspection.findings = with_text(inspection.findings, partition, text)
        if not lost.size and not foreign.size:
            values = recompute(expected.chunk, table)
            self.different[partition] = differences(ts, stored, values)

    def _found(self, kind: str, table: Table, month: str, text: str, count: int) -> None:
        self.inspection.findings.append(Finding(kind, table.name, month, "", text, count))


def _records(
    table: Table, expected: Expected, found: Profile, values: dict[str, FloatArray]
) -> list[dict[str, object]]:
    common = {
        "family": table.family,
        "table": table.name,
        "month": str(expected.month),
        "rows": found.keys.number,
        "rows_expected": expected.keys.number,
        "keys": str(found.keys.fingerprint),
        "keys_expected": str(expected.keys.fingerprint),
    }
    same_keys = found.keys == expected.keys
    records = []
    for column in catalogue_family(table.family).columns:
        seen, wanted = found.columns[column.name], values[column.name]
        allowed = expected.allowed(column, wanted)
        warm_up = min(seen.leading_nulls, allowed.warm_up)
        absent = min(seen.nulls - warm_up, allowed.absent)
        early = allowed.warm_up - warm_up if allowed.exact_start else 0
        records.append(
            common
            | limits(column)
            | {
                "column": column.name,
                "low": seen.low,
                "high": seen.high,
                "null_warm_up": warm_up,
                "null_absent": absent,
                "null_unexplained": seen.nulls - warm_up - absent,
                "unfounded": max(early, allowed.least - seen.nulls, 0),
                "not_finite": int(not seen.is_finite),
                "differs": int(same_keys and not _same_sum(seen.nulls, seen.total, wanted)),
            }
        )
    return records


def _same_sum(nulls: int, total: float, values: FloatArray) -> bool:
    known = values[~np.isnan(values)]
    off = abs(total - float(known.sum()))
    return nulls == len(values) - len(known) and off <= SUM_TOLERANCE * float(np.abs(known).sum())
