"""The rolling-origin backtest: the same settings, fitted anew on each fold, asked about the days after it."""

from __future__ import annotations

from typing import NamedTuple

from include.training.container.importance import Importance
from include.training.container.intervals import half_width
from include.training.container.models import Learner
from include.training.container.results import Predicted, forecast
from include.training.container.rows import Rows
from include.training.container.sets import DAY, Fold, Interval, folds, sample
from include.training.container.settings import Horizon, Settings
from include.training.container.stopping import FEWEST

# What one fit on a part of the rows left: its number, the horizon, its importances.
Shares = tuple[int, Horizon, Importance]


class Backtest(NamedTuple):
    """What the folds gave.

    Attributes:
        predictions: on the test days of every fold.
        shares: importances by fold.
        why_none: why there is no fold, empty if there is one.
    """

    predictions: list[Predicted]
    shares: list[Shares]
    why_none: str = ""


def backtest(learner: Learner, rows: Rows, whole: Interval, shown: Rows, settings: Settings) -> Backtest:
    """Fit and ask every fold.

    Args:
        learner: fits the models.
        rows: of train and the earlier half of val.
        whole: from the start of train to the end of that half: nothing later is looked at.
        shown: rows on which contributions are computed.
        settings: of the job.
    """
    if not settings.backtest:
        return Backtest([], [], "the backtest was not asked for")
    days = (settings.fold_train_days, settings.fold_test_days, settings.fold_step_days)
    found = folds(whole, *days)
    if not found:
        length = f"{(whole.end - whole.start) / DAY:.1f}"
        why = f"train and the earlier half of val have {length} days, a fold needs {days[0] + days[1]}"
        return Backtest([], [], why)
    out = Backtest([], [])
    empty = 0
    for fold in found:
        empty += not _ask(fold, learner, rows, shown, settings, out)
    if empty == len(found):
        return Backtest([], [], f"none of the {len(found)} folds has {FEWEST} rows to learn from")
    return out


def _ask(fold: Fold, learner: Learner, rows: Rows, shown: Rows, settings: Settings, out: Backtest) -> bool:
    """Add what one fold gives; False if it has too few rows."""
    horizons = settings.horizons
    usable = rows.usable_for_all(horizons)
    chosen = sample(usable & fold.parts.train.rows(rows.ts), settings.train_stride, settings.max_train_rows)
    if chosen.size < FEWEST:
        return False
    stopping = rows.take(usable & fold.parts.val.rows(rows.ts))
    model = learner.fit(f"fold{fold.number}-", rows.take(chosen), stopping)
    calibration = forecast(model, rows.take(fold.parts.calibration.rows(rows.ts)), horizons, "calibration")
    widths = [half_width(part.residuals) for part in calibration]
    asked = forecast(model, rows.take(fold.test.rows(rows.ts)), horizons, "test", fold.number)
    out.predictions.extend(part._replace(half_width=width) for part, width in zip(asked, widths, strict=True))
    shares = model.importance(shown)
    out.shares.extend((fold.number, horizon, shares[horizon.minutes]) for horizon in horizons)
    return True
