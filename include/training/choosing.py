"""What the tasks of bqx_train call to open gate G2 and to choose the model of every pair."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from include.errors import MissingInput, TrainingFailed
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.training.choice import cost, page
from include.training.choice import gate as gates
from include.training.choice.comparison import Comparison, compare, reduced_jobs
from include.training.choice.cost import Cost
from include.training.choice.decision import (
    APPROVED,
    NOT_ASKED,
    REJECTED,
    Gate2,
    Subject,
    case_of,
    decide,
)
from include.training.choice.record import Decision, write
from include.training.choice.rules import ENSEMBLE, MODELS, WEIGHTS, XGBOOST, select
from include.training.outputs import Results, missing, results_of
from include.training.truth.scores import score

__all__ = ["KIND", "choose", "gate"]

log = logging.getLogger(__name__)

KIND = "decisions"  # of reports
GATE = "gate.html"


def gate(bucket: ObjectStore, reports: Reports, planned: Mapping[str, Any], run_label: str) -> dict[str, Any]:
    """Judge by the validation set for which pairs a person is asked about the networks (gate G2).

    Args:
        bucket: the whole bucket.
        reports: where the page goes.
        planned: from `include.training.jobs.plan`.
        run_label: of the run.

    Returns:
        ``pairs`` for which the gate opens and ``reasons`` of all pairs; ``subject`` and ``question`` of the
        approval; ``hours`` and ``dollars`` that the networks would take, ``saved_hours`` and
        ``saved_dollars`` that the closed gates save; ``report``, the link of the page.
    """
    jobs = list(reduced_jobs(bucket, results_of(bucket, planned), {}))
    openings = gates.judge(score(jobs, "val") if jobs else None, _pairs(planned))
    links = reports.write(
        KIND, run_label, {GATE: page.gate(openings, f"Gate G2 for data set {planned['dataset_id']}")}
    )
    spent, saved = gates.spent(openings), gates.saved(openings)
    return {
        "pairs": [opening.pair for opening in openings if opening.opens],
        "reasons": {opening.pair: opening.reason for opening in openings},
        "subject": gates.subject(openings),
        "question": gates.question(openings, links[GATE]),
        "hours": spent.hours,
        "dollars": spent.dollars,
        "saved_hours": saved.hours,
        "saved_dollars": saved.dollars,
        "report": links[GATE],
    }


def choose(
    bucket: ObjectStore,
    reports: Reports,
    planned: Mapping[str, Any],
    networks: Mapping[str, Any] | None,
    gate: Mapping[str, Any] | None,
    approved: bool | None,
    run_label: str,
) -> dict[str, Any]:
    """Choose the model of every pair of a run, and write its decision record and its page.

    A task that is run again finds the records that it wrote before and writes none twice.

    Args:
        bucket: the whole bucket.
        reports: where the pages go.
        planned: from `include.training.jobs.plan`.
        networks: the same for TFT and the multi-task network; None if they were not trained.
        gate: what the function `gate` returned; None if it did not run.
        approved: the answer of a person; None if nobody was asked.
        run_label: of the run.

    Returns:
        ``records``, the key of each pair's decision record; ``chosen``, how many pairs have which model;
        ``verdicts`` on test beside what chance gives; ``missing`` models; ``report``, the link of the page;
        ``summary``, a few lines.

    Raises:
        TrainingFailed: no job of the run has completed.
        MissingInput: the archive of a chosen model is gone.
    """
    of_networks = {**planned, "jobs": (), **(networks or {})}
    results = results_of(bucket, planned) | results_of(bucket, of_networks)
    if not any(results.values()):
        raise TrainingFailed(
            f"None of the {len(results)} jobs of this run has completed, so there is nothing to choose from. "
            "The log of each task train says why."
        )
    found = compare(bucket, results)
    made = {}
    for pair in _pairs(planned):
        subject = _subject(pair, planned, found, gate or {}, approved)
        made[pair] = _written(bucket, subject, results)
    saved = _saved(found, made)
    lines = page.summary(list(made.values()), found.sets["test"], saved)
    title = f"Models chosen for data set {planned['dataset_id']}"
    files = page.draw(list(made.values()), title, lines, bucket.link)
    links = reports.write(KIND, run_label, files)
    log.info("%s\nDecisions: %s", "\n".join(lines), links[INDEX])
    return {
        "records": {pair: decision.key for pair, decision in made.items()},
        "chosen": dict(Counter(str(decision.content["chosen"]) for decision in made.values())),
        "verdicts": page.verdicts(found.sets["test"]),
        "missing": missing(results),
        "report": links[INDEX],
        "summary": "\n".join([*lines, f"  report {links[INDEX]}"]),
    }


def _pairs(planned: Mapping[str, Any]) -> list[str]:
    return sorted({job["pair"] for job in planned["jobs"]})


def _subject(
    pair: str, planned: Mapping[str, Any], found: Comparison, gate: Mapping[str, Any], approved: bool | None
) -> Subject:
    candidates = found.of(pair)
    opens = pair in gate.get("pairs", ())
    answer = {None: NOT_ASKED, True: APPROVED, False: REJECTED}[approved] if opens else NOT_ASKED
    return Subject(
        pair=pair,
        dataset_id=planned["dataset_id"],
        content_hash=planned["content_hash"],
        candidates={model: candidates[model] for model in MODELS if model in candidates},
        left_out={model: why for (each, model), why in found.left_out.items() if each == pair},
        correlations=found.correlations.get(pair, {}),
        gate=Gate2(opens, answer, gate.get("reasons", {}).get(pair, "It was not judged in this run.")),
    )


def _written(bucket: ObjectStore, subject: Subject, results: Results) -> Decision:
    case = case_of(subject)
    archives = [
        _archive(bucket, subject, model, weight, results[subject.pair, model])
        for model, weight in _parts(select(case).model(case)).items()
    ]
    return write(bucket, subject.pair, lambda before: decide(subject, archives, before))


def _parts(model: str) -> dict[str, float]:
    """The models that are deployed, by weight."""
    return WEIGHTS if model == ENSEMBLE else {model: 1.0} if model else {}


def _archive(
    bucket: ObjectStore, subject: Subject, model: str, weight: float, result: Mapping[str, Any] | None
) -> dict[str, Any]:
    key = str((result or {})["model"])
    body = bucket.get(key)
    if body is None:
        raise MissingInput(
            f"{bucket.uri(key)}, the model archive of {subject.pair} {model}, is gone although its job has "
            "completed. Remove result.json of that job in the bucket and run bqx_train again."
        )
    return {
        "model": model,
        "weight": weight,
        "job": (result or {})["job"],
        "key": key,
        "sha256": hashlib.sha256(body).hexdigest(),
        "code_hash": subject.candidates[model].card.get("code_hash"),
    }


def _saved(found: Comparison, made: Mapping[str, Decision]) -> Cost:
    """What was not spent because gate G2 stayed closed or a person refused."""
    gates_of = {pair: decision.content["gates"]["G2"] for pair, decision in made.items()}
    return cost.of_pairs(
        sum(
            (pair, XGBOOST) in found.candidates and one["approval"] != APPROVED
            for pair, one in gates_of.items()
        )
    )
