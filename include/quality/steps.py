"""The tasks of the DAG bqx_features: one function each, plain values in and out.

A stage and its gate are one task: a gate of its own would start a process, load the kernels and read the bars
again, which takes longer than the check (docs/decisions/0009-gate-in-the-task.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from include import settings
from include.build import shared as sharing
from include.build.coverage import check_coverage, gaps_of
from include.build.months import build as build_months
from include.errors import NothingToDo
from include.quality.gate import check_stage
from include.quality.memory import pairs_in_order
from include.reports import Reports
from include.settings import Stage
from include.storage.connection import connect
from include.storage.stage_order import beside_others

log = logging.getLogger(__name__)

__all__ = ["build", "build_shared", "build_stage", "coverage", "select"]


def select(url: str, params: Mapping[str, Any]) -> list[str]:
    """The pairs of a run in which something is to be built or checked; a rebuild has to do with all of them.

    A pair that a build would leave as it is costs as many tasks as any other, so it is left out of the run.

    Args:
        url: libpq connection string.
        params: of the run.
    """
    pairs: list[str] = params["pairs"]
    if params["rebuild"] or params["dry_run"]:
        return pairs
    right = pairs_in_order(url, pairs, params["families"], params["months"] or ())
    if right:
        log.info("Right already, nothing is built or checked again: %s", ", ".join(sorted(right)))
    return [pair for pair in pairs if pair not in right]


def build_shared(url: str, params: Mapping[str, Any]) -> dict[str, object]:
    """Compute what the correlation families of all pairs read; see `include.build.shared.build_shared`.

    Raises:
        NothingToDo: no such family was asked for.
    """
    if not settings.needs_shared(params["families"]):
        raise NothingToDo("No correlation family was asked for.")
    months, rebuild = params["months"] or (), params["rebuild"]
    return sharing.build_shared(url, months, rebuild=rebuild, dry_run=params["dry_run"])


def build(
    url: str,
    stage: Stage,
    pair: str,
    params: Mapping[str, Any],
    *,
    failed: Callable[[], Mapping[str, Sequence[str]]],
    reports: Reports,
    run_label: str,
) -> dict[str, object]:
    """Build the families of a stage that were asked for, for one pair, and check them; see `build_stage`.

    Args:
        url: libpq connection string.
        stage: the stage of the project plan.
        pair: the currency pair.
        params: of the run.
        failed: asked for a stage that comes after others: failed tasks by pair.
        reports: where the reports go.
        run_label: name of the run, under which its reports lie.

    Raises:
        NothingToDo: none of its families was asked for, or a family that it comes after is not right.
    """
    families, months = stage.wanted(params["families"]), params["months"] or ()
    if not families:
        raise NothingToDo("None of this stage's families was asked for.")
    before = [family for family in stage.after if family in params["families"]]
    if (
        before
        and not params["dry_run"]
        and (faults := failed().get(pair) or gaps_of(url, pair, before, months))
    ):
        raise NothingToDo(f"Left out, its other stages are not right: {' '.join(faults)}")
    options = {name: params[name] for name in ("rebuild", "dry_run")}
    return build_stage(url, pair, families, months, reports=reports, run_label=run_label, **options)


def build_stage(
    url: str,
    pair: str,
    families: Sequence[str],
    months: Sequence[str] = (),
    *,
    reports: Reports,
    run_label: str,
    rebuild: bool = False,
    dry_run: bool = False,
) -> dict[str, object]:
    """Build families of one pair and check every month of them that no gate has found right as it is now.

    Args:
        url: libpq connection string.
        pair: the currency pair.
        families: stored families of the catalogue.
        months: months as ``yyyy-mm``; empty means every month that has bars.
        reports: where the reports go.
        run_label: name of the run, under which its reports lie.
        rebuild: build and check months again that are already right.
        dry_run: say what would be built; write and check nothing.

    Returns:
        The result of `include.build.months.build`; under ``gate`` that of `check_stage`.

    Raises:
        QualityError: something is wrong in the tables; the message names the worst and the report.
        MissingInput, Busy, SchemaMismatch: see `include.build.months.build`.
        MigrationDue: stage 1.6.9 has to be done for the pair first.
    """
    if dry_run:
        return build_months(url, pair, families, months, rebuild=rebuild, dry_run=True)
    with connect(url) as connection, beside_others(connection, pair):  # no revert between build and gate
        built = build_months(url, pair, families, months, rebuild=rebuild)
        gate = check_stage(url, pair, families, months, reports=reports, run_label=run_label, again=rebuild)
    return built | {"gate": gate}


def coverage(
    url: str,
    selected: Sequence[str],
    params: Mapping[str, Any],
    *,
    shared: Mapping[str, Any] | None,
    failed: Mapping[str, Sequence[str]],
) -> dict[str, object]:
    """Compare the keys of all families of each pair; see `include.build.coverage.check_coverage`.

    Args:
        url: libpq connection string.
        selected: pairs of the run that were not right already.
        params: of the run.
        shared: result of `build_shared`, None if it was skipped.
        failed: failed tasks by pair.

    Raises:
        NothingToDo: it is a dry run.
        Incomplete: something is missing or failed; the pairs are named.
    """
    if params["dry_run"]:
        raise NothingToDo("Dry run: nothing was built.")
    left_out, pairs = (shared or {}).get("left_out", {}), params["pairs"]
    found = check_coverage(
        url, pairs, params["families"], params["months"] or (), left_out=left_out, failed=failed
    )
    right = len(pairs) - len(selected)
    told = f"Features of {right} of {len(pairs)} pairs were right already: nothing was built for them."
    return found | ({"summary": told} if right else {})
