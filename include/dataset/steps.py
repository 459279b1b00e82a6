"""The tasks of the DAG bqx_dataset: one function each, plain values in and out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from include.dataset import publish as publishing
from include.dataset import retention
from include.dataset import select as selecting
from include.dataset.assemble import export_pair
from include.dataset.evidence import Evidence
from include.dataset.examine import examine_pair
from include.dataset.found import found, is_complete
from include.dataset.frame import Frame, plan_frame
from include.dataset.publish import Choice
from include.dataset.work import Work, arrays_bytes, json_bytes, remove_abandoned
from include.errors import NothingToDo
from include.features.arrays import Floats
from include.objects import ObjectStore
from include.reports import Reports
from include.storage.connection import connect
from include.storage.stage_order import beside_others

__all__ = ["choose", "clean_up", "examine", "export", "plan", "publish", "select"]


def plan(
    url: str,
    store: Callable[[], ObjectStore],
    pairs: Sequence[str],
    run_label: str,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """Decide what the data set is to be; see `include.dataset.frame.plan_frame`.

    Without an id, the newest data set is taken if it was made of the same: it is found, not made. The
    store is opened only then.

    Returns:
        The frame, which all other steps are given.
    """
    frame = plan_frame(url, pairs, run_label, params)
    return (frame if frame.named else found(store(), frame)).to_dict()


def select(store: ObjectStore, frame: Mapping[str, Any], *, dry_run: bool) -> list[str]:
    """The pairs to work on.

    Raises:
        NothingToDo: it is a dry run, or the data set is there already.
    """
    if dry_run:
        raise NothingToDo("Dry run: the plan is all.")
    wanted = Frame.of(frame)
    if is_complete(store, wanted):
        raise NothingToDo(f"Data set {wanted.dataset_id} is there, made of the same tables: nothing to make.")
    return list(wanted.pairs)


def examine(url: str, store: ObjectStore, frame: Mapping[str, Any], pair: str) -> dict[str, Any]:
    """Check, profile and rank all columns of a pair, and keep what was found for `choose`.

    Returns:
        Trainable rows of the three sets, columns, seconds.

    Raises:
        QualityError, LeakedColumn, BadParameter, Incomplete: see `include.dataset.examine.examine_pair`.
        MigrationDue, Busy: see `include.storage.stage_order.beside_others`.
    """
    started = time.monotonic()
    work = Work(store, Frame.of(frame))
    with connect(url) as connection, beside_others(connection, pair):
        found = examine_pair(url, work.frame, pair)
    work.put(f"profile/{pair}.npz", arrays_bytes(found.profile.arrays()))
    work.put(f"evidence/{pair}.npz", arrays_bytes(found.evidence.arrays()))
    return {
        "rows": sum(found.profile.rows.values()),
        "columns": len(found.profile.columns),
        "seconds": round(time.monotonic() - started, 2),
    }


def choose(store: ObjectStore, frame: Mapping[str, Any]) -> dict[str, Any]:
    """Choose one list of columns from what was found about all pairs.

    Returns:
        How many columns were selected, by bucket too; stability over the rolling folds; the note of the
        selection.

    Raises:
        MissingInput: a pair was not examined yet; it is named.
    """
    work = Work(store, Frame.of(frame))
    found, folds = {}, []
    for pair in work.frame.pairs:
        step = f"examine of {pair}"
        found[pair] = Evidence.of(work.get_arrays(f"evidence/{pair}.npz", step))
        folds.append(work.get_arrays(f"profile/{pair}.npz", step)["fold_importance"])
    selection = selecting.choose(found)
    columns = found[work.frame.pairs[0]].columns
    choice = Choice(selection, _stability(columns, folds), selecting.likeness(found, selection.columns))
    choice.save(work)
    return {
        "selected": len(selection.columns),
        "buckets": selection.buckets,
        "stability": choice.stability,
        "note": selection.note,
    }


def export(url: str, store: ObjectStore, frame: Mapping[str, Any], pair: str) -> dict[str, Any]:
    """Write the files of a pair; those that are there already are not sent again.

    Returns:
        Rows, files and bytes of the pair.

    Raises:
        MissingInput: nothing was chosen yet.
        BadParameter: a set of the pair has no rows with all selected columns.
        DatasetConflict: a data set of this id is there and has other files.
        Incomplete: bars or tables changed since the plan.
        MigrationDue, Busy: see `include.storage.stage_order.beside_others`.
    """
    work = Work(store, Frame.of(frame))
    choice = Choice.load(work)
    with connect(url) as connection, beside_others(connection, pair):
        written = export_pair(url, store, work.frame, pair, choice.selection)
    told = written.to_dict() | {"choice": choice.fingerprint}
    work.put(f"exported/{pair}.json", json_bytes(told))
    return {
        "rows": sum(part.rows for part in written.files),
        "files": len(written.files),
        "bytes": sum(part.bytes for part in written.files),
    }


def publish(
    url: str, store: ObjectStore, frame: Mapping[str, Any], reports: Reports, *, dry_run: bool = False
) -> dict[str, Any]:
    """Make the data set visible; see `include.dataset.publish.publish`.

    Raises:
        NothingToDo: it is a dry run.
    """
    if dry_run:
        raise NothingToDo("Dry run: the plan is all.")
    return publishing.publish(url, store, Frame.of(frame), reports)


def clean_up(
    store: ObjectStore, reports: Reports, keep_last: int, *, dry_run: bool = False
) -> dict[str, Any]:
    """Remove old data sets with their reports, and what runs that were given up have left.

    Returns:
        See `include.dataset.retention.Cleanup`; under ``work`` the ids whose intermediate results go.
    """
    removed = retention.clean_up(store, keep_last, dry_run=dry_run)
    if not dry_run:
        for dataset_id in removed.removed:
            reports.remove(publishing.KIND, dataset_id)
    work = remove_abandoned(store, retention.GRACE, dry_run=dry_run)
    return removed._asdict() | {"work": work}


def _stability(columns: Sequence[str], folds: Sequence[Floats]) -> float | None:
    """Likeness of the rankings of the folds, each over the pairs that have rows in it.

    Args:
        columns: full names.
        folds: of each pair, importance of shape (folds, columns), NaN in a fold without rows.
    """
    by_fold = np.array(folds).swapaxes(0, 1)
    known = [[pair for pair in fold if not np.isnan(pair).any()] for fold in by_fold]
    return selecting.stability([selecting.ranked(columns, fold) for fold in known if fold])
