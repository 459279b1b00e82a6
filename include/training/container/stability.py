"""How stable importance is where no backtest fits the model anew: three small fits on thirds of train."""

from __future__ import annotations

from include.training.container.backtest import Shares
from include.training.container.importance import evenly
from include.training.container.models import Learner
from include.training.container.rows import Rows
from include.training.container.sets import Interval, thirds
from include.training.container.settings import Settings
from include.training.container.stopping import FEWEST

ROWS = 100  # on which contributions are computed, at most


def stability(learner: Learner, rows: Rows, train: Interval, shown: Rows, settings: Settings) -> list[Shares]:
    """Importances of small models, each of one third of the rows that the model learned from.

    Args:
        learner: fits the models.
        rows: that the model learned from.
        train: their interval.
        shown: rows on which contributions are computed.
        settings: of the job.
    """
    shown, small = evenly(shown, ROWS), learner.small()
    out: list[Shares] = []
    for number, third in enumerate(thirds(train)):
        part = rows.take(third.rows(rows.ts))
        if len(part.ts) >= FEWEST:
            shares = small.fit(f"third{number}-", part, None).importance(shown)
            out.extend((number, horizon, shares[horizon.minutes]) for horizon in settings.horizons)
    return out
