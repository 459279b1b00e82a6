"""The leaderboard: one page without outside parts, in whole sentences, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from include import charts, pages
from include.charts import Drawn
from include.names import to_datetime
from include.training.truth import figures, tables
from include.training.truth.audit import Audit
from include.training.truth.bootstrap import LEAST_DAYS
from include.training.truth.figures import NOMINAL, TOLERANCE
from include.training.truth.reduced import Reduced, name_of
from include.training.truth.scores import Block, Fold, SetScores
from include.training.truth.verdicts import FEW_DAYS, SKILL, SUSPICIOUS

__all__ = ["GENERATOR", "Subject", "draw", "summary"]

GENERATOR = "bqx truth report"
TEMPLATE = Path(__file__).with_name("leaderboard.html.j2")


class Subject(NamedTuple):
    """What the page is about."""

    title: str
    jobs: Sequence[Reduced]
    val: SetScores
    test: SetScores
    folds: Sequence[Fold]
    audits: Sequence[Audit]
    version: str


def draw(subject: Subject) -> tuple[bytes, dict[str, bytes]]:
    """The page, and its figures by file name."""
    drawn = list(_drawn(subject))
    of_val = {(each.pair, each.model): each for each in subject.val.pairs}
    blocks: dict[tuple[str, str], list[Block]] = {}
    for block in subject.test.blocks:
        blocks.setdefault((block.pair, block.model), []).append(block)
    page = pages.template(TEMPLATE).render(
        generator=GENERATOR,
        title=subject.title,
        version=subject.version,
        summary=summary(subject),
        facts=list(_facts(subject)),
        notes=list(_notes(subject)),
        audits=[str(audit) for audit in subject.audits],
        figures=drawn,
        standings=[
            tables.standing(test, of_val[test.pair, test.model]) for test in tables.ranked(subject.test.pairs)
        ],
        chance=subject.test.chance,
        groups=tables.backtest_groups(subject.folds),
        cards=[tables.card(job, blocks[job.pair, job.model]) for job in subject.jobs],
        least=LEAST_DAYS,
        few=FEW_DAYS,
    )
    return page.encode(), {f"{number}_{each.name}.png": each.picture for number, each in enumerate(drawn, 1)}


def summary(subject: Subject) -> str:
    """The result in one or two sentences."""
    verdicts = Counter(block.verdict for block in subject.test.blocks)
    looks, chance = len(subject.test.blocks), subject.test.chance
    models = sorted({job.model for job in subject.jobs})
    pairs = len({job.pair for job in subject.jobs})
    what = (
        f"{_counted(pairs, 'pair')}, {' and '.join(map(name_of, models))}, "
        f"{_counted(looks // len(subject.jobs), 'horizon')}"
    )
    start = f"The test set was looked at {looks} times ({what})"
    if verdicts[SUSPICIOUS]:
        return (
            f"{start}. {verdicts[SUSPICIOUS]} of these results {_is(verdicts[SUSPICIOUS])} too good to be "
            "believed without a leakage audit; nothing may be deployed before it is done."
        )
    if not chance.looks:
        return (
            f"{start}. It has fewer than {LEAST_DAYS} trading days, so nothing can be said about skill: the "
            "scores are shown without intervals, and no gate opens."
        )
    low, high = chance.controlled_range
    return (
        f"{start}. {verdicts[SKILL] or 'None'} of these results {_shows(verdicts[SKILL])} skill beyond the "
        "no-skill forecast after control for false discoveries; chance alone would give "
        f"{_between(low, high)}."
    )


def _drawn(subject: Subject) -> Iterator[Drawn]:
    yield Drawn(
        "skill",
        "Skill by pair and horizon, test set",
        "Skill is the share of the squared error of the no-skill forecast that a model saves: 0 is as good "
        "as the forecast that anybody has for free, below 0 is worse. Lines are 95% intervals from resampled "
        "trading days. A dot is filled only if the result survives the control for the number of looks.",
        charts.png(figures.skill(subject.test.blocks)),
    )
    yield Drawn(
        "predicted",
        "Predicted against actual",
        "In the upper rows a cloud along the dashed diagonal is no evidence of skill: much of the change of "
        "BQX follows from its present value alone. The lowest row shows what the model adds to the no-skill "
        "forecast, in tenths of its size: points on the diagonal are right, points on the horizontal line "
        "mean that what the model adds does not come true.",
        charts.png(figures.predicted(subject.jobs)),
    )
    yield Drawn(
        "importance",
        "Importance and its stability",
        "What the models use beyond the no-skill forecast. Where they have no skill this shows what they "
        "learned by chance. If models of other days, rolling folds or parts of train, share less than 60% of "
        "their 50 best columns, the ranking says little.",
        charts.png(figures.importance(subject.jobs)),
    )
    yield Drawn(
        "coverage",
        "Coverage of the intervals, test set",
        "The intervals are made to hold 90% of what comes; they are fitted on the later half of the "
        "validation set. Dots left of the band mean intervals that are too narrow, which happens when "
        "volatility changes.",
        charts.png(figures.coverage(subject.test.blocks)),
    )
    if subject.folds:
        yield Drawn(
            "backtest",
            "Backtest over time",
            "Each dot is a model that was trained on the days before and tested on the days after: the mean "
            "skill of the horizons, with their range. Neighbouring folds share days. Skill that is real "
            "stays above 0 most of the time.",
            charts.png(figures.backtest(subject.folds)),
        )


def _facts(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Name, value and small print."""
    test = subject.test
    verdicts, chance = Counter(block.verdict for block in test.blocks), test.chance
    first = min(job.sets["test"].first for job in subject.jobs)
    last = max(job.sets["test"].last for job in subject.jobs)
    yield "Models", str(len(subject.jobs)), f"{_counted(len({job.pair for job in subject.jobs}), 'pair')}"
    yield (
        "Trading days, test",
        str(test.days),
        f"{to_datetime(first):%Y-%m-%d} to {to_datetime(last):%Y-%m-%d}",
    )
    yield "Looks at the test set", str(len(test.blocks)), "pairs x models x horizons"
    if chance.looks:
        low, high = chance.controlled_range
        yield "Verdicts of skill", str(verdicts[SKILL]), f"by chance {_between(low, high)}"
        low, high = chance.nominal_range
        yield "Intervals above 0, each alone", str(chance.nominal), f"by chance {_between(low, high)}"
    yield "Suspicious", str(verdicts[SUSPICIOUS]), "gate G0"
    yield "Too few days", str(verdicts[FEW_DAYS]), f"fewer than {LEAST_DAYS}"


def _notes(subject: Subject) -> Iterator[str]:
    few = sum(block.verdict == FEW_DAYS for block in subject.test.blocks)
    if few:
        yield (
            f"{few} of {len(subject.test.blocks)} results rest on fewer than {LEAST_DAYS} trading days. They "
            "have no interval and open no gate; a score from so few days says next to nothing."
        )
    chance = subject.test.chance
    if chance.looks and chance.nominal > chance.controlled:
        yield (
            f"{chance.nominal} results look like skill by themselves (one-sided 2.5%), {chance.hochberg} by "
            f"Benjamini-Hochberg, {chance.controlled} by Benjamini-Yekutieli, which holds whatever the "
            "results have in common and decides. Do not pick from the first number."
        )
    low = [
        block for block in subject.test.blocks
        if block.whole.days >= LEAST_DAYS and abs(block.whole.coverage.value - NOMINAL) > TOLERANCE
    ]  # fmt: skip
    if low:
        yield (
            f"The intervals of {len(low)} results hold less than {NOMINAL - TOLERANCE:.0%} or more than "
            f"{NOMINAL + TOLERANCE:.0%} of what came, instead of {NOMINAL:.0%}."
        )
    if subject.folds:
        pairs = sorted({fold.pair.upper() for fold in subject.folds})
        yield f"The backtest covers {', '.join(pairs)}."
    else:
        found = [job.metrics.get("backtest") for job in subject.jobs]
        reasons = {str(each["why_none"]) for each in found if isinstance(each, dict) and each.get("why_none")}
        yield f"There is no backtest: {'; '.join(sorted(reasons)[:3]) or 'the jobs were not asked for one'}."
    yield (
        "The seed asked for R2 above 0.85 and directional accuracy above 60%. The second is met by the "
        "no-skill forecast already; the first cannot be met without leakage at these horizons."
    )


def _shows(number: int) -> str:
    return "shows" if number == 1 else "show"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
