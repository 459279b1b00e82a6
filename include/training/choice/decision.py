"""The decision about a pair: the content of its record, from the scores of its models and the rule table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from include.training.choice.comparison import Candidate
from include.training.choice.record import FORMAT, Decision, rounded
from include.training.choice.rules import (
    BASELINES,
    CORRELATED,
    ENSEMBLE,
    FOREST,
    G1_MARGIN,
    G3_MARGIN,
    GAIN,
    NETWORKS,
    XGBOOST,
    Case,
    Incumbent,
    deploy,
    select,
)
from include.training.truth import tables
from include.training.truth.reduced import name_of
from include.training.truth.scores import Block, PairScore
from include.training.truth.verdicts import SEED_R2, SKILL

__all__ = [
    "APPROVED",
    "NOT_ASKED",
    "NOT_JUDGED",
    "PASSED",
    "REJECTED",
    "Gate2",
    "Subject",
    "case_of",
    "decide",
]

APPROVED, REJECTED, NOT_ASKED = "approved", "rejected", "not asked"
ANSWERS = {
    APPROVED: "A person approved the training of the networks.",
    REJECTED: "A person rejected the training of the networks, or did not answer in time.",
    NOT_ASKED: "Nobody was asked whether the networks may be trained.",
}
GOALS = {"r2_above_0.85": "R2 above 0.85", "da_above_0.60": "direction above 60%"}
PASSED, NOT_PASSED, NOT_JUDGED = "passed", "not passed", "not judged"


class Gate2(NamedTuple):
    """What became of gate G2.

    Attributes:
        opens: whether the statistics opened it.
        approval: of a person: approved, rejected or not asked.
        reason: why the statistics opened it or not, one sentence.
    """

    opens: bool
    approval: str
    reason: str


class Subject(NamedTuple):
    """What is decided about.

    Attributes:
        pair: for example ``eurusd``.
        dataset_id, content_hash: of the data set.
        candidates: models that can be compared.
        left_out: why others cannot, by model.
        correlations: between the models of the ensemble.
        gate: G2.
    """

    pair: str
    dataset_id: str
    content_hash: str
    candidates: Mapping[str, Candidate]
    left_out: Mapping[str, str]
    correlations: Mapping[tuple[str, str], float]
    gate: Gate2

    @property
    def windows(self) -> dict[str, int]:
        """Window by horizon, minutes; empty without a candidate."""
        return {str(block.h): block.w for block in self._first.blocks["val"]} if self.candidates else {}

    @property
    def days(self) -> dict[str, int]:
        """Trading days by split; the candidates have the same rows."""
        scores = self._first.scores if self.candidates else {}
        return {name: found.split_days for name, found in scores.items()}

    @property
    def judged_days(self) -> int:
        """Trading days of validation that the scores are of; those of its later half give the intervals."""
        return self._first.scores["val"].days

    @property
    def columns_hash(self) -> str | None:
        """Of the columns that the models read, in their order; None without a candidate."""
        return self._first.card.get("columns_hash") if self.candidates else None

    @property
    def no_skill(self) -> float:
        """R2 of the no-skill forecast on validation."""
        return self._first.scores["val"].r2.no_skill

    @property
    def _first(self) -> Candidate:
        return next(iter(self.candidates.values()))


def case_of(subject: Subject, incumbent: Mapping[str, Any] | None = None) -> Case:
    """What the rule table is asked.

    Args:
        subject: of the decision.
        incumbent: the model that may be deployed already, as a record has it.
    """
    rows = (subject.content_hash, subject.windows)
    return Case(
        scores={model: rounded(found.scores["val"].r2.model) for model, found in subject.candidates.items()},
        days=subject.days.get("val", 0),
        skilled={
            model for model, found in subject.candidates.items()
            if any(block.verdict == SKILL for block in found.blocks["val"])
        },
        worse={
            model for model, found in subject.candidates.items()
            if (high := found.scores["val"].skill.high) is not None and high < 0
        },
        approved=subject.gate.approval == APPROVED,
        correlation=_largest(subject.correlations.values()),
        suspicious=bool(_alarms(subject)),
        incumbent=None if incumbent is None else Incumbent(
            (incumbent["content_hash"], incumbent["windows"]) == rows, incumbent["r2"]
        ),
    )  # fmt: skip


def decide(
    subject: Subject, archives: Sequence[Mapping[str, Any]], before: Decision | None
) -> dict[str, Any]:
    """The content of the decision record.

    Args:
        subject: of the decision.
        archives: of the model that is chosen.
        before: the decision before; None if there is none.
    """
    incumbent = None if before is None else before.incumbent
    case = case_of(subject, incumbent)
    selection = select(case)
    model = selection.model(case)
    deployment = deploy(case, model)
    relation = _relation(case)
    return {
        "format": FORMAT,
        "pair": subject.pair,
        "dataset_id": subject.dataset_id,
        "content_hash": subject.content_hash,
        "windows": subject.windows,
        "days": subject.days,
        "columns_hash": subject.columns_hash,
        "chosen": model or None,
        "archives": list(archives),
        "rule": selection.name,
        "deployable": deployment.allowed,
        "deployment_rule": deployment.name,
        "why_not": "" if deployment.allowed else deployment.words,
        "previous": None if before is None else before.hash,
        "incumbent": incumbent,
        "relation": relation,
        "rationale": [
            selection.words,
            *_comparison(subject, case),
            deployment.words,
            _history(incumbent, relation),
        ],
        "gates": _gates(subject, case, model),
        "scores": {
            name: {each: _score(found.scores[each], found.blocks[each]) for each in found.scores}
            for name, found in subject.candidates.items()
        },
        "left_out": dict(subject.left_out) | case.refused,
    }


def _relation(case: Case) -> str:
    if case.incumbent is None:
        return "first"
    return "same data set" if case.incumbent.same_rows else "other data set"


def _history(incumbent: Mapping[str, Any] | None, relation: str) -> str:
    if incumbent is None:
        return "No model of this pair may be deployed by an earlier decision."
    known = f"{name_of(incumbent['model'])} of data set {incumbent['dataset_id']} may be deployed already"
    if relation == "same data set":
        return f"{known}; it was scored on the same rows, with an R2 of {tables.number(incumbent['r2'], 3)}."
    return (
        f"{known}. Its scores are of other rows or windows and are not compared: this model is a challenger."
    )


def _comparison(subject: Subject, case: Case) -> Iterator[str]:
    """R2 of all candidates beside no skill, who takes no part, and gate G2."""
    if subject.candidates:
        scores = ", ".join(f"{name_of(model)} {tables.number(r2, 3)}" for model, r2 in case.scores.items())
        no_skill = tables.number(subject.no_skill, 3)
        yield (
            "R2 of raw BQX on validation, mean over the horizons, on the earlier half of its rows "
            f"({subject.judged_days} of {case.days} trading days): {scores}; the no-skill forecast has "
            f"{no_skill} on the same rows."
        )
    for model, reason in (dict(subject.left_out) | case.refused).items():
        yield f"{name_of(model)} takes no part: {reason}."
    yield f"Gate G2 {'opens' if subject.gate.opens else 'stays closed'}: {subject.gate.reason}"
    if subject.gate.opens:
        yield ANSWERS[subject.gate.approval]


def _gates(subject: Subject, case: Case, model: str) -> dict[str, Any]:
    alarms = _alarms(subject)
    return {
        "G0": {"outcome": "alarm" if alarms else "no alarm", "alarms": alarms},
        "G1": {
            "outcome": _g1(case),
            "margin": G1_MARGIN,
            "r2": {each: case.scores.get(each) for each in BASELINES},
        },
        "G2": {
            "outcome": "open" if subject.gate.opens else "closed",
            "approval": subject.gate.approval,
            "reason": subject.gate.reason,
            "limit": SEED_R2,
            "r2": case.scores.get(XGBOOST),
        },
        "G3": {
            "outcome": _g3(case),
            "margin": G3_MARGIN,
            "r2": {each: case.scores[each] for each in NETWORKS if each in case.scores},
        },
        "ensemble": {
            "outcome": _mix(case),
            "gain": GAIN,
            "most_correlated": CORRELATED,
            "correlations": {" / ".join(each): value for each, value in subject.correlations.items()},
            "r2": case.scores.get(ENSEMBLE),
        },
        "G4": _g4(subject.candidates[model].blocks["test"] if model else ()),
    }


def _g1(case: Case) -> str:
    if not case.enough_days or len(case.baselines) < len(BASELINES):
        return NOT_JUDGED
    return PASSED if case.r2[XGBOOST] > case.r2[FOREST] + G1_MARGIN else NOT_PASSED


def _g3(case: Case) -> str:
    networks = [model for model in NETWORKS if model in case.r2]
    if not (networks and case.baselines and case.enough_days):
        return NOT_JUDGED
    return PASSED if any(map(case.replaces, networks)) else NOT_PASSED


def _mix(case: Case) -> str:
    if ENSEMBLE not in case.r2 or not case.enough_days:
        return NOT_JUDGED
    return PASSED if case.mixes else NOT_PASSED


def _g4(blocks: Sequence[Block]) -> dict[str, Any]:
    """The seed's goals on test: recorded, they decide nothing."""
    counts = Counter(f"{GOALS[name]}: {result}" for block in blocks for name, result in block.gates.items())
    outcome = "; ".join(f"{what} ({number} of {len(blocks)})" for what, number in sorted(counts.items()))
    return {
        "outcome": outcome or NOT_JUDGED,
        "horizons": {
            str(block.h): {"r2": block.whole.r2.model, "da": block.whole.da.model, **block.gates}
            for block in blocks
        },
    }


def _alarms(subject: Subject) -> list[dict[str, Any]]:
    return [
        {"model": model, "h": block.h, "reason": block.suspicion}
        for model, found in subject.candidates.items()
        for block in found.blocks["test"]
        if block.suspicion
    ]


def _score(score: PairScore, blocks: Sequence[Block]) -> dict[str, Any]:
    """Means over the horizons, and each horizon, beside no skill."""
    kept = ("r2", "skill", "da", "mae_scaled", "coverage", "verdicts")
    return {name: getattr(score, name) for name in kept} | {
        "horizons": {
            str(block.h): {
                "r2": block.whole.r2, "skill": block.whole.skill, "da": block.whole.da,
                "p": block.p, "p_by": block.p_by, "verdict": block.verdict,
            }
            for block in blocks
        }
    }  # fmt: skip


def _largest(values: Any) -> float:
    """NaN if there is none, or if one is not known."""
    found = list(values)
    return max(found) if found and all(map(math.isfinite, found)) else math.nan
