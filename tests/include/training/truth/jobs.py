"""Outputs of training jobs on simulated prices: martingales, planted skill, leaks, with few or many days."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.pairs import PAIRS

Floats = npt.NDArray[np.float64]

HORIZONS = (15, 30, 45, 60, 75)
OPEN = 28_520_640 // 10_080 * 10_080 + 3 * 1_440 + 22 * 60  # a Sunday, 22:00 UTC, epoch minutes
WEEK, SESSION = 10_080, 7_200  # minutes of a week, and of those that have bars
EDGE = 75  # minutes without trainable rows after the open and before the close
SIGMA = 1e-4
COLUMNS = tuple(f"column_{number:03d}" for number in range(60))


class Market(NamedTuple):
    """Bars of one pair: labels in epoch minutes, closes, the week of each."""

    ts: npt.NDArray[np.int64]
    close: Floats
    week: npt.NDArray[np.int64]


def market(pair: str, weeks: int, seed: int = 1) -> Market:
    """A martingale in which the pairs share half of their variance and the volatility of a day."""
    minutes = np.concatenate([OPEN + week * WEEK + np.arange(SESSION) for week in range(weeks)])
    shared, own = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1 + PAIRS.index(pair)))
    steps = np.sqrt(0.5) * (shared.standard_normal(minutes.size) + own.standard_normal(minutes.size))
    day = np.arange(minutes.size) // 1_440
    volatility = SIGMA * np.exp(0.4 * np.random.default_rng((seed, 99)).standard_normal(day[-1] + 1)[day])
    log = np.cumsum(steps * volatility - 0.5 * volatility**2)
    return Market(minutes, 100 * np.exp(log), np.repeat(np.arange(weeks), SESSION))


def bqx(close: Floats, w: int) -> Floats:
    """Sum over the last w bars of past close / close - 1; NaN in the first w rows."""
    total = np.concatenate(([0.0], np.cumsum(close / close[0] - 1.0)))
    out = np.full(close.size, np.nan)
    past = total[w:-1] - total[: -1 - w] + w
    out[w:] = past / (close[w:] / close[0]) - w
    return out


def predictions(
    bars: Market,
    weeks: dict[str, Sequence[int]],
    *,
    seed: int = 1,
    noise: float = 0.3,
    skill: float | dict[int, float] = 0.0,
    windows: Sequence[int] = HORIZONS,
) -> pd.DataFrame:
    """Predictions as a job writes them.

    Args:
        bars: the pair.
        weeks: weeks of each set, or of each fold.
        seed: of the model.
        noise: how far a model strays from the no-skill forecast, by a function of the past, in units of s.
        skill: share of the variance of the rest that it foresees, for all horizons or by horizon.
        windows: of each horizon.
    """
    rng = np.random.default_rng((seed, 7))
    momentum = np.concatenate((np.zeros(20), bars.close[20:] / bars.close[:-20] - 1)) / SIGMA
    frames = []
    for h, w in zip(HORIZONS, windows, strict=True):
        q = bqx(bars.close, w)
        actual = np.concatenate((q[h:], np.full(h, np.nan)))
        no_skill = bqx(bars.close, w - h) if h < w else np.zeros(q.size)
        s = np.sqrt(pd.Series(np.diff(q, prepend=np.nan) ** 2).ewm(span=60, adjust=False).mean().to_numpy())
        rest = actual - no_skill
        share = skill if isinstance(skill, float) else skill.get(h, 0.0)
        foreseen = share * rest + np.sqrt(share * (1 - share)) * np.nanstd(rest) * _smooth(rng, rest.size)
        prediction = no_skill + foreseen + noise * s * rng.normal(0, 1) * np.tanh(momentum / 5)
        minute = np.arange(q.size) % SESSION
        inside = (minute >= EDGE) & (minute < SESSION - EDGE) & (bars.week > 0)
        half = 1.645 * np.nanstd(rest / s)
        for name, own in weeks.items():
            rows = inside & np.isin(bars.week, own)
            frames.append(
                pd.DataFrame({
                    "ts_utc": (bars.ts[rows] * 60_000_000).view("datetime64[us]"),
                    "set": name, "w": np.int16(w), "h": np.int16(h), "q": q[rows], "s": s[rows],
                    "no_skill": no_skill[rows], "actual": actual[rows], "prediction": prediction[rows],
                    "low": (prediction - half * s)[rows], "high": (prediction + half * s)[rows],
                })
            )  # fmt: skip
    whole = pd.concat(frames, ignore_index=True)
    return whole.assign(ts_utc=whole["ts_utc"].dt.tz_localize("UTC"))


def files(
    frame: pd.DataFrame, backtest: pd.DataFrame | None = None, *, carrier: str = COLUMNS[0]
) -> dict[str, bytes]:
    """All files of a job.

    Args:
        frame: its predictions.
        backtest: predictions whose sets are named by the number of the fold.
        carrier: the column that has most of the importance.
    """
    folds = frame.iloc[:0] if backtest is None else backtest
    folds = folds.assign(fold=folds["set"].astype("int16"), set="test")
    test = frame[frame["set"] == "test"]["ts_utc"]
    card = {
        "dataset_id": "demo", "content_hash": "c" * 64, "columns_hash": "d" * 64, "code_hash": "e" * 64,
        "sets": {"test": {"from": str(test.min())}}, "intended_use": "research",
    }  # fmt: skip
    metrics = {"peak_memory_mib": 300, "best_rounds": {"15": 40}, "seconds": {"train": 3.0},
               "backtest": {"folds": 0, "why_none": "no fold fits into 20 days"}}  # fmt: skip
    return {
        "predictions.parquet": parquet(frame),
        "backtest.parquet": parquet(folds),
        "importance.parquet": parquet(importance(carrier, [] if backtest is None else [0, 1])),
        "metrics.json": json.dumps(metrics).encode(),
        "card.json": json.dumps(card).encode(),
    }


def importance(carrier: str, folds: Sequence[int]) -> pd.DataFrame:
    """Shares that sum to 1 per horizon and fold, most of them the carrier's."""
    rows: list[dict[str, Any]] = []
    for fold in (-1, *folds):
        rng = np.random.default_rng((3, fold + 1))
        for h in HORIZONS:
            share = rng.random(len(COLUMNS))
            share[COLUMNS.index(carrier)] = 3 * share.sum()
            share /= share.sum()
            rows += [
                {"column": name, "h": h, "fold": fold, "gain": value, "shap": value}
                for name, value in zip(COLUMNS, share.tolist(), strict=True)
            ]
    return pd.DataFrame(rows).astype({"h": "int16", "fold": "int16"})


def parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if "set" in table.column_names:
        place = table.column_names.index("set")
        table = table.set_column(place, "set", table["set"].cast(pa.string()).dictionary_encode())
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _smooth(rng: np.random.Generator, size: int) -> Floats:
    """Noise of unit variance that stays for some minutes, as predictions do."""
    return np.repeat(rng.standard_normal(size // 10 + 1), 10)[:size]
