"""The page of a review."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from include import pages
from include.review.facts import Facts
from include.training.choice import page as choice
from include.training.truth import tables

__all__ = ["draw"]

SHOWN = 15  # columns


def draw(facts: Facts, proposals: Sequence[str], since: datetime, as_of: datetime) -> bytes:
    """The page of a quarter."""
    stability = tables.NONE if facts.stability is None else f"{facts.stability:.0%}"
    total = facts.cost.get("")
    page = pages.template(Path(__file__).parent / "review.html.j2", choice.HERE).render(
        generator="bqx review",
        title=f"Review of {since:%Y-%m-%d} to {as_of:%Y-%m-%d}",
        summary=f"{len(proposals)} proposals." if proposals else "Nothing is proposed.",
        alarms=(),
        facts=[
            ("Columns", str(facts.columns), facts.dataset_id or "no data set"),
            ("Stability", stability, "of the ranking"),
            ("Models", str(len(facts.models)), "pairs are served"),
            ("Findings", str(facts.findings[0]), f"in {facts.findings[1]} partitions"),
            ("Cost", tables.NONE if total is None else f"${total:,.0f}", "month to date"),
        ],
        proposals=proposals,
        columns=list(facts.important.items())[:SHOWN],
        models=[
            (pair, version, f"{facts.skill[pair]:+.4f}" if pair in facts.skill else tables.NONE)
            for pair, version in sorted(facts.models.items())
        ],
        retrainings=sorted(facts.retrainings.items()),
        levels=[(name, level) for name, level in facts.levels.items() if level.warnings + level.criticals],
        cost=[(line or "all", f"${value:,.0f}") for line, value in sorted(facts.cost.items())],
    )
    return page.encode()
