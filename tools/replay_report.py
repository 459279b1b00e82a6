"""Plot and table of replayed weeks: skill of what served, and what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from include import charts
from include.retraining.rules import DEPLOY, KEEP, REVIEW

__all__ = ["PICTURE", "TABLE", "draw", "table", "write"]

PICTURE, TABLE = "img/replay.png", "replay_table.md"
OUTCOMES = (DEPLOY, KEEP, REVIEW)

Week = Mapping[str, Any]


def write(weeks: Sequence[Week], out: Path) -> None:
    """Write both below a folder."""
    (out / PICTURE).parent.mkdir(parents=True, exist_ok=True)
    (out / PICTURE).write_bytes(draw(weeks))
    (out / TABLE).write_text(table(weeks))


def table(weeks: Sequence[Week]) -> str:
    """A line for each week, Markdown."""
    head = (
        "Monday", "run", "skill of what served", "R2 / no skill", "deploy, keep, review",
        "hold-out: champion", "hold-out: challenger", "seconds",
    )  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for week in weeks:
        counts, values = Counter(each["outcome"] for each in week["pairs"]), week["values"]
        outcomes = ", ".join(str(counts[name]) for name in OUTCOMES)
        r2 = f"{_number(values.get('r2'))} / {_number(values.get('r2_no_skill'))}"
        lines.append(
            f"| {week['monday']} | {week['state']} | {_number(values.get('skill'))} | {r2} | {outcomes} | "
            f"{_number(_mean(week, 'champion'))} | {_number(_mean(week, 'challenger'))} | {week['seconds']} |"
        )
    return "\n".join(lines) + "\n"


def draw(weeks: Sequence[Week]) -> bytes:
    """Skill of what served and of both models on the hold-outs, above the decisions of each week."""
    figure = charts.blank(5.2)
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 2))
    names = [f"{date.fromisoformat(week['monday']):%d %b}" for week in weeks]
    places = list(range(len(weeks)))
    skill = charts.panel(figure, grid[0], "skill", "Skill, mean over pairs and horizons")
    skill.axhline(0, color=charts.SOFT, lw=0.8)
    lines = (
        ("forecasts of the week", [week["values"].get("skill") for week in weeks]),
        ("champion on the hold-out", [_mean(week, "champion") for week in weeks]),
        ("challenger on the hold-out", [_mean(week, "challenger") for week in weeks]),
    )
    handles: list[Any] = [
        skill.plot(places, [np.nan if value is None else value for value in values], "o-", ms=4, color=colour,
                   label=name)[0]
        for (name, values), colour in zip(lines, charts.COLOURS, strict=False)
    ]  # fmt: skip
    charts.tidy(skill, "y")
    decided = charts.panel(figure, grid[1], "decisions", "Pairs by what was decided")
    bottom = np.zeros(len(weeks))
    for name, colour in zip(OUTCOMES, charts.COLOURS[2:], strict=False):
        heights = np.array([sum(each["outcome"] == name for each in week["pairs"]) for week in weeks], float)
        handles.append(decided.bar(places, heights, 0.6, bottom, color=colour, label=name))
        bottom += heights
    for axes in (skill, decided):
        axes.set_xticks(places, names)
    charts.legend(figure, handles, 3)
    return charts.png(figure)


def _mean(week: Week, which: str) -> float | None:
    found = [each["skill"][which] for each in week["pairs"] if each["skill"]]
    return sum(found) / len(found) if found else None


def _number(value: float | None) -> str:
    return "no data" if value is None else f"{value:+.4f}"
