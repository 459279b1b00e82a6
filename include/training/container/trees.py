"""Fit one booster: a forest in one round, or boosting in blocks of rounds that can be interrupted.

Every block, undisturbed or resumed, starts from the saved bytes with a seed derived from (seed, name, block):
with ``subsample``, xgboost's plain continuation would grow other trees than an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from include.training.container.checkpoints import Checkpoints, Progress
from include.training.container.rows import Rows, offset_of, outcome_of
from include.training.container.settings import FOREST, Horizon, TreeSettings
from include.training.container.stopping import FEWEST, best_round, say_mean, stopped

MAX_BIN = 64  # see docs/decisions/0018-training-job.md
STRIDE = 2.5  # rounds times learning rate between two printed means: a block of 25 rounds at 0.1
_STOPPING = "stopping"


class Learning(NamedTuple):
    """Rows for the boosters of all horizons: the features are binned once, labels are set for each.

    Attributes:
        rows: to learn from.
        stopping: to stop boosting by; None if there are too few.
        train, watch: the same for xgboost.
    """

    rows: Rows
    stopping: Rows | None
    train: Any
    watch: Any

    @classmethod
    def of(
        cls, settings: TreeSettings, columns: Sequence[str], rows: Rows, stopping: Rows | None
    ) -> Learning:
        """Bin the features of some rows. A forest has nothing to stop."""
        import xgboost as xgb

        common = {"feature_names": list(columns), "nthread": settings.nthread, "max_bin": MAX_BIN}
        train = xgb.QuantileDMatrix(rows.x, **common)
        if stopping is None or settings.model == FOREST or len(stopping.ts) < FEWEST:
            return cls(rows, None, train, None)
        return cls(rows, stopping, train, xgb.QuantileDMatrix(stopping.x, ref=train, **common))

    def label(self, horizon: Horizon) -> None:
        """Make the rows those of a horizon: outcome and offset in units of s."""
        _label(self.train, self.rows, horizon)
        if self.stopping is not None:
            _label(self.watch, self.stopping, horizon)


class Fitted(NamedTuple):
    """A booster that is ready.

    Attributes:
        booster: UBJ bytes, cut at the best round.
        rounds: of boosting, 1 for a forest.
        history: error on the stopping rows after every round that was tried; empty without such rows.
    """

    booster: bytes
    rounds: int
    history: tuple[float, ...]

    def load(self, nthread: int) -> Any:
        """The booster itself."""
        import xgboost as xgb

        return xgb.Booster({"nthread": nthread}, model_file=bytearray(self.booster))


def fit(
    name: str, learning: Learning, horizon: Horizon, settings: TreeSettings, checkpoints: Checkpoints
) -> Fitted:
    """Fit the booster of a horizon, or go on where a checkpoint ends.

    Args:
        name: of the booster: of its checkpoint, and part of its seeds.
        learning: the rows.
        horizon: what is learned.
        settings: of the job.
        checkpoints: where progress is kept.
    """
    progress = checkpoints.load(name)
    if not progress.finished:
        learning.label(horizon)
    while not progress.finished:
        progress = _one_more(name, learning, settings, progress)
        checkpoints.save(name, progress)
    rounds = best_round(progress.history) + 1 if progress.history else _rounds(settings)
    return Fitted(progress.state, rounds, progress.history)


def grow(learning: Learning, settings: TreeSettings, checkpoints: Checkpoints) -> None:
    """Let the boosters of all horizons grow together, a block of each in turn, until all are finished.

    `fit` finds them in their checkpoints then. Meanwhile the mean of their errors is printed, for a tuning
    job that stops bad trials. It compares the n-th values of its trials, so one is printed whenever rounds
    times learning rate has grown by `STRIDE`: a slow learner is compared when it has learned as much.
    """
    if learning.watch is None:
        return  # there is nothing to compare
    progress = {horizon: checkpoints.load(horizon.name) for horizon in settings.horizons}
    while not all(each.finished for each in progress.values()):
        for horizon in [horizon for horizon, each in progress.items() if not each.finished]:
            learning.label(horizon)
            progress[horizon] = _one_more(horizon.name, learning, settings, progress[horizon])
            checkpoints.save(horizon.name, progress[horizon])
        rounds = settings.block_rounds * max(each.blocks for each in progress.values())
        learned = [settings.learning_rate * r // STRIDE for r in (rounds, rounds - settings.block_rounds)]
        if learned[0] > learned[1]:
            say_mean([min(each.history) for each in progress.values()])


def parameters(settings: TreeSettings, seed: int) -> dict[str, Any]:
    """What xgboost is told. The base score is 0: the offset says all that is known before."""
    forest = settings.model == FOREST
    return {
        "objective": "reg:squarederror",
        "eval_metric": "rmse",
        "base_score": 0.0,
        "tree_method": "hist",
        "max_bin": MAX_BIN,
        "max_depth": settings.max_depth,
        "learning_rate": 1.0 if forest else settings.learning_rate,
        "num_parallel_tree": settings.trees if forest else 1,
        "subsample": settings.subsample,
        "colsample_bynode": settings.colsample_bynode,
        "min_child_weight": settings.min_child_weight,
        "reg_lambda": 1e-5 if forest else 1.0,  # a leaf of a forest is the mean of its rows
        "nthread": settings.nthread,
        "seed": seed,
    }


def _rounds(settings: TreeSettings) -> int:
    return 1 if settings.model == FOREST else settings.rounds


def _one_more(name: str, learning: Learning, settings: TreeSettings, progress: Progress) -> Progress:
    """One more block of rounds; the last one cuts the booster at its best round."""
    import xgboost as xgb

    most = _rounds(settings)
    done = progress.blocks * settings.block_rounds
    found: dict[str, dict[str, list[float]]] = {}
    watched = [] if learning.watch is None else [(learning.watch, _STOPPING)]
    booster = xgb.train(
        parameters(settings, settings.seed_of(name, progress.blocks)),
        learning.train,
        num_boost_round=min(settings.block_rounds, most - done),
        evals=watched,
        evals_result=found,
        verbose_eval=False,
        xgb_model=bytearray(progress.state) if progress.state else None,
    )
    history = progress.history + tuple(found[_STOPPING]["rmse"] if watched else ())
    last = stopped(history, settings.early_stopping_rounds)
    finished = last is not None or done + settings.block_rounds >= most
    if finished and history:
        history = history[: len(history) if last is None else last + 1]
        booster = booster[: best_round(history) + 1]
    return Progress(bytes(booster.save_raw("ubj")), history, progress.blocks + 1, finished)


def _label(matrix: Any, rows: Rows, horizon: Horizon) -> None:
    matrix.set_info(
        label=outcome_of(rows, horizon).astype(np.float32),
        base_margin=offset_of(rows, horizon).astype(np.float32),
    )
