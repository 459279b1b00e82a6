"""The page of a retraining, the question about doubtful pairs, and the lines of the mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include import pages
from include.pages import markdown
from include.retraining.rules import DEPLOY, KEEP, REVIEW
from include.training.choice import page as choice
from include.training.truth import tables
from include.training.truth.bootstrap import LEAST_DAYS

__all__ = ["draw", "lines", "question", "summary"]

GENERATOR = "bqx retraining"
HERE = Path(__file__).parent
STYLES = {DEPLOY: "good", REVIEW: "alarm", KEEP: "zero"}

Plain = Mapping[str, Any]


def summary(compared: Sequence[Plain], absent: Sequence[str]) -> str:
    """One sentence: how many pairs have which outcome."""
    counts = Counter(each["outcome"] for each in compared)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (DEPLOY, KEEP, REVIEW) if counts[outcome])
    lost = f" {len(absent)} could not be compared: {', '.join(absent)}." if absent else ""
    return f"Pairs: {told or 'none'}.{lost}"


def lines(compared: Sequence[Plain]) -> list[str]:
    """A line for each reason, with its pairs: what a mail says."""
    by_rule: dict[tuple[str, str], list[str]] = {}
    for each in compared:
        by_rule.setdefault((each["outcome"], each["why"]), []).append(str(each["pair"]))
    return [f"{outcome} {', '.join(pairs)}: {why}" for (outcome, why), pairs in sorted(by_rule.items())]


def question(compared: Sequence[Plain], link: str) -> str:
    """The page above the buttons, Markdown: the pairs that a person decides about."""
    rows = [
        f"| {each['pair']} | {_skill(each, 'champion')} | {_skill(each, 'challenger')} | {_why(each)} |"
        for each in compared
        if each["outcome"] == REVIEW
    ]
    return "\n".join(
        [
            "Approve to deploy these challengers all the same; reject to keep what serves.",
            "",
            "| pair | skill now | skill then | why |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"All pairs: {link}",
        ]
    )


def draw(compared: Sequence[Plain], title: str, told: str) -> bytes:
    """The page of the run."""
    page = pages.template(HERE / "retraining.html.j2", choice.HERE).render(
        generator=GENERATOR,
        title=title,
        summary=told,
        lines=(),
        alarms=(),
        facts=(),
        least=LEAST_DAYS,
        rows=[_row(each) for each in compared],
    )
    return page.encode()


def _row(each: Plain) -> dict[str, Any]:
    window, r2 = each["holdout"], each["r2"] or {}
    return {
        "pair": each["pair"],
        "outcome": each["outcome"],
        "style": STYLES[each["outcome"]],
        "holdout": f"{window['from'][:10]} to {window['to'][:10]}" if window else tables.NONE,
        "days": window["days"] if window else 0,
        "before": _skill(each, "champion"),
        "after": _skill(each, "challenger"),
        "change": _change(each["skill"]),
        "r2_before": _number(r2.get("champion")),
        "r2_after": _number(r2.get("challenger")),
        "r2_no_skill": _number(r2.get("no_skill")),
        "why": f"{each['why']} {', '.join(each['missing'])}".strip(),
    }


def _why(each: Plain) -> str:
    return markdown(f"{each['why']} {', '.join(each['missing'])}".strip())


def _skill(each: Plain, which: str) -> str:
    return _number((each["skill"] or {}).get(which))


def _change(skill: Plain | None) -> str:
    if skill is None:
        return tables.NONE
    if skill["low"] is None:
        return f"{skill['change']:+.4f}"
    return f"{skill['change']:+.4f} ({skill['low']:+.4f} to {skill['high']:+.4f})"


def _number(value: float | None) -> str:
    return tables.NONE if value is None else f"{value:.4f}"
