"""What is true now, whoever says that it is done: read from the database, the reports and the code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from include.build.code import code_version
from include.errors import PlanRefused
from include.features.catalogue import FAMILIES, STORED
from include.migration import journal
from include.names import table as name_of
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.plan import operating, verified
from include.plan.counts import Months, grid_rows_of, rows_of, stale_tables
from include.plan.model import Evidence
from include.plan.proof import Proof as Proof  # others take it from here
from include.reports import Reports
from include.settings import MODELS
from include.storage.connection import Connection, connect, exists, statement
from include.storage.log import logged_months
from include.storage.ownership import foreign_columns
from include.storage.schema import columns_of
from include.storage.stage_order import legacy_tables
from include.storage.tables import table_of
from include.training.choice.record import decisions
from include.training.jobs import Trained, newest_dataset, trained_models

_NAMED = 5  # pairs that a text names


class _Gate(NamedTuple):
    partitions: int
    checked: int
    findings: int
    report: str

    @property
    def passed(self) -> bool:
        return self.partitions > 0 and self.checked == self.partitions and self.findings == 0


def gather(
    url: str,
    wanted: Iterable[Evidence],
    pairs: Sequence[str] = PAIRS,
    *,
    reports: Reports,
    bucket: ObjectStore | None = None,
) -> dict[Evidence, Proof]:
    """Look at everything that some tasks ask for.

    Args:
        url: libpq connection string.
        wanted: what to look for; kind ``none`` has no proof and is left out.
        pairs: the pairs that have to be there.
        reports: where the documents of the migration lie.
        bucket: the whole bucket, where models are; None if there is none.

    Raises:
        PlanRefused: the plan asks for a kind of evidence or a family that there is not.
    """
    asked = [one for one in dict.fromkeys(wanted) if one.kind != "none"]
    for one in asked:
        _check(one)
    with connect(url) as connection:
        look = _Look(url, connection, tuple(pairs), asked, reports, bucket)
        return {one: KINDS[one.kind](look, one.families) for one in asked}


class _Look:
    """One session, and what several tasks need to know from it."""

    def __init__(
        self,
        url: str,
        connection: Connection,
        pairs: tuple[str, ...],
        asked: Sequence[Evidence],
        reports: Reports,
        bucket: ObjectStore | None,
    ) -> None:
        self.connection, self.pairs = connection, pairs
        self.reports, self.bucket = reports, bucket
        counting = {family for one in asked if one.kind in ("backfill", "gate") for family in one.families}
        tables = [name_of(family, pair) for family in sorted(counting) for pair in pairs]
        self.grid: Mapping[str, Months] = grid_rows_of(connection, pairs) if counting else {}
        self.rows: Mapping[str, Months] = rows_of(connection, tables) if self.grid else {}
        judged = {family for one in asked if one.kind in ("backfill", "gate") for family in one.families}
        self.stale = stale_tables(url, connection, pairs, sorted(judged)) if judged else frozenset()

    def schema(self, families: Sequence[str]) -> Proof:
        """Every table is there with the columns of the catalogue."""
        absent = [pair for pair in self.pairs if not all(self._has_table(name, pair) for name in families)]
        columns = sum(len(FAMILIES[name].columns) for name in families)
        there = (len(self.pairs) - len(absent)) * len(families)
        text = f"{_of(self.pairs, absent)}; {there} tables with {columns} columns of the catalogue"
        return self._of_pairs(absent, text)

    def implemented(self, families: Sequence[str]) -> Proof:
        """The columns are in the catalogue, and their tests passed with exactly this code."""
        columns = sum(len(FAMILIES[name].columns) for name in families)
        found = verified.read()
        results = [found.families.get(name, verified.Score(0, 0)) for name in families]
        tests, passed = (sum(numbers) for numbers in zip(*results, strict=True))
        current = found.code == code_version()
        about = f"this code version ({found.code[:12]})" if current else "another code version"
        text = f"{columns} columns in the catalogue; {passed} of {tests} tests passed with {about}"
        done = current and all(one.tests and one.passed == one.tests for one in results)
        return Proof(done, True, text, () if done else ("a test report of this code version",))

    def backfill(self, families: Sequence[str]) -> Proof:
        """Every month of every pair has exactly the rows that its bars ask for, made from just these bars."""
        absent = [pair for pair in self.pairs if not self._is_full(pair, families)]
        absent += [pair for pair in self._stale(families) if pair not in absent]
        tables = [self.rows.get(name_of(name, pair), {}) for name in families for pair in self.pairs]
        partitions, rows = sum(map(len, tables)), sum(sum(months.values()) for months in tables)
        text = f"{_of(self.pairs, absent)}; {rows:,} rows in {partitions:,} partitions"
        text += self._about_stale(families)
        proof = self._of_pairs(absent, text)
        return Proof(proof.done, rows > 0, text, proof.missing)

    def gate(self, families: Sequence[str]) -> Proof:
        """The gate found nothing in the newest build of every partition, and its rows are still there."""
        gates = self._gates(families)
        nothing = _Gate(0, 0, 0, "")
        per_pair = {
            pair: [gates.get(name_of(name, pair), nothing) for name in families] for pair in self.pairs
        }
        stale = self._stale(families)
        absent = [
            pair
            for pair, found in per_pair.items()
            if pair in stale or not all(gate.passed for gate in found) or not self._is_full(pair, families)
        ]
        every = [gate for found in per_pair.values() for gate in found]
        findings = sum(gate.findings for gate in every)
        text = f"{_of(self.pairs, absent)} passed; {sum(gate.checked for gate in every):,} partitions checked"
        text += f", {findings:,} findings" if findings else ""
        text += self._about_stale(families)
        shown = sorted((gate for gate in every if gate.checked), key=lambda gate: not gate.findings)
        return Proof(
            not absent and bool(self.pairs),
            any(gate.checked for gate in every),
            text,
            tuple(absent),
            shown[0].report if shown else "",
        )

    def renamed(self, families: Sequence[str]) -> Proof:
        """No legacy table has its old name."""
        old, renamed = self._old_names(), self._migration()[0]
        if not old and not renamed:
            return self._nothing_to_rename()
        text = f"{renamed:,} objects renamed; {old:,} tables with an old name left"
        return Proof(not old, renamed > 0, text, ("tables that have their old name",) if old else ())

    def counts(self, families: Sequence[str]) -> Proof:
        """What was renamed holds exactly what it held before."""
        old = self._old_names()
        renamed, _, compared, uncompared, rows = self._migration()
        if not old and not renamed:
            return self._nothing_to_rename()
        text = f"{rows:,} rows in {compared:,} partitions equal before and after"
        text += f"; {uncompared:,} partitions not compared" if uncompared else ""
        done = renamed > 0 and not old and not uncompared
        return Proof(done, compared > 0, text, () if done else ("counts before and after",))

    def documented(self, families: Sequence[str]) -> Proof:
        """Names, counts and tables of every migrated pair were written after its last rename."""
        old, (renamed, *_) = self._old_names(), self._migration()
        if not old and not renamed:
            return self._nothing_to_rename()
        documents = journal.documents(self.connection, self.pairs)
        absent = [pair for pair, written in documents.items() if not written.are_there(self.reports)]
        begun = any(written.published_at for written in documents.values())
        if absent or not documents:
            return Proof(False, begun, "not published since the last rename", tuple(absent))
        text = f"names, counts and tables published, {renamed:,} objects renamed"
        newest = max(documents.values(), key=lambda written: str(written.published_at))
        missing = ("tables that have their old name",) * bool(old)
        return Proof(not old, True, text, missing, newest.files["tables"])

    def trained(self, _: Sequence[str]) -> Proof:
        """Both baselines of every pair have been trained on the newest data set."""
        models = trained_models(self.bucket) if self.bucket else Trained("", {})
        absent = [pair for pair in self.pairs if not {*MODELS} <= models.by_pair.get(pair, set())]
        about = f"data set {models.dataset_id}" if models.dataset_id else "there is no data set yet"
        return self._of_pairs(absent, f"Random Forest and XGBoost of {_of(self.pairs, absent)}; {about}")

    def decided(self, _: Sequence[str]) -> Proof:
        """Every pair has a decision record about the rows of the newest data set."""
        newest = newest_dataset(self.bucket) if self.bucket else None
        if self.bucket is None or newest is None:
            return self._of_pairs(self.pairs, "no pair is decided; there is no data set yet")
        made = {
            pair: decision.content["chosen"] or "no model"
            for pair, decision in decisions(self.bucket).items()
            if decision.content["content_hash"] == newest.content_hash
        }
        absent = [pair for pair in self.pairs if pair not in made]
        chosen = Counter(made[pair] for pair in self.pairs if pair in made)
        models = "".join(f"; {model} for {count}" for model, count in sorted(chosen.items()))
        text = f"{_of(self.pairs, absent)} decided on data set {newest.dataset_id}{models}"
        return self._of_pairs(absent, text)

    def _of_pairs(self, absent: Sequence[str], text: str) -> Proof:
        complete = not absent and bool(self.pairs)
        return Proof(complete, len(absent) < len(self.pairs), text, tuple(absent))

    def _has_table(self, family: str, pair: str) -> bool:
        wanted = table_of(family, pair)
        present = columns_of(self.connection, wanted.name)
        if not wanted.columns.items() <= present.items():
            return False
        # Names that were taken back: the columns are legacy ones again, whatever they are called.
        return wanted.name not in foreign_columns(self.connection, [wanted])

    def _is_full(self, pair: str, families: Sequence[str]) -> bool:
        grid = self.grid.get(pair)
        return bool(grid) and all(self._built_rows(name_of(name, pair)) == grid for name in families)

    def _built_rows(self, table: str) -> Months:
        """Rows by month, without months of legacy rows that no bar asks for and no build touched."""
        logged = logged_months(self.connection, [table]) if exists(self.connection, "build_log") else ()
        built = {str(month) for month in logged}
        return {month: rows for month, rows in self.rows.get(table, {}).items() if month in built}

    def _about_stale(self, families: Sequence[str]) -> str:
        stale = self._stale(families)
        return f"; {len(stale)} pairs do not follow from the present bars and code" if stale else ""

    def _stale(self, families: Sequence[str]) -> list[str]:
        """Pairs of which a table would be built anew now: bars or code changed since."""
        return [pair for pair in self.pairs if any(name_of(name, pair) in self.stale for name in families)]

    def _gates(self, families: Sequence[str]) -> dict[str, _Gate]:
        if not exists(self.connection, "build_log", "gate_log"):
            return {}
        tables = [name_of(name, pair) for name in families for pair in self.pairs]
        rows = self.connection.execute(statement("plan/read_gates"), {"tables": tables})
        return {
            str(table): _Gate(int(str(partitions)), int(str(checked)), int(str(findings)), str(report or ""))
            for table, partitions, checked, findings, report in rows
        }

    def _old_names(self) -> int:
        return len(legacy_tables(self.connection, self.pairs))

    def _migration(self) -> tuple[int, datetime | None, int, int, int]:
        if not journal.is_there(self.connection):
            return 0, None, 0, 0, 0
        values = {"pairs": list(self.pairs)}
        row = self.connection.execute(statement("plan/read_migration"), values).fetchone()
        return cast("tuple[int, datetime | None, int, int, int]", row)

    def _nothing_to_rename(self) -> Proof:
        if not any(columns_of(self.connection, name_of("m1", pair)) for pair in self.pairs):
            return Proof(False, False, "nothing is in the database yet", ("bars",))
        return Proof(True, True, "this database has no legacy tables: there was nothing to rename")


KINDS: Mapping[str, Callable[[_Look, Sequence[str]], Proof]] = {
    "schema": _Look.schema,
    "implemented": _Look.implemented,
    "backfill": _Look.backfill,
    "gate": _Look.gate,
    "renamed": _Look.renamed,
    "counts": _Look.counts,
    "documented": _Look.documented,
    "trained": _Look.trained,
    "decided": _Look.decided,
    "measured": operating.measured,
    "drawn": operating.drawn,
    "provided": operating.provided,
    "fired": operating.fired,
    "drilled": operating.drilled,
    "retrained": operating.retrained,
    "reported": operating.reported,
    "kept": operating.kept,
}
OF_FAMILIES = ("schema", "implemented", "backfill", "gate")


def named(values: Sequence[str]) -> str:
    """Some names for people: the first few, and how many more."""
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return ", ".join(values[:_NAMED]) + more


def _of(pairs: Sequence[str], absent: Sequence[str]) -> str:
    return f"{len(pairs) - len(absent)} of {len(pairs)} pairs"


def _check(one: Evidence) -> None:
    if one.kind not in KINDS:
        raise PlanRefused(f"Evidence {one.kind!r} is not known. Use one of: {', '.join((*KINDS, 'none'))}.")
    known = FAMILIES if one.kind == "implemented" else STORED
    unknown = [name for name in one.families if name not in known]
    if one.kind in OF_FAMILIES and (unknown or not one.families):
        raise PlanRefused(
            f"Evidence {one.kind!r} needs families of the catalogue{': not ' if unknown else ''}"
            f"{', '.join(unknown)}. Choose from: {', '.join(known)}."
        )
