"""How stable importance is where no backtest fits the model anew: three small fits on thirds of train."""

from __future__ import annotations

from dataclasses import replace

from include.training.container.backtest import Shares
from include.training.container.checkpoints import Checkpoints
from include.training.container.importance import evenly, importance
from include.training.container.rows import Rows
from include.training.container.sets import Interval, thirds
from include.training.container.settings import Settings
from include.training.container.trees import FEWEST, Learning, fit

ROUNDS = 10  # of boosting, at most
TREES = 10  # of a forest, at most
DEPTH = 4  # of a tree, at most: the columns that matter come first
ROWS = 100  # on which contributions are computed, at most


def stability(
    rows: Rows,
    train: Interval,
    shown: Rows,
    columns: tuple[str, ...],
    settings: Settings,
    checkpoints: Checkpoints,
) -> list[Shares]:
    """Importances of small models, each of one third of the rows that the model learned from.

    Args:
        rows: that the model learned from.
        train: their interval.
        shown: rows on which contributions are computed.
        columns: features, in order.
        settings: of the job; rounds, trees and depth are lowered to `ROUNDS`, `TREES` and `DEPTH`.
        checkpoints: where progress is kept.
    """
    shown = evenly(shown, ROWS)
    small = replace(
        settings,
        rounds=min(settings.rounds, ROUNDS),
        trees=min(settings.trees, TREES),
        max_depth=min(settings.max_depth, DEPTH),
    )
    out: list[Shares] = []
    for number, third in enumerate(thirds(train)):
        part = rows.take(third.rows(rows.ts))
        if len(part.ts) < FEWEST:
            continue
        learning = Learning.of(small, columns, part, None)
        for horizon in settings.horizons:
            fitted = fit(f"third{number}-{horizon.name}", learning, horizon, small, checkpoints)
            out.append((number, horizon, importance(fitted.load(settings.nthread), columns, shown, horizon)))
    return out
