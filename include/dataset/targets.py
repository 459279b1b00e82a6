"""Reference columns and targets of every grid row.

Times are epoch minutes of the bar OPEN; a horizon h looks at the row labelled exactly t + h minutes,
filled or not, and never at a row h rows on: breaks have no rows. NULL is NaN.

Every value is made of a fixed number of rows before it, added in a fixed order, and of rows at most
`AHEAD` minutes after it. It is therefore the same to the last bit in every chunk that brings `LOOKBACK`
rows before its first row and all rows of `AHEAD` minutes after its last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from include.errors import BadParameter
from include.features.arrays import EPS, Columns, Flags, Floats, Minutes, lagged
from include.features.series import WINDOWS, Series

__all__ = [
    "AHEAD", "HORIZONS", "LOOKBACK", "TARGETS", "Derived", "base_columns", "derive", "futures",
    "is_trainable", "learned_windows", "raw_targets", "restore", "scaled_targets", "target_name",
    "volatility",
]  # fmt: skip

HORIZONS = WINDOWS  # minutes
SPAN = 60  # rows, of the exponential average of squared changes
MEMORY = 1440  # changes that a volatility is made of; it is NULL before there are so many
FLOOR = 0.05  # of the sd of those changes, below which volatility is not taken to fall

LOOKBACK = MEMORY + max(WINDOWS)  # grid rows to load before a chunk
AHEAD = max(HORIZONS)  # minutes to load after it


class Derived(NamedTuple):
    """What a model can be asked for, made of a raw target and what is known at t."""

    delta: Floats  # q_{t+h} - q_t
    scaled: Floats  # delta in units of s, NULL where s <= 1e-12
    direction: Floats  # sign of delta: -1, 0, 1


def target_name(w: int, h: int) -> str:
    """``target__w15_h30``: w15_bqx_return 30 minutes after the row."""
    return f"target__w{w}_h{h}"


TARGETS: tuple[str, ...] = tuple(target_name(w, h) for w in WINDOWS for h in HORIZONS)


def base_columns(series: Series) -> Columns:
    """The columns that stand beside the features and are never offered to selection.

    Returns:
        base__rate_index, base__w{w}_bqx_return, base__ewma_vol_60_w{w} (see `volatility`),
        base__is_filled and base__is_trainable (0 or 1), one value per row of the series.
    """
    columns: Columns = {"base__rate_index": series.S}
    columns |= {f"base__w{w}_bqx_return": series.q[w] for w in WINDOWS}
    columns |= {f"base__ewma_vol_60_w{w}": volatility(series.q[w]) for w in WINDOWS}
    columns["base__is_filled"] = series.is_filled.astype(np.float64)
    columns["base__is_trainable"] = is_trainable(series.ts, series.is_filled).astype(np.float64)
    return columns


def is_trainable(ts: Minutes, is_filled: Flags) -> Flags:
    """Real rows whose 75th row before and 75th row after lie exactly 75 minutes away.

    It looks ahead, as targets do: a row within `AHEAD` minutes of the end of the series has none.
    """
    rows = max(WINDOWS)
    out = np.zeros(ts.size, np.bool_)
    before, now, after = ts[: -2 * rows], ts[rows:-rows], ts[2 * rows :]
    unbroken = (now - before == rows) & (after - now == rows)
    out[rows : rows + unbroken.size] = unbroken
    return out & ~is_filled


def volatility(q: Floats) -> Floats:
    """Volatility of one-minute changes of q: max(sqrt(EMA_60 of their squares), 5% of the sd of 1440).

    The average is cut off after 1440 changes, where the weight left is 1e-21: the value depends on the
    same rows in every chunk.

    Args:
        q: w{w}_bqx_return, NaN only before its first value.

    Returns:
        s in BQX units, NULL before 1440 changes exist.
    """
    square = (q - lagged(q, 1)) ** 2
    keep = 1.0 - 2.0 / (SPAN + 1)
    average = (1.0 - keep) * _weighted_sum(square, MEMORY, keep)
    mean = (q - lagged(q, MEMORY)) / MEMORY  # changes add up to the move of q
    rest = np.maximum(_weighted_sum(square, MEMORY, 1.0) - MEMORY * mean**2, 0.0)
    return np.maximum(np.sqrt(average), FLOOR * np.sqrt(rest / (MEMORY - 1)))


def raw_targets(series: Series) -> Columns:
    """The 25 columns target__w{w}_h{h}: w{w}_bqx_return of the row labelled t + h minutes.

    NULL where there is no such row (break, weekend, end of the series), or no BQX in it.
    """
    columns: Columns = {}
    for h in HORIZONS:
        rows, there = _rows_at(series.ts, h)
        for w in WINDOWS:
            values = np.full(series.ts.size, np.nan)
            values[there] = series.q[w][rows]
            columns[target_name(w, h)] = values
    return {name: columns[name] for name in TARGETS}


def derive(target: Floats, q: Floats, s: Floats) -> Derived:
    """Delta, volatility-scaled and direction targets of one raw target.

    Args:
        target: target__w{w}_h{h}.
        q: base__w{w}_bqx_return of the same row.
        s: base__ewma_vol_60_w{w} of the same row.
    """
    delta = target - q
    scaled = np.full_like(delta, np.nan)
    np.divide(delta, s, out=scaled, where=s > EPS["bqx"])
    direction = np.where(np.abs(delta) <= EPS["bqx"], 0.0, np.sign(delta))
    return Derived(delta, scaled, direction)


def restore(prediction: Floats, q: Floats, s: Floats) -> Floats:
    """The w{w}_bqx_return at t + h that a prediction of the scaled target means: q_t + s * prediction."""
    return q + s * prediction


def scaled_targets(columns: Columns, target_window: str = "matched") -> Columns:
    """The five scaled targets that are trained, by the name of their raw target.

    Args:
        columns: the reference columns and raw targets of some rows.
        target_window: ``matched`` for w = h, or one window for all horizons: ``15``.

    Raises:
        BadParameter: it is neither.
    """
    out: Columns = {}
    for w, h in learned_windows(target_window):
        q, s = columns[f"base__w{w}_bqx_return"], columns[f"base__ewma_vol_60_w{w}"]
        out[target_name(w, h)] = derive(columns[target_name(w, h)], q, s).scaled
    return out


def learned_windows(target_window: str) -> tuple[tuple[int, int], ...]:
    """Window and horizon of the five targets that are trained.

    Raises:
        BadParameter: `target_window` is neither ``matched`` nor a window.
    """
    if target_window != "matched" and target_window not in map(str, WINDOWS):
        raise BadParameter(
            f"target_window is {target_window!r}; write matched, or one of {', '.join(map(str, WINDOWS))}"
        )
    return tuple((h if target_window == "matched" else int(target_window), h) for h in HORIZONS)


def futures(columns: Columns) -> Columns:
    """Everything that is not known at a row: raw, delta and scaled form of the 25 targets.

    Args:
        columns: the reference columns and raw targets of some rows.
    """
    out: Columns = {}
    for w in WINDOWS:
        q, s = columns[f"base__w{w}_bqx_return"], columns[f"base__ewma_vol_60_w{w}"]
        for h in HORIZONS:
            name = target_name(w, h)
            derived = derive(columns[name], q, s)
            out |= {name: columns[name], f"delta of {name}": derived.delta, f"scaled {name}": derived.scaled}
    return out


def _rows_at(ts: Minutes, h: int) -> tuple[npt.NDArray[np.intp], Flags]:
    """Row numbers of the rows labelled ts + h, and which rows have one."""
    wanted = ts + h
    rows = np.searchsorted(ts, wanted)
    there = rows < ts.size
    there[there] = ts[rows[there]] == wanted[there]
    return rows[there], there


def _weighted_sum(x: Floats, n: int, keep: float) -> Floats:
    """Sum over k < n of keep**k * x_{t-k}, from spans of 1, 2, 4 ... rows; NaN if one of them is.

    Each value is the same tree of additions wherever the array begins, and the tree is flat: errors
    stay near rounding, where a running sum would carry those of all its past.
    """
    total, done = np.zeros(x.size), 0
    span, size = x, 1
    while True:
        if n & size:
            total = total + keep**done * lagged(span, done)
            done += size
        if done == n:
            return total
        span = span + keep**size * lagged(span, size)
        size *= 2
