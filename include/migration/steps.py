"""What the DAG does, one function per task: plan, prepare, count, apply, check, publish.

Three actions share these steps: migrate, take the names back, drop the compatibility views. The plan is kept
in the database under its hash: the approval holds for exactly that, and workers need not share a disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from include.errors import MigrationFailed, MigrationRefused
from include.migration import baseline, execute, journal, pages, preflight, revert, verify, views
from include.migration.model import Plan
from include.migration.names import FAMILIES, new_parent
from include.migration.objects import find
from include.migration.plan import Options, make_plan
from include.storage.connection import connect
from include.storage.partitions import count_rows

log = logging.getLogger(__name__)

MIGRATE, REVERT, DROP_VIEWS = ACTIONS = ("migrate", "revert", "drop views")


class Request(NamedTuple):
    """What a run was asked for; see the params of the DAG.

    Attributes:
        pairs: the currency pairs.
        action: one of `ACTIONS`.
        compatibility_views: leave a view under each old name.
        waive_functions: accept functions that mention old names, although they will fail.
        options: what the plan may do beyond the rules.
    """

    pairs: tuple[str, ...]
    action: str
    compatibility_views: bool
    waive_functions: bool
    options: Options

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Request:
        """From the params of a run."""
        return cls(
            tuple(params["pairs"]),
            params["action"],
            params["compatibility_views"],
            params["waive_functions"],
            Options(params["replace_empty"], params["accept_rate_names"]),
        )


def plan(url: str, request: Request, *, reports: str, run_label: str) -> dict[str, Any]:
    """Say what would be done; reads the catalog only.

    Returns:
        Plain values: action, hash, pairs with something to do, page (Markdown, for the approval) and
        files (paths of the whole plan, empty for other actions than migrate). A pair that was renamed
        and not found right since has its comparison to do.
    """
    files: dict[str, Path] = {}
    digest = ""
    if request.action == MIGRATE:
        made = make_plan(url, pairs=request.pairs, options=request.options)
        files = pages.write_plan(made, folder_of(reports, run_label))
        page, digest = pages.summary(made, whole=str(files["table"])), made.hash
        left = _uncompared(url, request)
        pairs = left | {batch.pair for batch in made.at_work}
        page += f"\nRenamed by an earlier run, compared by this one: {', '.join(sorted(left))}.\n" * bool(
            left
        )
    elif request.action == REVERT:
        batches = revert.plan(url, request.pairs)
        page, pairs = pages.reversal(batches), {str(batch["pair"]) for batch in batches}
    else:
        names, functions = _views_of(url, request)
        page = pages.dropping(names, functions)
        pairs = {pair for pair in request.pairs for name in names if name.endswith(f"_{pair}")}
    log.info("%s", page)
    return {
        "action": request.action,
        "hash": digest,
        "pairs": [pair for pair in request.pairs if pair in pairs],
        "page": page,
        "files": {what: str(path) for what, path in files.items()},
    }


def prepare(url: str, request: Request, plan_hash: str, *, parallel: int) -> dict[str, Any]:
    """Preflight, and the plan is stored: nothing of the legacy tables is touched.

    Returns:
        Plain values: page, what was found as Markdown.

    Raises:
        MigrationRefused: something forbids the run, or the database changed since the plan was made.
    """
    if request.action == DROP_VIEWS and not request.waive_functions:
        _refuse_breaking_functions(url, request)
    if request.action != MIGRATE:
        return {"page": ""}
    made = make_plan(url, pairs=request.pairs, options=request.options)
    if made.hash != plan_hash:
        raise MigrationRefused(
            f"The database changed since the plan was made (hash {plan_hash}, now {made.hash}). Nothing was "
            "renamed; start a new run and look at its plan."
        )
    found = preflight.check(url, made, parallel=parallel)
    with connect(url) as connection:
        journal.ensure_tables(connection)
        journal.store_plan(connection, made)
    return {"page": pages.preflight(found.facts, found.warnings)}


def count(url: str, request: Request, plan_hash: str, pair: str) -> dict[str, object]:
    """Take the baseline of a pair: exact counts and fingerprints, the reference of `check`."""
    if request.action != MIGRATE:
        return {"pair": pair, "rows": 0}
    return baseline.take(url, _stored(url, plan_hash), pair)


def apply(url: str, request: Request, plan_hash: str, pair: str) -> dict[str, object]:
    """Carry out the action for one pair."""
    if request.action == REVERT:
        return revert.run(url, [pair])
    if request.action == DROP_VIEWS:
        return views.drop_views(url, [pair])
    approved = _stored(url, plan_hash)
    return execute.run(url, approved, pair, compatibility_views=request.compatibility_views)


def check(url: str, request: Request, pair: str) -> dict[str, object]:
    """Compare a pair with what it was before.

    Raises:
        MigrationFailed: something is not as it was.
    """
    if request.action == REVERT:
        return verify.reverted(url, pair)
    if request.action == DROP_VIEWS:
        return {"pair": pair, "rows": 0}
    # While a view answers to the old name, a function that mentions it goes on working.
    waived = request.waive_functions or request.compatibility_views
    return verify.run(url, pair, waive_functions=waived)


def publish(url: str, request: Request, plan_hash: str, *, reports: str, run_label: str) -> dict[str, object]:
    """Write what everybody needs afterwards: the manifest of names, counts before and after, the tables.

    Returns:
        Plain values: files by what they are, rows before and after.

    Raises:
        MigrationFailed: something is left to rename.
    """
    if request.action != MIGRATE:
        return {"files": {}}
    if left := [batch.old for batch in make_plan(url, pairs=request.pairs, options=request.options).at_work]:
        raise MigrationFailed(f"Left to rename: {', '.join(left)}. Start a new run.")
    made = _stored(url, plan_hash)
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    with connect(url) as connection:
        for pair in request.pairs:
            for row in baseline.read(connection, pair):
                name = new_parent(row.family, pair)
                before[name] = before.get(name, 0) + row.content.rows
            names = [new_parent(family, pair) for family in FAMILIES]
            after |= {name: count_rows(connection, name) for name in names if find(connection, name)}
        kept = views.existing(connection, request.pairs)
    files = pages.write_result(made, folder_of(reports, run_label), before=before, after=after, views=kept)
    moved = set(before) & set(after)
    return {
        "files": {what: str(path) for what, path in files.items()},
        "rows_before": sum(before[name] for name in moved),
        "rows_after": sum(after[name] for name in moved),
    }


def folder_of(reports: str, run_label: str) -> Path:
    """Where the pages of a run are kept; the clean-up of reports leaves them alone."""
    return Path(reports) / "migration" / "".join(c if c.isalnum() or c in "_-" else "-" for c in run_label)


def _uncompared(url: str, request: Request) -> set[str]:
    with connect(url) as connection:
        return baseline.uncompared(connection, request.pairs)


def _stored(url: str, plan_hash: str) -> Plan:
    with connect(url) as connection:
        return journal.stored_plan(connection, plan_hash)


def _views_of(url: str, request: Request) -> tuple[list[str], list[str]]:
    with connect(url) as connection:
        functions = {
            name for pair in request.pairs for name in verify.functions_with_old_names(connection, pair)
        }
        return views.existing(connection, request.pairs), sorted(functions)


def _refuse_breaking_functions(url: str, request: Request) -> None:
    names, functions = _views_of(url, request)
    if names and functions:
        raise MigrationRefused(
            f"Functions still use old names and would fail without the views: {', '.join(functions)}. "
            "Change them first, or accept it with waive_functions."
        )
