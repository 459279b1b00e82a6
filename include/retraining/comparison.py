"""Champion against challenger of one pair: the record of what was compared, and what follows.

A record is written once for two versions, so a task that is run again, even after a deployment, finds what
was decided and decides nothing anew.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from include.dataset.export import open_manifest, read_document
from include.dataset.profile import PairProfile
from include.monitoring.freshness import missing_in_training
from include.monitoring.sessions import Window
from include.names import to_datetime
from include.objects import ObjectStore
from include.retraining import scores
from include.retraining.holdout import holdout, kept, key_of, seen_until
from include.retraining.rules import MISSING, Case, judge
from include.retraining.scores import Scores, Two
from include.serving import archives, batch, planning
from include.serving.routing import Target
from include.storage.connection import connect
from include.training.choice import record
from include.training.choice.record import Decision, rounded

__all__ = ["Task", "compare"]

NONE = "none"  # in place of a champion's version

Plain = dict[str, Any]


class Task(NamedTuple):
    """What is to be compared.

    Attributes:
        pair: for example ``eurusd``.
        dataset_id: that the challenger learned from.
        end: epoch minute just after the data.
        days: of the hold-out, at most.
        least_days: with fewer nothing is compared.
        champion: who serves the pair, as the routing table has it; None if nothing does.
        challenger: key of the decision; None if this cycle has none.
    """

    pair: str
    dataset_id: str
    end: int
    days: int
    least_days: int
    champion: Target | None
    challenger: str | None


def compare(url: str, bucket: ObjectStore, task: Task) -> Plain:
    """Compare, or find what was compared before.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        task: what is to be compared.

    Returns:
        The record: ``pair``, ``outcome``, ``rule``, ``why``, versions of ``champion`` and ``challenger``, the
        ``holdout``, ``skill`` and ``r2`` beside no skill, ``horizons``, ``missing`` columns.

    Raises:
        MissingInput: an archive, or bars that a model reads, are gone.
        QualityError: an archive, record or document is not the one that was written.
    """
    decision = None if task.challenger is None else record.read(bucket, task.challenger)
    target, why_not = _target(decision)
    if decision is None or target is None:
        return _told(task, Case(why_not=why_not))
    version = target.version
    if task.champion is not None and task.champion.version == version:
        return kept(bucket, task.pair, version) or _told(task, Case(same=True), version)
    key = key_of(task.pair, version, NONE if task.champion is None else task.champion.version)
    if bucket.get(key) is None:
        made = _compared(url, bucket, task, decision, target)
        bucket.put_once(key, json.dumps(made, sort_keys=True, indent=1).encode())
    return dict(json.loads(bucket.get(key) or b"{}"))


def _target(decision: Decision | None) -> tuple[Target | None, str]:
    """What would serve by a decision, or why nothing may."""
    if decision is None:
        return None, "bqx_train decided nothing about the pair in this cycle."
    try:
        return planning.target_of(decision), ""
    except planning.LeftOut as why:
        return None, f"The challenger is left out: {str(why).rstrip('.')}."


def _compared(url: str, bucket: ObjectStore, task: Task, decision: Decision, target: Target) -> Plain:
    version = target.version
    if task.champion is None:
        return _told(task, Case(champion=False), version)
    case = Case(least_days=task.least_days)
    seen = [seen_until(bucket, one) for one in (record.read(bucket, task.champion.decision), decision)]
    if None in seen:
        return _told(task, replace(case, unknown=True), version)
    if target.windows != task.champion.windows:
        return _told(task, replace(case, windows=False), version)
    window = holdout(task.end, [minute for minute in seen if minute is not None], task.days)
    if window is None:
        return _told(task, case, version)
    archives.ensure(bucket, decision)
    models = batch.load(bucket, task.pair, task.champion), batch.load(bucket, task.pair, target)
    with connect(url) as connection:
        found, null = scores.of_two(connection, task.pair, models, window, task.end)
    columns = [name for model in models for name in scores.important(model)]
    absent = scores.missing(columns, null, _usual(bucket, task, columns), MISSING)
    case = replace(case, missing=tuple(absent))
    if found is not None:
        case = replace(case, days=found.days, before=found.champion.skill, after=found.challenger.skill)
    return _told(task, case, version, window, found)


def _usual(bucket: ObjectStore, task: Task, columns: list[str]) -> dict[str, float]:
    """Share of NULL of some columns in the period of the data set."""
    datasets = bucket._replace(prefix="datasets")
    manifest = open_manifest(datasets, task.dataset_id)
    with np.load(io.BytesIO(read_document(datasets, manifest, "profile")), allow_pickle=False) as stored:
        own = f"{task.pair}/"
        profile = PairProfile.of(
            {name.removeprefix(own): stored[name] for name in stored if name.startswith(own)}
        )
    return dict(zip(columns, missing_in_training(profile, columns).tolist(), strict=True))


def _told(
    task: Task, case: Case, version: str = "", window: Window | None = None, found: Two | None = None
) -> Plain:
    """The record of a case."""
    rule = judge(case)
    return {
        "pair": task.pair,
        "outcome": rule.outcome,
        "rule": rule.name,
        "why": case.why_not or rule.words,
        "dataset_id": task.dataset_id,
        "champion": "" if task.champion is None else task.champion.version,
        "challenger": version,
        "missing": list(case.missing),
        "holdout": None if window is None else {
            "first": window.first, "end": window.end, "days": case.days,
            "from": to_datetime(window.first).isoformat(), "to": to_datetime(window.end).isoformat(),
        },
        "skill": None if found is None else _beside(found, lambda one: one.skill) | {
            "change": case.change, "low": _number(found.low), "high": _number(found.high)
        },
        "r2": None if found is None else _beside(found, lambda one: one.r2) | {
            "no_skill": rounded(found.r2_no_skill)
        },
        "horizons": {} if found is None else {
            str(h): {"champion": rounded(found.champion.horizons[h][0]),
                     "challenger": rounded(found.challenger.horizons[h][0])}
            for h in found.champion.horizons
        },
    }  # fmt: skip


def _beside(found: Two, of: Any) -> dict[str, float]:
    both: Mapping[str, Scores] = {"champion": found.champion, "challenger": found.challenger}
    return {name: rounded(of(one)) for name, one in both.items()}


def _number(value: float | None) -> float | None:
    return None if value is None else rounded(value)
