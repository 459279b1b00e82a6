"""What follows from the facts: each proposal names what was found, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from include.dataset.select import STABLE, TOP
from include.monitoring.declaration import declared
from include.monitoring.retrainings import DECIDED, FAILED
from include.monitoring.scoreboard import RETRAINING
from include.monitoring.values import Budget
from include.review.facts import Facts

__all__ = ["proposals"]


def proposals(facts: Facts, budget: Budget) -> list[str]:
    """Proposals in the order features, models, data quality, cost; empty if there is nothing to propose.

    Args:
        facts: of the quarter.
        budget: of a month, from the project plan.
    """
    return [*_features(facts), *_models(facts), *_quality(facts, budget), *_cost(facts, budget)]


def _features(facts: Facts) -> Iterator[str]:
    if facts.stability is not None and facts.stability < STABLE:
        yield (
            f"Rolling folds share {facts.stability:.0%} of their {TOP} most important columns, less than "
            f"{STABLE:.0%}: try fewer columns or more folds with bqx_experiment."
        )


def _models(facts: Facts) -> Iterator[str]:
    if poor := sorted(pair for pair, skill in facts.skill.items() if skill <= 0):
        yield (
            f"No skill above the no-skill forecast in {', '.join(poor)}: try other params on them with "
            "bqx_experiment, or tell users that these forecasts are no better than none."
        )
    if unseen := sorted(set(facts.models) - set(facts.skill)):
        yield f"Nothing was scored of {', '.join(unseen)}: switch on bqx_predict and bqx_monitor."
    ended = facts.retrainings.get(DECIDED, 0) + facts.retrainings.get(FAILED, 0)
    if ended and facts.retrainings.get(DECIDED, 0) / ended < RETRAINING:
        yield (
            f"{facts.retrainings.get(FAILED, 0)} of {ended} retrainings failed: their rows in "
            "bqx.retrainings say why."
        )
    if not ended:
        yield "No retraining has ended: switch on bqx_retrain."


def _quality(facts: Facts, budget: Budget) -> Iterator[str]:
    found, partitions = facts.findings
    if found:
        yield f"The quality gate has {found} findings in {partitions} partitions: build them again."
    values = declared(budget)
    for name, level in facts.levels.items():
        if level.criticals and name in values and values[name].rules:
            yield (
                f"{values[name].title} was critical in {level.criticals} of {level.readings} readings: see "
                f"runbooks/{values[name].runbook}.md."
            )


def _cost(facts: Facts, budget: Budget) -> Iterator[str]:
    if not facts.cost:
        yield "Nothing is known of the cost: let bqx_monitor read it."
    for line, planned in budget.lines.items():
        if facts.cost.get(line, 0.0) > planned:
            spent = facts.cost[line]
            yield f"{line} costs ${spent:,.0f} of ${planned:,.0f} a month already: look at its lever."
