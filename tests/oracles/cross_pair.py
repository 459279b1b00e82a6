"""Sisters, triangles and the dollar factor from dictionaries of minutes, in extended precision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.oracles.correlation import UP, Rows, at
from tests.oracles.spread import correlation, line, z
from tests.oracles.windows import EPS, cut, deviations, is_flat, over, padded, sd

RETURN = BQX = EPS["bqx"]
BPS = PERCENT = EPS["idx"]

SISTERS = {
    "audcad": "audusd euraud gbpaud usdcad eurcad",
    "audchf": "audusd euraud gbpaud usdchf eurchf",
    "cadchf": "usdcad eurcad gbpcad usdchf eurchf",
    "eurusd": "eurgbp eurjpy euraud gbpusd usdjpy",
    "gbpnzd": "gbpusd eurgbp gbpjpy nzdusd eurnzd",
    "nzdusd": "eurnzd gbpnzd nzdjpy eurusd gbpusd",
    "usdjpy": "eurusd gbpusd audusd eurjpy gbpjpy",
}
LEGS = {
    "audcad": "+audusd +usdcad",
    "audchf": "+audusd +usdchf",
    "cadchf": "-usdcad +usdchf",
    "eurusd": "+eurgbp +gbpusd",
    "gbpnzd": "+gbpusd -nzdusd",
    "nzdusd": "-eurnzd +eurusd",
    "usdjpy": "-eurusd +eurjpy",
}


def columns(
    market: Mapping[str, Rows], S: Mapping[str, np.ndarray], pair: str, absent=()
) -> dict[str, np.ndarray]:
    """The 44 columns of a pair; pairs in `absent` were never loaded."""
    here = {name: rows for name, rows in market.items() if name not in absent}
    out = {}
    for i, name in enumerate(SISTERS[pair].split(), start=1):
        out |= {f"sister{i}_{key}": values for key, values in sister(here, pair, name).items()}
    return out | triangle(here, S, pair) | dollar(here, S, market[pair].ts)


def other(here: Mapping[str, Rows], name: str, minutes: np.ndarray, values) -> np.ndarray:
    """Another pair's value of the same minute, nothing where it has no row or was never loaded."""
    return at(minutes, here[name], values(here[name])) if name in here else np.full(len(minutes), np.nan)


def sister(here: Mapping[str, Rows], pair: str, name: str) -> dict[str, np.ndarray]:
    r, length = here[pair].r, len(here[pair].ts)
    rs = other(here, name, here[pair].ts, lambda rows: rows.r)
    u, v = deviations(cut(r, 60)), deviations(cut(rs, 60))
    with np.errstate(all="ignore"):
        beta = np.clip((u * v).sum(axis=1) / (v * v).sum(axis=1), -20, 20)
    beta = np.where(is_flat(cut(rs, 60), RETURN), 0, beta)
    beta = np.where(np.isnan(u.sum(axis=1) + v.sum(axis=1)), np.nan, beta)
    return {
        **{f"return_lag_{k}": padded(rs[:-k], length) for k in (1, 5, 15)},
        "vol_30": over(rs, 30, lambda w: sd(w, RETURN)),
        "corr_60": correlation(r, rs, 60, RETURN, RETURN),
        "beta_60": padded(beta, length),
    }


def triangle(here: Mapping[str, Rows], S: Mapping[str, np.ndarray], pair: str) -> dict[str, np.ndarray]:
    own = here[pair]

    def height(levels: np.ndarray) -> np.ndarray:
        return np.log(levels.astype(np.longdouble) / 100)

    T, Q = height(S[pair]), own.q[15].astype(np.longdouble)
    for leg in LEGS[pair].split():
        sign, name = (1 if leg[0] == "+" else -1), leg[1:]
        T = T - sign * height(other(here, name, own.ts, lambda rows, name=name: S[name]))
        Q = Q - sign * other(here, name, own.ts, lambda rows: rows.q[15])
    T = (T * 10_000).astype(np.float64)
    Q = Q.astype(np.float64)
    zt, zq = over(T, 20, lambda w: z(w, BPS)), over(Q, 20, lambda w: z(w, BQX))
    aligned = (np.abs(zt) <= 2) & (np.abs(zq) <= 2)
    return {
        "tri_resid_level": T,
        "tri_resid_z_20": zt,
        "tri_resid_change_5": padded(T[5:] - T[:-5], len(T)),
        "tri_resid_vol_30": over(padded(np.diff(T), len(T)), 30, lambda w: sd(w, BPS)),
        "tri_bqx_resid": Q,
        "tri_bqx_resid_z_20": zq,
        "tri_bqx_change_5": padded(Q[5:] - Q[:-5], len(Q)),
        "tri_alignment_flag": np.where(np.isnan(zt) | np.isnan(zq), np.nan, aligned),
    }


def dollar(
    here: Mapping[str, Rows], S: Mapping[str, np.ndarray], minutes: np.ndarray
) -> dict[str, np.ndarray]:
    """Mean of the majors' logarithms, up = dollar up, on the minutes that all of them have."""
    if set(UP) - set(here):
        grid, U = [], np.empty(0)
    else:
        grid = sorted(set.intersection(*(set(here[major].ts.tolist()) for major in UP)))
        total = np.zeros(len(grid), np.longdouble)
        for major, sign in UP.items():
            level = at(np.array(grid), here[major], S[major]).astype(np.longdouble)
            total += sign * np.log(level / 100)
        U = (total * 100 / 7).astype(np.float64)
    length = len(U)
    on_grid = {
        "usd_factor_level": U,
        "usd_factor_change_5": padded(U[5:] - U[: max(length - 5, 0)], length),
        "usd_factor_change_15": padded(U[15:] - U[: max(length - 15, 0)], length),
        "usd_factor_vol_30": over(padded(np.diff(U), length) if length else U, 30, lambda w: sd(w, PERCENT)),
        "usd_factor_z_60": over(U, 60, lambda w: z(w, PERCENT)),
        "usd_factor_trend_20": over(U, 20, lambda w: line(w, PERCENT)),
    }
    place = {minute: row for row, minute in enumerate(grid)}
    rows = [place.get(minute) for minute in minutes.tolist()]
    return {
        name: np.array([np.nan if row is None else values[row] for row in rows])
        for name, values in on_grid.items()
    }
