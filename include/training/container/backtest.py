"""The rolling-origin backtest: the same settings, fitted anew on each fold, asked about the days after it."""

from __future__ import annotations

from typing import NamedTuple

from include.training.container.checkpoints import Checkpoints
from include.training.container.importance import Importance, importance
from include.training.container.intervals import half_width
from include.training.container.results import Predicted, forecast
from include.training.container.rows import Rows
from include.training.container.sets import DAY, Fold, Interval, folds, sample
from include.training.container.settings import Horizon, Settings
from include.training.container.trees import FEWEST, Learning, fit

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


def backtest(
    rows: Rows,
    whole: Interval,
    shown: Rows,
    columns: tuple[str, ...],
    settings: Settings,
    checkpoints: Checkpoints,
) -> Backtest:
    """Fit and ask every fold.

    Args:
        rows: of train and the earlier half of val.
        whole: from the start of train to the end of that half: nothing later is looked at.
        shown: rows on which contributions are computed.
        columns: features, in order.
        settings: of the job.
        checkpoints: where progress is kept.
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
        empty += not _ask(fold, rows, shown, columns, settings, checkpoints, out)
    if empty == len(found):
        return Backtest([], [], f"none of the {len(found)} folds has {FEWEST} rows to learn from")
    return out


def _ask(
    fold: Fold,
    rows: Rows,
    shown: Rows,
    columns: tuple[str, ...],
    settings: Settings,
    checkpoints: Checkpoints,
    out: Backtest,
) -> bool:
    """Add what one fold gives; False if it has too few rows."""
    usable = rows.usable_for_all(settings.horizons)
    chosen = sample(usable & fold.parts.train.rows(rows.ts), settings.train_stride, settings.max_train_rows)
    if chosen.size < FEWEST:
        return False
    stopping = rows.take(usable & fold.parts.val.rows(rows.ts))
    calibration = rows.take(fold.parts.calibration.rows(rows.ts))
    test = rows.take(fold.test.rows(rows.ts))
    learning = Learning.of(settings, columns, rows.take(chosen), stopping)
    for horizon in settings.horizons:
        fitted = fit(f"fold{fold.number}-{horizon.name}", learning, horizon, settings, checkpoints)
        booster = fitted.load(settings.nthread)
        width = half_width(forecast(booster, calibration, horizon, "calibration").residuals)
        asked = forecast(booster, test, horizon, "test", fold.number)
        out.predictions.append(asked._replace(half_width=width))
        out.shares.append((fold.number, horizon, importance(booster, columns, shown, horizon)))
    return True
