"""One pair with breaks, forecasts of it, and what a plain recomputation says of them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from include.dataset.targets import volatility
from include.features.bqx import returns
from include.monitoring.forecasts import Forecasts
from include.monitoring.values import Budget
from include.names import to_minute
from include.serving.online import Rows
from include.storage.tables import WINDOWS

START = to_minute(datetime(2024, 7, 14, 21, tzinfo=UTC))  # Sunday, 17:00 in New York
WEEK, SESSION = 10_080, 7_200
VERSION = "0123456789abcdef"
BUDGET = Budget(350.0, 400.0, {"Inference": 180.0, "Training": 45.0}, {"Inference": 257.0, "Training": 70.0})


def grid(weeks: int = 3, seed: int = 1, sigma: float = 1e-4) -> Rows:
    """Grid rows of whole weeks, a martingale, with a hole of two hours in each week."""
    ts = np.concatenate([START + week * WEEK + np.arange(SESSION) for week in range(weeks)])
    ts = ts[~((ts - START) % WEEK // 60 == 50) & ~((ts - START) % WEEK // 60 == 51)]
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, sigma, ts.size)))
    q = returns(close)
    return Rows("eurusd", ts, np.empty((ts.size, 0)), q, {w: volatility(q[w]) for w in WINDOWS})


def forecasts(
    came: Rows, since: int = WEEK, noise: float = 0.5, seed: int = 2, windows: dict[int, int] | None = None
) -> Forecasts:
    """The no-skill forecast with noise in units of s, of every row that has one from a minute on."""
    rng, parts = np.random.default_rng(seed), []
    for h, w in (windows or {h: h for h in WINDOWS}).items():
        none = came.q[w - h] if h < w else np.zeros(came.ts.size)
        value = none + noise * came.s[w] * rng.normal(size=came.ts.size)
        own = (came.ts >= START + since) & np.isfinite(value)
        half = 1.6 * came.s[w] * np.sqrt(h)
        size = int(own.sum())
        parts.append(
            Forecasts(
                came.ts[own],
                np.full(size, VERSION),
                np.full(size, h),
                np.full(size, w),
                value[own],
                (value - half)[own],
                (value + half)[own],
            )
        )
    return Forecasts._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def oracle(came: Rows, told: Forecasts, as_of: int) -> dict[tuple[str, int], float]:
    """The scores by name and horizon, in plain pandas, from rows looked up by their label."""
    found: dict[tuple[str, int], float] = {}
    frame = pd.DataFrame(
        {name: getattr(told, name) for name in ("ts", "h", "w", "prediction", "low", "high")}
    )
    for h, rows in frame.groupby("h"):
        w = int(rows["w"].iloc[0])
        q, s = (pd.Series(values[w], index=came.ts) for values in (came.q, came.s))
        none = pd.Series(came.q[w - h], index=came.ts) if h < w else pd.Series(0.0, index=came.ts)
        rows = rows.assign(
            q=q.reindex(rows["ts"]).to_numpy(), s=s.reindex(rows["ts"]).to_numpy(),
            none=none.reindex(rows["ts"]).to_numpy(), y=q.reindex(rows["ts"] + h).to_numpy(),
        )  # fmt: skip
        rows = rows[(rows["ts"] + h < as_of)].dropna()
        model, plain = rows["prediction"] - rows["y"], rows["none"] - rows["y"]
        change = rows["y"] - rows["q"]
        spread = ((rows["y"] - rows["y"].mean()) ** 2).sum()
        found |= {
            ("skill", h): 1 - (model**2).sum() / (plain**2).sum(),
            ("r2", h): 1 - (model**2).sum() / spread,
            ("r2_no_skill", h): 1 - (plain**2).sum() / spread,
            ("mae", h): model.abs().mean(),
            ("mae_no_skill", h): plain.abs().mean(),
            ("mae_scaled", h): (model.abs() / rows["s"]).mean(),
            ("mae_scaled_no_skill", h): (plain.abs() / rows["s"]).mean(),
            ("directional_accuracy", h): _right(rows["prediction"] - rows["q"], change),
            ("directional_accuracy_no_skill", h): _right(rows["none"] - rows["q"], change),
            ("coverage", h): ((rows["low"] <= rows["y"]) & (rows["y"] <= rows["high"])).mean(),
        }
    return found


def _right(foreseen: pd.Series, change: pd.Series) -> float:
    """Share of right signs among rows that moved; a forecast without a sign is half right."""
    moved = change.abs() > 1e-12
    sign = np.sign(foreseen.where(foreseen.abs() > 1e-12, 0.0))[moved]
    return float((0.5 + 0.5 * sign * np.sign(change[moved])).mean())
