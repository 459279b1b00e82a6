"""The truth report of one training run: the leaderboard page, its pictures, and the same as data."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from include.errors import BadParameter, QualityError
from include.names import to_datetime
from include.reports import INDEX
from include.training.truth import bootstrap, leaderboard, tables
from include.training.truth.audit import Audit, Matrix, audits
from include.training.truth.leaderboard import Subject
from include.training.truth.outputs import MEASURED
from include.training.truth.reduced import Reduced, same_rows
from include.training.truth.scores import Block, Fold, SetScores, score, score_folds

__all__ = ["CSV", "SCORES", "Truth", "report"]

SCORES, CSV = "scores.json", "leaderboard.csv"
FORMAT = 1
EMBARGO = 195  # minutes without rows before each set, of them 75 in which labels would reach across


class Truth(NamedTuple):
    """What the report says.

    Attributes:
        files: content by name, the page first: page, scores.json, leaderboard.csv, pictures.
        scores: what scores.json holds.
        alarm: the leakage audit in words if gate G0 fired, else empty. Whoever runs the pipeline stops at it.
        summary: the result in one sentence.
    """

    files: dict[str, bytes]
    scores: dict[str, Any]
    alarm: str
    summary: str


def report(reduced: Iterable[bytes], *, title: str, version: str = "", matrix: Matrix | None = None) -> Truth:
    """Score all models of a run together, on the same days, and draw the leaderboard.

    The order of the jobs does not matter, and the same jobs give the same bytes.

    Args:
        reduced: what `include.training.truth.reduce.reduce_job` made of each job; absent pairs are simply
            not there.
        title: of the page, for example the run.
        version: of the code whose tests passed.
        matrix: gives columns of the test rows for the leakage audit, see `include.training.truth.audit`.

    Raises:
        BadParameter: there is no job, one is there twice, or they are of different data sets.
        QualityError: models of a pair were not judged on the same rows.
    """
    jobs = sorted(map(Reduced.from_bytes, reduced), key=lambda job: (job.pair, job.model))
    _belong_together(jobs)
    sets = {name: score(jobs, name) for name in MEASURED}
    folds = [fold for job in jobs for fold in score_folds(job)]
    by_key = {(job.pair, job.model): job for job in jobs}
    found = audits(sets["test"].blocks, by_key, matrix)
    subject = Subject(title, jobs, sets["val"], sets["test"], folds, found, version)
    scores = _plain(subject)
    page, pictures = leaderboard.draw(subject)
    files = {
        INDEX: page,
        SCORES: json.dumps(scores, allow_nan=False, separators=(",", ":")).encode(),
        CSV: _csv([*sets["test"].blocks, *sets["val"].blocks]),
        **pictures,
    }
    return Truth(files, scores, "\n".join(map(str, found)), leaderboard.summary(subject))


def _belong_together(jobs: Sequence[Reduced]) -> None:
    if not jobs:
        raise BadParameter("there is no finished training job to report on; see why the jobs failed")
    keys = [(job.pair, job.model) for job in jobs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise BadParameter(f"{' '.join(twice[0])} is there twice; report one job for each pair and model")
    hashes = sorted({str(job.card.get("content_hash")) for job in jobs})
    if len(hashes) > 1:
        raise BadParameter(
            f"these jobs learned from different data sets (content hashes {', '.join(hashes)}); report on "
            "each data set by itself"
        )
    first = jobs[0]
    for job in jobs:
        if job.sets["test"].windows != first.sets["test"].windows:
            raise BadParameter(
                f"{job.pair} {job.model} has other windows or horizons than {first.pair} {first.model}; "
                "report on each target_window by itself"
            )
    for one, other in pairwise(jobs):
        if one.pair == other.pair:
            _same_rows(one, other)


def _same_rows(one: Reduced, other: Reduced) -> None:
    """Both models of a pair had the same rows and the same no-skill forecast."""
    for name in MEASURED:
        if not same_rows(one.sets[name], other.sets[name]):
            raise QualityError(
                f"{one.pair}: {one.model} and {other.model} were not judged on the same {name} rows, so "
                "their scores cannot be compared; train both on the same data set with the same target_window"
            )


def _plain(subject: Subject) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "title": subject.title,
        "version": subject.version,
        "target": "raw bqx at t + h; learned as its change in units of s, beyond the no-skill forecast",
        "embargo_minutes": EMBARGO,
        "bootstrap": {"resamples": bootstrap.RESAMPLES, "seed": bootstrap.SEED, "unit": "trading day"},
        "sets": {each.name: _set(each) for each in (subject.test, subject.val)},
        "jobs": [_job(job) for job in subject.jobs],
        "backtest": [_fold(fold) for fold in subject.folds],
        "audits": [_audit(found) for found in subject.audits],
    }


def _set(scores: SetScores) -> dict[str, Any]:
    return {
        "days": scores.days,
        "chance": _jsonable(scores.chance),
        "blocks": [_block(block) for block in scores.blocks],
        "pairs": [_jsonable(pair) for pair in scores.pairs],
    }


def _block(block: Block) -> dict[str, Any]:
    """The groups of the test set only: val chooses by its whole scores."""
    return _jsonable(block if block.set == "test" else block._replace(groups=()))  # type: ignore[no-any-return]


def _job(job: Reduced) -> dict[str, Any]:
    importance = job.importance
    order = np.argsort(-importance.shap.mean(axis=0), kind="stable")
    return {
        "pair": job.pair,
        "model": job.model,
        "card": _jsonable(job.card),
        "metrics": _jsonable(job.metrics),
        "spans": {name: [_moment(sums.first), _moment(sums.last)] for name, sums in job.sets.items()},
        "importance_stability": _jsonable(importance.stability),
        "importance": [
            {"column": importance.columns[place], "shap": float(importance.shap[:, place].mean()),
             "gain": float(importance.gain[:, place].mean())}
            for place in order.tolist()
        ],
    }  # fmt: skip


def _fold(fold: Fold) -> dict[str, Any]:
    return {**_jsonable(fold), "first": _moment(fold.first), "last": _moment(fold.last)}


def _audit(found: Audit) -> dict[str, Any]:
    return {**_jsonable(found), "text": str(found)}


def _jsonable(value: Any) -> Any:
    """Plain values: named tuples as objects, and None for a number that is not defined."""
    if hasattr(value, "_asdict"):
        return {name: _jsonable(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): _jsonable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _moment(minute: int) -> str:
    return to_datetime(minute).isoformat()


def _csv(blocks: Sequence[Block]) -> bytes:
    """One line per pair, model, horizon and set."""
    stream = io.StringIO()
    lines = [tables.line(block) for block in blocks]
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _jsonable(value) for name, value in line.items()} for line in lines)
    return stream.getvalue().encode()
