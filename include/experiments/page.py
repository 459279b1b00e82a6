"""The pages of an experiment and of A/B tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from include import pages
from include.experiments.ab import Result
from include.experiments.sequential import LEVEL
from include.experiments.trial import GAIN
from include.names import to_datetime
from include.training.choice import page as choice
from include.training.truth import tables
from include.training.truth.bootstrap import LEAST_DAYS

__all__ = ["experiment", "split"]

GENERATOR = "bqx experiments"
HERE = Path(__file__).parent
DAY = 1440  # minutes

Plain = Mapping[str, Any]


class Table(NamedTuple):
    """A table of a page.

    Attributes:
        title: above it.
        words: what its columns mean.
        heads: of the columns.
        rows: their cells.
    """

    title: str
    words: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


def experiment(told: Plain, dataset_id: str) -> bytes:
    """The page of an experiment.

    Args:
        told: from `include.experiments.trial.conclude`.
        dataset_id: that its models learned from.
    """
    found = told["pairs"]
    gains = Table(
        "Gain of skill",
        "Both models on the newest trading days that neither has seen, mean over the horizons. With fewer "
        f"than {LEAST_DAYS} days there is no interval. Looks are models that experiments have compared on "
        "hold-outs which end on the same day: the best of many models looks better than it is.",
        ("Pair", "Hold-out", "Days", "Looks", "Champion", "Experiment", "Gain (95% interval)"),
        [
            (
                each["pair"],
                f"{each['from'][:10]} to {each['to'][:10]}",
                each["days"],
                each["looks"],
                f"{each['champion']:.4f}",
                f"{each['experiment']:.4f}",
                _gain(each),
            )
            for each in found
        ],
    )
    params = Table(
        "Params that differ",
        "As the jobs of both models were told. A champion of another data set has learned from other days.",
        ("Pair", "Param", "Champion", "Experiment"),
        [
            (each["pair"], name, *(tables.NONE if value is None else value for value in values))
            for each in found
            for name, values in each["params"].items()
        ],
    )
    facts = [
        ("Outcome", "propose" if told["roll_out"] else "do not roll out", "for all pairs"),
        ("Gain of skill", f"{told['gain']:+.4f}", f"mean of the pairs; more than {GAIN} is asked for"),
        ("Pairs", str(len(found)), f"of data set {dataset_id}"),
    ]
    return _draw(f"Experiment on {dataset_id}", told["summary"], facts, (gains, params))


def split(found: Sequence[Result], since: int, as_of: int, summary: str) -> bytes:
    """The page of A/B tests.

    Args:
        found: where each of them stands.
        since: epoch minute from which answers count.
        as_of: epoch minute that counts as now.
        summary: one sentence.
    """
    verdicts = Table(
        "Verdicts",
        "Gain: by how much the squared error of an answer is smaller than that of the no-skill forecast, "
        "scaled; of a day, the mean of the challenger less that of the champion. Evidence of "
        f"{1 / LEVEL:.0f} decides. Equal versions are called different in at most {LEVEL:.0%} of all tests, "
        "however often one looks.",
        ("Pair", "Champion", "Challenger", "Days", "Gain of a day", "Evidence", "Verdict", "Decided on day"),
        [
            (
                each.pair,
                each.champion,
                each.challenger,
                each.verdict.days,
                tables.number(each.verdict.gain, 4),
                f"{each.verdict.evidence:.3g}",
                each.verdict.outcome,
                each.verdict.day or tables.NONE,
            )
            for each in found
        ],
    )
    days = Table(
        "Trading days with answers of both",
        "Answers are counted by horizon.",
        ("Pair", "Day", "Gain of the champion", "Gain of the challenger", "Answers"),
        [
            (
                each.pair,
                f"{to_datetime(day.day * DAY):%Y-%m-%d}",
                tables.number(day.champion, 4),
                tables.number(day.challenger, 4),
                f"{day.answers[0]:,} / {day.answers[1]:,}",
            )
            for each in found
            for day in each.days
        ],
    )
    title = f"A/B tests from {to_datetime(since):%Y-%m-%d} to {to_datetime(as_of):%Y-%m-%d}"
    return _draw(title, summary, (), (verdicts, days))


def _draw(title: str, summary: str, facts: Iterable[tuple[str, str, str]], shown: Iterable[Table]) -> bytes:
    page = pages.template(HERE / "experiments.html.j2", choice.HERE)
    return page.render(
        generator=GENERATOR, title=title, summary=summary, alarms=(), facts=facts, tables=shown
    ).encode()


def _gain(each: Plain) -> str:
    if each["low"] is None:
        return f"{each['gain']:+.4f}"
    return f"{each['gain']:+.4f} ({each['low']:+.4f} to {each['high']:+.4f})"
