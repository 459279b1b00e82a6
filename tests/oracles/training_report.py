"""One pair's whole report from its predictions and its closes, in plain pandas, by the written definitions.

Of the job's file only ts_utc, set, w, h, s, prediction, low and high are used: what there was to foresee,
and what no skill foresees, is computed anew from the closes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests


def bqx(close: pd.Series, w: int) -> pd.Series:
    return sum((close.shift(i) / close - 1 for i in range(1, w + 1)), start=close * 0)


def trading_day(ts: pd.Timestamp) -> pd.Timestamp:
    day = (ts.tz_convert("America/New_York").tz_localize(None) + pd.Timedelta(hours=7)).normalize()
    return day + pd.Timedelta(days=7 - day.day_of_week if day.day_of_week > 4 else 0)


def report(predictions: pd.DataFrame, close: pd.Series) -> dict[tuple[str, int], dict[str, Any]]:
    """The scores by set and horizon. ``close`` is indexed by the label of the bar, UTC."""
    split = {"val": ["val", "calibration"], "test": ["test"]}
    split_days = {
        name: len({trading_day(ts) for ts in predictions["ts_utc"][predictions["set"].isin(parts)].unique()})
        for name, parts in split.items()
    }
    out = {}
    for (name, h), rows in predictions[predictions["set"] != "calibration"].groupby(["set", "h"]):
        w, rows = int(rows["w"].iloc[0]), rows.set_index("ts_utc").sort_index()
        window = bqx(close, w)
        rows["q"], rows["actual"] = window, window.reindex(rows.index + pd.Timedelta(minutes=h)).to_numpy()
        rows["none"] = bqx(close, w - h).reindex(rows.index) if h < w else 0.0
        rows["day"] = [trading_day(ts) for ts in rows.index]
        out[name, h] = rows
    limits = {h: (rows["s"].quantile([1 / 3, 2 / 3]).tolist(), (rows["q"].abs() / rows["s"]).quantile(1 / 3))
              for (name, h), rows in out.items() if name == "val"}  # fmt: skip
    found = {key: scores(rows, *limits[key[1]]) for key, rows in out.items()}
    for name in ("val", "test"):  # one family per set
        keys = [key for key in found if key[0] == name]
        p = multipletests([found[key]["p"] for key in keys], 0.05, "fdr_by")[1]
        for key, value in zip(keys, p, strict=True):
            skilled = value <= 0.05 and found[key]["skill_low"] > 0
            few = split_days[name] < 20
            found[key] |= {
                "p_by": value,
                "split_days": split_days[name],
                "verdict": "too few days" if few else "skill" if skilled else "no skill",
            }
    return found


def scores(rows: pd.DataFrame, terciles: list[float], flat: float) -> dict[str, Any]:
    error, base = (rows["prediction"] - rows["actual"]) ** 2, (rows["none"] - rows["actual"]) ** 2
    delta, total = rows["actual"] - rows["q"], ((rows["actual"] - rows["actual"].mean()) ** 2).sum()
    right = (np.sign(rows["prediction"] - rows["q"]) == np.sign(delta)).mean()
    inside = (rows["low"] <= rows["actual"]) & (rows["actual"] <= rows["high"])
    a, b = error.groupby(rows["day"]).sum().to_numpy(), base.groupby(rows["day"]).sum().to_numpy()
    skill, days = 1 - a.sum() / b.sum(), len(a)
    drawn = np.random.default_rng(20_240_701).integers(0, days, (2_000, days))
    low, high = np.quantile(1 - a[drawn].sum(axis=1) / b[drawn].sum(axis=1), [0.025, 0.975])
    residual = (b - a) - skill * b
    se = np.sqrt(days / (days - 1) * (residual**2).sum()) / b.sum()
    hour, size = rows.index.hour, rows["q"] / rows["s"]
    groups = {
        "session": pd.cut(
            hour, [-1, 7, 12, 15, 20, 23], labels=["tokyo", "london", "overlap", "new_york", "late"]
        ),
        "volatility": np.select(
            [rows["s"] < terciles[0], rows["s"] < terciles[1]], ["low", "middle"], "high"
        ),
        "trend": np.select([size.abs() < flat, size > 0], ["flat", "falling"], "rising"),
    }
    by = {
        (kind, str(name)): {
            "rows": len(part),
            "skill": 1 - error[part].sum() / base[part].sum(),
            "coverage": inside[part].mean(),
        }
        for kind, group in groups.items()
        for name, part in rows.groupby(group, observed=True).groups.items()
    }
    return {
        "rows": len(rows), "days": days, "skill": skill, "skill_low": low, "skill_high": high,
        "p": student.sf(skill / se, days - 1),
        "r2": 1 - error.sum() / total, "r2_no_skill": 1 - base.sum() / total,
        "r2_persistence": 1 - (delta**2).sum() / total, "da": right, "coverage": inside.mean(),
        "da_no_skill": (np.sign(rows["none"] - rows["q"]) == np.sign(delta)).mean(),
        "mae": np.sqrt(error).mean(), "mae_no_skill": np.sqrt(base).mean(),
        "mae_scaled": np.sqrt(error / rows["s"] ** 2).mean(),
        "mae_scaled_no_skill": np.sqrt(base / rows["s"] ** 2).mean(),
        "by": by,
    }  # fmt: skip
