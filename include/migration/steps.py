"""What the DAG does, one function per task: plan, prepare, count, apply, check, publish.

Three actions share these steps: migrate, take the names back, drop the compatibility views. The plan is kept
in the database under its hash: the approval holds for exactly that, and workers need not share a disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from include.errors import MigrationFailed, MigrationRefused, NothingToDo
from include.migration import baseline, execute, journal, pages, preflight, revert, verify, views
from include.migration.model import Plan
from include.migration.names import FAMILIES, few, new_parent
from include.migration.notes import OLD_NAME
from include.migration.objects import find
from include.migration.plan import Options, make_plan
from include.pages import markdown
from include.reports import Reports
from include.storage.connection import Connection, connect
from include.storage.partitions import count_rows
from include.storage.stage_order import uncompared_pairs

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
            Options(params["replace_empty"], params["accept_rate_names"], params["replace_built"]),
        )


def plan(url: str, request: Request, *, reports: Reports, run_label: str) -> dict[str, Any]:
    """Say what would be done; reads the catalog only.

    Returns:
        Plain values: action, hash, pairs with something to do, conflicts (what a person has to decide
        about), page (Markdown, for the approval) and files (links of the whole plan, empty for other
        actions than migrate). A pair that was renamed
        and not found right since has its comparison to do, one whose documents are not there has these.
    """
    files: dict[str, str] = {}
    digest, conflicts = "", list[str]()
    if request.action == MIGRATE:
        made = make_plan(url, pairs=request.pairs, options=request.options)
        if not request.compatibility_views:
            made = made._replace(notes=tuple(note for note in made.notes if note.kind != OLD_NAME))
        whole = reports.link(journal.KIND, run_label, pages.WHOLE)
        files = reports.write(journal.KIND, run_label, pages.of_plan(made, whole))
        page, digest = pages.summary(made, whole=whole), made.hash
        conflicts = _told(made)
        uncompared, undocumented, opened = _left_over(url, request, reports)
        pairs = uncompared | undocumented | set(opened) | {batch.pair for batch in made.at_work}
        if uncompared:
            page += f"\nRenamed by an earlier run, compared by this one: {', '.join(sorted(uncompared))}.\n"
        if opened:
            listed = markdown(few([problem for found in opened.values() for problem in found]))
            page += f"\nOld names that do not answer as their tables do, mended by this run: {listed}.\n"
        if undocumented:
            page += f"\nDocuments that this run writes: {', '.join(sorted(undocumented))}.\n"
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
        "conflicts": conflicts,
        "page": page,
        "files": files,
    }


def prepare(
    url: str, request: Request, planned: Mapping[str, Any], *, parallel: int, dry_run: bool = False
) -> dict[str, Any]:
    """Preflight, and the plan is stored: nothing of the legacy tables is touched.

    Args:
        url: libpq connection string.
        request: what was asked for.
        planned: result of `plan`.
        parallel: pairs at once, at most.
        dry_run: the plan is all.

    Returns:
        Plain values: pairs to work on; page, what was found as Markdown.

    Raises:
        NothingToDo: it is a dry run, or nothing is left to do.
        MigrationRefused: something forbids the run, only conflicts are left, or the database changed since
            the plan was made.
    """
    pairs, plan_hash = planned["pairs"], planned["hash"]
    if planned["conflicts"] and not (dry_run or pairs):
        raise MigrationRefused(
            f"Nothing can be renamed before you decide about these: {few(planned['conflicts'])}. Nothing was "
            "changed."
        )
    if dry_run or not pairs:
        raise NothingToDo("Dry run: see the plan." if pairs else "Nothing to do.")
    if request.action == DROP_VIEWS and not request.waive_functions:
        _refuse_breaking_functions(url, request)
    if request.action != MIGRATE:
        return {"pairs": pairs, "page": ""}
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
    return {"pairs": pairs, "page": pages.preflight(found.facts, found.warnings)}


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
    done = execute.run(url, approved, pair, compatibility_views=request.compatibility_views)
    return done | {"views_mended": views.mend(url, pair)}


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
    accepted = {
        "waive_functions": request.waive_functions,
        "compatibility_views": request.compatibility_views,
    }
    try:
        return verify.run(url, pair, **accepted)
    except MigrationFailed as error:
        if conflicts := _conflicts(url, request, pair):
            raise MigrationFailed(
                f"{pair}: {few(conflicts)}. Decide about these, then start a new run of bqx_migrate. {error}"
            ) from error
        raise


def _conflicts(url: str, request: Request, pair: str) -> list[str]:
    """What the plan could not rename, and between what a person has to choose."""
    return _told(make_plan(url, pairs=[pair], options=request.options))


def _told(made: Plan) -> list[str]:
    return [f"{batch.old}: {batch.reason}" for batch in made.conflicts]


def publish(
    url: str, request: Request, plan_hash: str, *, reports: Reports, run_label: str
) -> dict[str, object]:
    """Write what everybody needs afterwards: the manifest of names, counts before and after, the tables.

    All of it follows from the database, of every pair asked for: what an earlier run renamed and was killed
    before it wrote about it is in these documents too.

    Returns:
        Plain values: files by what they are, rows before and after.

    Raises:
        MigrationFailed: something is left to rename.
    """
    if request.action != MIGRATE:
        return {"files": {}}
    made = make_plan(url, pairs=request.pairs, options=request.options)
    if left := [batch.old for batch in made.at_work]:
        raise MigrationFailed(f"Left to rename: {', '.join(left)}. Start a new run.")
    with connect(url) as connection:
        journal.ensure_tables(connection)
        before, after = _counts(connection, request.pairs)
        renames = [
            (entry.family, pair, entry.rename)
            for pair in request.pairs
            for entry in journal.in_force(connection, pair)
        ]
        result = pages.of_result(
            made,
            renames=renames,
            before=before,
            after=after,
            views=views.existing(connection, request.pairs),
        )
        links = reports.write(journal.KIND, run_label, result)
        files = {name.partition(".")[0]: link for name, link in links.items()}  # as evidence asks for them
        journal.record_documents(connection, request.pairs, files, run_label)
    moved = set(before) & set(after)
    return {
        "files": files,
        "rows_before": sum(before[name] for name in moved),
        "rows_after": sum(after[name] for name in moved),
    }


def _counts(connection: Connection, pairs: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Exact rows before and after, by the new name.

    What was compared with the count before and found equal has been counted after; builds may have added
    rows since. Everything else is counted now.
    """
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    for pair in pairs:
        compared: dict[str, int] = {}
        for row in baseline.read(connection, pair):
            name = new_parent(row.family, pair)
            before[name] = before.get(name, 0) + row.content.rows
            if row.verified:
                compared[name] = compared.get(name, 0) + row.content.rows
        names = [new_parent(family, pair) for family in FAMILIES]
        after |= {
            name: compared[name] if name in compared else count_rows(connection, name)
            for name in names
            if find(connection, name)
        }
    return before, after


def _left_over(
    url: str, request: Request, reports: Reports
) -> tuple[set[str], set[str], dict[str, list[str]]]:
    """What earlier runs left: pairs not compared, without documents, or with wrong views."""
    with connect(url) as connection:
        written = journal.documents(connection, request.pairs)
        undocumented = {pair for pair, documents in written.items() if not documents.are_there(reports)}
        opened = (
            {
                pair: [problem for found in views.problems(connection, pair).values() for problem in found]
                for pair in request.pairs
            }
            if journal.is_there(connection)
            else {}
        )
        opened = {pair: found for pair, found in opened.items() if found}
        return uncompared_pairs(connection, request.pairs), undocumented, opened


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
