"""A plan for people: the page of the approval, the whole as text, its JSON twin, the manifest, the tables."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from include.migration import names
from include.migration.model import AT_WORK, Batch, Kind, Note, Plan, Rename, State
from include.names import SCHEMA
from include.pages import code, markdown
from include.storage.tables import table_of

WHOLE, MANIFEST, COUNTS, TABLES = "plan.txt", "manifest.csv", "counts.csv", "tables.md"  # names of files
MOST_CONFLICTS = 8  # shown on the page; all are in the whole plan
_KINDS: tuple[Kind, ...] = get_args(Kind)
_STATES: tuple[State, ...] = get_args(State)
_PLURAL = {"index": "indexes"}


def summary(plan: Plan, *, whole: str = "") -> str:
    """The page of the approval, Markdown, at most 60 lines.

    Args:
        plan: what is to be approved.
        whole: link of the whole plan.
    """
    lines = [
        f"# Renaming the legacy tables: plan `{plan.hash}`",
        "",
        _headline(plan),
        *_conflicts(plan),
        *_families(plan),
        *_columns(plan),
        *_remarks(plan),
        *_notes(plan.notes),
    ]
    if whole:
        lines += ["", f"The whole plan, object by object: {whole}"]
    return "\n".join(lines) + "\n"


def table(plan: Plan) -> str:
    """The whole plan as text: batch by batch, object by object, conflicts first."""
    lines = [f"Plan {plan.hash} of schema {SCHEMA}", ""]
    for batch in sorted(plan.batches, key=lambda batch: batch.state != "conflict"):
        arrow = batch.old if batch.old == batch.new else f"{batch.old} -> {batch.new}"
        lines.append(f"{batch.state:<12} {batch.family} of {batch.pair}: {arrow}")
        details = [f"{batch.partitions} partitions"] * bool(batch.partitions) + [batch.reason] * bool(
            batch.reason
        )
        lines += [f"    {detail}" for detail in details]
        if batch.drop_first:
            what = "made by the builds" if batch.drop_rows else "empty"
            lines.append(f"    drop       {batch.drop_first}, {what}")
        for rename in batch.renames:
            on = f" (of {rename.on})" if rename.on else ""
            lines.append(f"    {rename.kind:<10} {rename.old} -> {rename.new}{on}")
    lines += ["", "Notes", *(f"    {note.kind:<18} {note.name}: {note.text}" for note in plan.notes)]
    return "\n".join(lines) + "\n"


def manifest(renames: Iterable[tuple[str, str, Rename]]) -> str:
    """CSV of every rename, for whoever has the old names in scripts and reports.

    Args:
        renames: family, pair and rename.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("family", "pair", "kind", "table", "old_name", "new_name"))
    for family, pair, rename in renames:
        writer.writerow((family, pair, rename.kind, rename.on, rename.old, rename.new))
    return text.getvalue()


def renames_of(plan: Plan) -> Iterator[tuple[str, str, Rename]]:
    """Family, pair and rename of everything that a plan renames."""
    for batch in plan.at_work:
        yield from ((batch.family, batch.pair, rename) for rename in batch.renames)


def documentation(
    plan: Plan,
    *,
    before: Mapping[str, int] | None = None,
    after: Mapping[str, int] | None = None,
    views: Sequence[str] = (),
) -> str:
    """What the tables are called and hold after the migration, Markdown.

    Args:
        plan: the plan that was carried out.
        before: exact rows before, by the parent's new name.
        after: exact rows after, by the parent's new name.
        views: compatibility views under the old names.
    """
    before, after = before or {}, after or {}
    lines = ["# Tables after the migration", "", f"Plan `{plan.hash}`, schema `{SCHEMA}`.", ""]
    lines += ["| Family | Old name | New name | Pairs | Partitions | Rows before | Rows after |"]
    lines += ["|---|---|---|--:|--:|--:|--:|"]
    families = _by_family(batch for batch in plan.batches if batch.state in (*AT_WORK, "done"))
    for family, batches in families.items():
        new = [batch.new for batch in batches]
        partitions = sum(batch.partitions for batch in batches)
        rows = " | ".join(_total(counts, new) for counts in (before, after))
        lines.append(f"| {family} | {_spelled(family)} | {len(batches)} | {partitions:,} | {rows} |")
    lines += ["", "## Columns", ""]
    for family, batches in families.items():
        lines += _column_lines(family, batches)
    lines += ["", "## Compatibility views", ""]
    lines += [f"- `{SCHEMA}.{view}`" for view in views] or ["None."]
    lines += ["", "## Table by table", "", "| Old | New | Partitions | Rows before | Rows after |"]
    lines += ["|---|---|--:|--:|--:|"]
    for batches in families.values():
        lines += [
            f"| {batch.old} | {batch.new} | {batch.partitions} | {_total(before, [batch.new])} | "
            f"{_total(after, [batch.new])} |"
            for batch in batches
        ]
    return "\n".join(lines) + "\n"


def of_plan(plan: Plan, whole: str) -> dict[str, str]:
    """The whole plan, manifest, page and JSON twin, by the names of their files.

    Args:
        plan: the plan.
        whole: link of the whole plan, to be named on the page.
    """
    return {
        WHOLE: table(plan),
        MANIFEST: manifest(renames_of(plan)),
        "plan.md": summary(plan, whole=whole),
        "plan.json": json.dumps(plan.to_dict(), indent=1) + "\n",
    }


def of_result(
    plan: Plan,
    *,
    renames: Iterable[tuple[str, str, Rename]],
    before: Mapping[str, int],
    after: Mapping[str, int],
    views: Sequence[str] = (),
) -> dict[str, str]:
    """Manifest, counts before and after, and the documentation of the tables, by the names of their files.

    Args:
        plan: of the database as it is after the migration.
        renames: everything that is renamed, see `manifest`.
        before: exact rows before, by the parent's new name.
        after: exact rows after, by the parent's new name.
        views: compatibility views under the old names.
    """
    lines = [f"{name},{before.get(name, '')},{after.get(name, '')}" for name in sorted({*before, *after})]
    return {
        TABLES: documentation(plan, before=before, after=after, views=views),
        MANIFEST: manifest(renames),
        COUNTS: "\n".join(["table,rows_before,rows_after", *lines]) + "\n",
    }


def preflight(facts: Mapping[str, str | int], warnings: Sequence[str]) -> str:
    """What the preflight found, the end of the approval's page, Markdown."""
    lines = [
        f"- {name}: {value:,}" if isinstance(value, int) else f"- {name}: {markdown(value)}"
        for name, value in facts.items()
    ]
    return (
        "\n".join(["## Preflight", "", *lines, *(f"- **{markdown(warning)}**" for warning in warnings)])
        + "\n"
    )


def reversal(batches: Sequence[Mapping[str, Any]]) -> str:
    """The page of the approval of taking names back, Markdown."""
    if not batches:
        return "# Taking the old names back\n\n**Nothing to do**: no rename is in force.\n"
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(batch["renames"])
    listed = ", ".join(_counted(counts[kind], kind) for kind in _KINDS if counts[kind])
    lines = ["# Taking the old names back", "", f"To rename back: {listed}; in {len(batches)} transactions."]
    facts = (
        ("view", "compatibility views are dropped"),
        ("rebuilt", "tables have partitions that builds made; these get the old naming too"),
        ("added", "tables keep columns that builds added"),
        ("aside", "tables have such a column in the place of a legacy one; it is moved aside"),
        ("returned", "tables get legacy rows back that builds kept beside them"),
    )
    lines += [f"- {number} {text}" for key, text in facts if (number := sum(bool(b[key]) for b in batches))]
    lines += ["", "| Family | Pairs |", "|---|--:|"]
    families = Counter(str(batch["family"]) for batch in batches)
    return "\n".join([*lines, *(f"| {family} | {pairs} |" for family, pairs in families.items())]) + "\n"


def dropping(views: Sequence[str], functions: Sequence[str]) -> str:
    """The page of the approval of dropping compatibility views, Markdown."""
    lines = ["# Dropping the compatibility views", ""]
    if not views:
        return "\n".join([*lines, "**Nothing to do**: there are none."]) + "\n"
    lines += [f"To drop: {len(views)} views, for example `{names.few(list(views))}`. No table is touched."]
    if functions:
        lines += [
            "",
            f"**Functions that use old names will fail**: {names.few([code(name) for name in functions])}.",
        ]
    return "\n".join(lines) + "\n"


def _headline(plan: Plan) -> str:
    counts = Counter(rename.kind for batch in plan.at_work for rename in batch.renames)
    if not counts:
        found = any(batch.state != "missing" for batch in plan.batches)
        done = sum(batch.state == "done" for batch in plan.batches)
        why = f"{done} tables are migrated already" if done else "no legacy table is left to rename"
        left = f"; {len(plan.conflicts)} conflicts stay" if plan.conflicts else ""
        return f"**Nothing to rename**: {why if found else 'this database has no legacy tables'}{left}."
    listed = ", ".join(_counted(counts[kind], kind) for kind in _KINDS if counts[kind])
    batches = sum(1 for _ in plan.at_work)
    return (
        f"To rename: {listed}; in {batches} transactions, one per family and pair. No row is read, written "
        f"or moved. Conflicts: {len(plan.conflicts)}. Nothing was changed so far."
    )


def _counted(count: int, kind: Kind) -> str:
    return f"{count:,} {kind if count == 1 else _PLURAL.get(kind, f'{kind}s')}"


def _conflicts(plan: Plan) -> Iterator[str]:
    if plan.conflicts:
        yield from ("", "## Conflicts: these stay as they are until you act", "")
        for batch in plan.conflicts[:MOST_CONFLICTS]:
            yield f"- **{batch.family} of {batch.pair}**: {markdown(batch.reason)}"
        if len(plan.conflicts) > MOST_CONFLICTS:
            yield f"- ... and {len(plan.conflicts) - MOST_CONFLICTS} more in the whole plan"


def _families(plan: Plan) -> Iterator[str]:
    """One row per family: how many pairs are in which state, and what gets another name."""
    states = [state for state in _STATES if any(batch.state == state for batch in plan.batches)]
    kinds = [kind for kind in _KINDS if any(r.kind == kind for batch in plan.at_work for r in batch.renames)]
    heads = [*states, *(_PLURAL.get(kind, f"{kind}s") for kind in kinds)]
    yield from ("", "## Families: pairs by state, objects by kind", "")
    yield f"| Family | Old name | New name | {' | '.join(heads)} |"
    yield "|---|---|---" + "|--:" * len(heads) + "|"
    for family, batches in _by_family(plan.batches).items():
        in_state = Counter(batch.state for batch in batches)
        of_kind = Counter(rename.kind for batch in batches for rename in batch.renames)
        cells = [in_state[state] for state in states] + [of_kind[kind] for kind in kinds]
        yield f"| {family} | {_spelled(family)} | {' | '.join(f'{cell:,}' for cell in cells)} |"


def _columns(plan: Plan) -> Iterator[str]:
    """Which columns give way, by family."""
    for family, batches in _by_family(plan.at_work).items():
        columns = sorted({r.old for batch in batches for r in batch.renames if r.kind == "column"})
        if columns:
            text = (
                f"`{names.few(columns)}` become `{names.LEGACY_PREFIX}...`: the catalogue uses these names."
            )
            yield from ("", f"Columns of {family}: {text}")


def _remarks(plan: Plan) -> Iterator[str]:
    """Reasons of batches that are no conflicts, each once."""
    remarks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for batch in plan.batches:
        if batch.reason and batch.state != "conflict":
            remarks[batch.family, batch.reason.replace(batch.pair, "{pair}")].append(batch.pair)
        if batch.drop_first:
            what = "a table that the builds made" if batch.drop_rows else "an empty table of ours"
            remarks[batch.family, f"{what} is dropped for the legacy one"].append(batch.pair)
    if remarks:
        yield from ("", "## Remarks", "")
        for (family, reason), pairs in list(remarks.items())[:6]:
            yield f"- {family} of {names.few(pairs)}: {markdown(reason)}"
        if len(remarks) > 6:
            yield f"- ... and {len(remarks) - 6} more in the whole plan"


def _notes(notes: Sequence[Note]) -> Iterator[str]:
    """One line per kind: how many, the first few, what it means."""
    kinds: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        kinds[note.kind].append(note)
    if kinds:
        yield from ("", "## Notes", "")
    for kind, found in kinds.items():
        listed = names.few([code(note.name) for note in found])
        first = "" if len({note.text for note in found}) == 1 else "the first "
        yield f"- **{kind}** ({len(found)}): {listed}: {first}{markdown(found[0].text)}"


def _column_lines(family: str, batches: Sequence[Batch]) -> Iterator[str]:
    renamed = {r.old for batch in batches for r in batch.renames if r.kind == "column"}
    legacy = names.LEGACY_COLUMNS.get(family, ())
    if batches and legacy:  # a plan made after the migration has no renames, the rule is the same
        renamed |= set(legacy) & set(table_of(family, batches[0].pair).columns)
    kept = [name for name in legacy if name not in renamed]
    if kept:
        yield f"- {family} keeps {len(kept)} legacy columns: {', '.join(kept)}"
    if renamed:
        pairs = ", ".join(f"`{name}` -> `{names.LEGACY_PREFIX}{name}`" for name in sorted(renamed))
        yield f"- {family} renames {len(renamed)}: {pairs}"


def _by_family(batches: Iterator[Batch] | Sequence[Batch]) -> dict[str, list[Batch]]:
    families: dict[str, list[Batch]] = defaultdict(list)
    for batch in batches:
        families[batch.family].append(batch)
    return families


def _spelled(family: str) -> str:
    return f"{names.old_parent(family, '{pair}')} | {names.new_parent(family, '{pair}')}"


def _total(counts: Mapping[str, int], tables: Sequence[str]) -> str:
    known = [counts[name] for name in tables if name in counts]
    return f"{sum(known):,}" if known else "not counted"
