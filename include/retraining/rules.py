"""The rule table of a retraining: what becomes of the challenger of a pair.

The rules are those of the specification, read with skill in place of R2, which is partly mechanical.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from include.training.choice.record import rounded

__all__ = ["CLOSE", "DEPLOY", "FALL", "KEEP", "MISSING", "REVIEW", "RULES", "Case", "Rule", "judge"]

DEPLOY, KEEP, REVIEW = "deploy", "keep", "review"
CLOSE = 0.02  # of skill: a challenger that is worse by no more is fresher, and is deployed
FALL = 0.05  # of skill: one that is worse by more is looked at by a person
MISSING = 0.05  # share of NULL above that of training, from which an important column counts as missing


@dataclass(frozen=True)
class Case:
    """What is known of a pair when its challenger is judged.

    Attributes:
        why_not: why the challenger cannot be deployed at all; empty if it can.
        champion: whether a model serves the pair.
        same: the challenger serves already.
        unknown: nobody knows any more what the champion has seen.
        windows: both forecast the same windows of BQX.
        missing: important columns that are missing in the newest data.
        days: whole trading days of the hold-out.
        least_days: with fewer of them nothing is compared.
        before, after: skill of champion and challenger on the hold-out.
    """

    why_not: str = ""
    champion: bool = True
    same: bool = False
    unknown: bool = False
    windows: bool = True
    missing: Collection[str] = field(default_factory=tuple)
    days: int = 0
    least_days: int = 1
    before: float = 0.0
    after: float = 0.0

    @property
    def change(self) -> float:
        """Of skill; from rounded numbers, so that computers of different kinds agree at a limit."""
        return rounded(self.after - self.before)


@dataclass(frozen=True)
class Rule:
    """A row of the table.

    Attributes:
        name: of the row, in the record.
        holds: whether it applies, if none above it does.
        outcome: `DEPLOY`, `KEEP` or `REVIEW`.
        words: why, for people.
    """

    name: str
    holds: Callable[[Case], bool]
    outcome: str
    words: str


RULES = (
    Rule(
        "no challenger", lambda case: bool(case.why_not), KEEP,
        "There is no new model that may be deployed.",
    ),
    Rule(
        "serves already", lambda case: case.same, KEEP,
        "The newest decision is the one that serves.",
    ),
    Rule(
        "first", lambda case: not case.champion, DEPLOY,
        "Nothing serves the pair yet.",
    ),
    Rule(
        "critical feature missing", lambda case: bool(case.missing), REVIEW,
        "An important column is missing in the newest data.",
    ),
    Rule(
        "champion unknown", lambda case: case.unknown, REVIEW,
        "Nobody knows any more which days the champion has learned from.",
    ),
    Rule(
        "other windows", lambda case: not case.windows, REVIEW,
        "The challenger forecasts other windows of BQX, so their skill cannot be compared.",
    ),
    Rule(
        "too few days", lambda case: case.days < case.least_days, KEEP,
        "The hold-out that neither has seen has too few whole trading days.",
    ),
    Rule(
        "fall", lambda case: case.change < -FALL, REVIEW,
        "The skill of the challenger is lower by more than 0.05.",
    ),
    Rule(
        "better or close", lambda case: case.change >= -CLOSE, DEPLOY,
        "The challenger is better, or worse by at most 0.02 of skill, and has learned from newer data.",
    ),
    Rule(
        "worse", lambda _: True, KEEP,
        "The skill of the challenger is lower by more than 0.02.",
    ),
)  # fmt: skip
"""First row that holds."""


def judge(case: Case) -> Rule:
    """The row of a case. A skill that is not a number is no reason to deploy."""
    return next(rule for rule in RULES if rule.holds(case))
