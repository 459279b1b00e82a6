"""A stage for one pair: build its tables, then let the gate look at what is really there.

Both are one task: a gate of its own would start a process, load the kernels and read the bars again, which
takes longer than the check (docs/decisions/0009-gate-in-the-task.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from include.build.months import build
from include.quality.gate import check_stage


def build_stage(
    url: str,
    pair: str,
    families: Sequence[str],
    months: Sequence[str] = (),
    *,
    reports: str,
    run_label: str,
    rebuild: bool = False,
    dry_run: bool = False,
) -> dict[str, object]:
    """Build families of one pair and check every month of them, also those that were right already.

    Args:
        url: libpq connection string.
        pair: the currency pair.
        families: stored families of the catalogue.
        months: months as ``yyyy-mm``; empty means every month that has bars.
        reports: folder of all reports.
        run_label: name of the run, a folder in it.
        rebuild: build months again that are already right.
        dry_run: say what would be built; write and check nothing.

    Returns:
        The result of `include.build.months.build`; under ``gate`` that of `check_stage`.

    Raises:
        QualityError: something is wrong in the tables; the message names the worst and the report.
        MissingInput, Busy, SchemaMismatch: see `include.build.months.build`.
    """
    built = build(url, pair, families, months, rebuild=rebuild, dry_run=dry_run)
    if dry_run:
        return built
    return built | {"gate": check_stage(url, pair, families, months, reports=reports, run_label=run_label)}
