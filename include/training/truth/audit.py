"""The leakage audit that gate G0 asks for: which columns carry a result that is too good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from include.errors import MissingInput
from include.features.arrays import EPS, Floats
from include.training.truth.reduced import Reduced, name_of
from include.training.truth.scores import Block

__all__ = ["Audit", "Carrier", "Matrix", "audits", "needed"]

LISTED = 10  # columns that an audit names
EXAMINED = 30  # columns, by importance, whose correlation is looked at

Matrix: TypeAlias = Callable[[str, Sequence[str]], Mapping[str, Floats]]
"""Columns of the test rows of a pair: called with the pair and the names of the columns."""


class Carrier(NamedTuple):
    """A column that a suspicious result may come from.

    Attributes:
        column: its name.
        shap: share of the mean absolute contribution.
        gain: share of the gain.
        correlation: with what comes beyond the no-skill forecast, in units of s; None if no matrix was given.
    """

    column: str
    shap: float
    gain: float
    correlation: float | None


class Audit(NamedTuple):
    """One suspicious result.

    Attributes:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        h: horizon, minutes.
        reason: why it is not believed.
        carriers: the columns, the most suspect first.
    """

    pair: str
    model: str
    h: int
    reason: str
    carriers: tuple[Carrier, ...]

    def __str__(self) -> str:
        columns = ", ".join(_named(carrier) for carrier in self.carriers[:3]) or "none has any importance"
        where = f"{self.pair.upper()}, {name_of(self.model)}, {self.h} minutes"
        return f"{where}: {self.reason}. Columns that carry it: {columns}."


def audits(
    blocks: Sequence[Block], jobs: Mapping[tuple[str, str], Reduced], matrix: Matrix | None
) -> list[Audit]:
    """Audit every suspicious block.

    Args:
        blocks: of the test set.
        jobs: by pair and model.
        matrix: gives the columns of the test rows, so that their correlation with the future can be shown;
            without it columns are ranked by their contribution.

    Raises:
        MissingInput: the matrix has not all columns that it was asked for.
    """
    return [_audit(block, jobs[block.pair, block.model], matrix) for block in blocks if block.suspicion]


def needed(w: int, h: int) -> tuple[str, ...]:
    """Reference columns and target from which what comes beyond the no-skill forecast is computed."""
    shorter = (f"base__w{w - h}_bqx_return",) if h < w else ()
    return (f"target__w{w}_h{h}", f"base__ewma_vol_60_w{w}", *shorter)


def _audit(block: Block, job: Reduced, matrix: Matrix | None) -> Audit:
    target = [h for _, h in job.sets[block.set].windows].index(block.h)
    importance = job.importance
    shap, gain = importance.shap[target], importance.gain[target]
    order = sorted(
        np.flatnonzero((shap > 0) | (gain > 0)).tolist(),
        key=lambda place: (-shap[place], -gain[place], importance.columns[place]),
    )[:EXAMINED]
    names = [importance.columns[place] for place in order]
    found = {} if matrix is None else _correlations(block, names, matrix)
    carriers = [
        Carrier(name, float(shap[place]), float(gain[place]), found.get(name))
        for name, place in zip(names, order, strict=True)
    ]
    # A column that knows the future shows it by its correlation, if that is known; else by its weight.
    carriers.sort(key=lambda carrier: -abs(carrier.correlation or 0.0))
    return Audit(block.pair, block.model, block.h, block.suspicion, tuple(carriers[:LISTED]))


def _correlations(block: Block, names: Sequence[str], matrix: Matrix) -> dict[str, float]:
    wanted = (*names, *needed(block.w, block.h))
    given = matrix(block.pair, wanted)
    absent = [name for name in wanted if name not in given]
    if absent:
        raise MissingInput(
            f"the test rows of {block.pair} do not have {', '.join(absent[:5])}; give the audit all columns "
            "of the data set"
        )
    rest = _beyond(given, block.w, block.h)
    return {name: _correlation(np.asarray(given[name], np.float64), rest) for name in names}


def _beyond(columns: Mapping[str, Floats], w: int, h: int) -> Floats:
    """What comes beyond the no-skill forecast, in units of s; NaN where it is not known."""
    target, s, *shorter = (np.asarray(columns[name], np.float64) for name in needed(w, h))
    rest = target - (shorter[0] if shorter else 0.0)
    out = np.full(rest.shape, np.nan)
    np.divide(rest, s, out=out, where=s > EPS["bqx"])
    return out


def _correlation(a: Floats, b: Floats) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    x, y = a[known], b[known]
    if x.size < 2 or not x.std() or not y.std():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _named(carrier: Carrier) -> str:
    text = f"{carrier.column} ({carrier.shap:.0%} of the contributions"
    if carrier.correlation is not None:
        text += f", correlation {carrier.correlation:+.2f} with what no skill leaves"
    return text + ")"
