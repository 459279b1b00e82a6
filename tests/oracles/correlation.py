"""Correlation columns from dictionaries of minutes, matrices in extended precision."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tests.oracles.market import bqx
from tests.oracles.spread import correlation, rank, thirds, where, z
from tests.oracles.windows import EPS, cut, deviations, is_flat, over, padded, sd

RETURN = BQX = EPS["bqx"]
UP = {  # a rise of the pair is a rise (+) or a fall (-) of the dollar
    "audusd": -1, "eurusd": -1, "gbpusd": -1, "nzdusd": -1, "usdcad": 1, "usdchf": 1, "usdjpy": 1,
}  # fmt: skip
REFERENCES = {
    "corr": {20: "eurusd gbpusd audusd nzdusd usdjpy usdchf usdcad", 60: "eurusd gbpusd usdjpy"},
    "bqx_corr": {20: "eurusd gbpusd usdjpy audusd", 60: "eurusd gbpusd usdjpy"},
}


class Rows(NamedTuple):
    """What one pair has on its own grid."""

    ts: np.ndarray
    r: np.ndarray
    q: Mapping[int, np.ndarray]
    db: np.ndarray


def rows_of(ts: np.ndarray, S: np.ndarray) -> Rows:
    """Returns, BQX of every window and its changes."""
    q = {w: bqx(S, w) for w in (15, 30, 45, 60, 75)}
    r = np.full(len(S), np.nan)
    r[1:] = np.diff(np.log(S.astype(np.longdouble)))
    return Rows(ts, r, q, padded(np.diff(q[15]), len(S)))


def at(minutes: np.ndarray, source: Rows, values: np.ndarray) -> np.ndarray:
    """The other pair's value of the same minute, or NULL."""
    known = dict(zip(source.ts.tolist(), values.tolist(), strict=True))
    return np.array([known.get(minute, np.nan) for minute in minutes.tolist()])


def _joined(minutes: np.ndarray, market: Mapping[str, Rows], symbol: str) -> dict[str, np.ndarray]:
    values = {"r": lambda x: x.r, "b": lambda x: x.q[15], "db": lambda x: x.db}[symbol]
    return {pair: at(minutes, rows, values(rows)) for pair, rows in market.items()}


def _mean(oriented: Mapping[str, np.ndarray], pairs) -> np.ndarray:
    return np.mean([oriented[pair] for pair in pairs], axis=0)


def of_pair(market: Mapping[str, Rows], pair: str, domain: str) -> dict[str, np.ndarray]:
    """The columns of one family that differ from pair to pair."""
    own = market[pair]
    prefix, symbol, change = ("corr", "r", "r") if domain == "idx" else ("bqx_corr", "b", "db")
    x = own.r if domain == "idx" else own.q[15]
    other = _joined(own.ts, {major: market[major] for major in UP}, symbol)
    dollar = _mean({major: UP[major] * other[major] for major in UP}, UP)
    out = {}
    for n, names in REFERENCES[prefix].items():
        for name in names.split():
            reference = dollar if name == pair else other[name]
            out[f"{prefix}_{name[:3]}_{name[3:]}_{n}"] = correlation(x, reference, n, RETURN, RETURN)
    y = own.r if domain == "idx" else own.db
    moves = _joined(own.ts, {major: market[major] for major in UP if major != pair}, change)
    r2, variance = fit(y, *factors(moves))
    if domain == "idx":
        return out | {"resid_var_systematic": r2, "resid_var_idiosyncratic": variance * 1e8}
    return out | {"bqx_var_systematic": r2, "bqx_var_idiosyncratic": variance} | curve(own.q)


def factors(moves: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Dollar and risk from the majors that are given."""
    m = {major: UP[major] * values for major, values in moves.items()}
    safe = [major for major in ("usdjpy", "usdchf") if major in m]
    risky = [major for major in ("audusd", "nzdusd", "usdcad") if major in m]
    return _mean(m, m), _mean(m, safe) - _mean(m, risky)


def fit(y: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R2 and residual variance over 60 rows, by the normal equations of two factors."""
    u, a, b = (deviations(cut(x, 60)) for x in (y, first, second))
    aa, bb, ab = (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1)
    ua, ub, uu = (u * a).sum(axis=1), (u * b).sum(axis=1), (u * u).sum(axis=1)
    still_a, still_b, still_y = (is_flat(cut(x, 60), RETURN) for x in (first, second, y))
    with np.errstate(all="ignore"):
        det = aa * bb - ab * ab
        alone = det <= 1e-12 * aa * bb
        alpha = np.where(alone | still_b, ua / aa, (ua * bb - ub * ab) / det)
        beta = np.where(alone | still_b, 0, (ub * aa - ua * ab) / det)
        alpha = np.where(still_a, 0, alpha)
        beta = np.where(still_a, np.where(still_b, 0, ub / bb), beta)
        sse = ((u - alpha[:, None] * a - beta[:, None] * b) ** 2).sum(axis=1)
        r2, variance = np.clip(1 - sse / uu, 0, 1), sse / 57
    missing = np.isnan(aa + bb + uu)
    done = (np.where(missing, np.nan, np.where(still_y, 0, value)) for value in (r2, variance))
    return tuple(padded(value, len(y)) for value in done)


def curve(q: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns on the term structure of one pair."""
    out = {f"bqx_corr_w{w}_w60": correlation(q[w], q[60], 60, BQX, BQX) for w in (15, 30, 45)}
    slope = (q[15] - q[60]) / 45
    x = np.array([(w - 45) / 30 for w in q])
    scaled = np.array([q[w] / np.sqrt(sum(i * i for i in range(1, w + 1))) for w in q])
    bend = np.linalg.pinv(np.vander(x, 3))[0] @ np.nan_to_num(scaled)
    return out | {
        "term_slope_bqx": slope,
        "term_curvature_bqx": np.where(np.isnan(q[75]), np.nan, bend),
        "term_inversion_flag": where(q[15] < q[60] - BQX, slope),
        "term_steepness_z": over(slope, 120, lambda w: z(w, BQX)),
    }


def dollar_minutes(market: Mapping[str, Rows]) -> np.ndarray:
    """Minutes at which every major has a row."""
    return np.array(sorted(set.intersection(*(set(market[major].ts.tolist()) for major in UP))))


def of_returns(market: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """The global columns of correlation_idx on the dollar grid."""
    minutes = dollar_minutes(market)
    joined = _joined(minutes, {major: market[major] for major in UP}, "r")
    moves = [UP[major] * joined[major] for major in UP]
    entries = {(i, j): correlation(moves[i], moves[j], 20, RETURN, RETURN) for i, j in _above()}
    upper = np.array(list(entries.values()), np.longdouble)
    mean = upper.mean(axis=0).astype(np.float64)
    z120 = over(mean, 120, lambda w: z(w, RETURN))
    known = ~np.isnan(mean)
    matrix = np.tile(np.eye(7, dtype=np.longdouble), (int(known.sum()), 1, 1))
    for (i, j), values in entries.items():
        matrix[:, i, j] = matrix[:, j, i] = values[known]
    eigen = np.sort(jacobi(matrix), axis=1)
    ridge = matrix + 1e-6 * np.eye(7)
    columns = {
        "cov_determinant_20": 2 * np.log(cholesky_diagonal(ridge)).sum(axis=1),
        "cov_eigenvalue_max_20": eigen[:, -1] / 7,
        "cov_eigenvalue_ratio_20": np.where(
            eigen[:, -2] <= eigen[:, -1] / 100, 100, eigen[:, -1] / np.maximum(eigen[:, -2], 1e-9)
        ),
    }
    out = {name: np.full(len(minutes), np.nan) for name in columns}
    for name, values in columns.items():
        out[name][known] = values
    return out | {
        "cov_trace_20": sum(over(x, 20, lambda w: sd(w, RETURN) ** 2) for x in moves) * 1e8,
        "corr_regime_20": thirds(over(mean, 1440, lambda w: rank(w, RETURN))),
        "corr_breakout_flag": where(np.abs(z120) > 2, z120),
        "avg_pairwise_corr_20": mean,
        "corr_dispersion_20": np.std(upper, axis=0, ddof=1).astype(np.float64),
    }


def _above() -> list[tuple[int, int]]:
    return list(itertools.combinations(range(7), 2))


def jacobi(matrix: np.ndarray, sweeps: int = 12) -> np.ndarray:
    """Eigenvalues of symmetric matrices, all rotated at once until nothing is left off the diagonal."""
    a = matrix.copy()
    for _ in range(sweeps):
        for i, j in _above():
            angle = 0.5 * np.arctan2(2 * a[:, i, j], a[:, j, j] - a[:, i, i])
            c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
            a[:, i], a[:, j] = c * a[:, i] - s * a[:, j], s * a[:, i] + c * a[:, j]
            a[:, :, i], a[:, :, j] = c * a[:, :, i] - s * a[:, :, j], s * a[:, :, i] + c * a[:, :, j]
    return np.diagonal(a, axis1=1, axis2=2)


def cholesky_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Diagonal of the triangular root: its squares multiply to the determinant."""
    root = np.zeros_like(matrix)
    for j in range(7):
        root[:, j, j] = np.sqrt(matrix[:, j, j] - (root[:, j, :j] ** 2).sum(axis=1))
        for i in range(j + 1, 7):
            cross = (root[:, i, :j] * root[:, j, :j]).sum(axis=1)
            root[:, i, j] = (matrix[:, i, j] - cross) / root[:, j, j]
    return np.diagonal(root, axis1=1, axis2=2)


def of_bqx(market: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """The global columns of correlation_bqx on the dollar grid."""
    minutes = dollar_minutes(market)
    b = _joined(minutes, market, "b")
    eur, gbp, length = b["eurusd"], b["gbpusd"], len(minutes)

    def after(x: np.ndarray, k: int) -> np.ndarray:
        return padded(x[:-k], length)

    five, fifteen = (correlation(after(eur, k), gbp, 60, BQX, BQX) for k in (5, 15))
    lead = five - correlation(after(gbp, 5), eur, 60, BQX, BQX)
    score = -np.mean(
        [over(b[pair], 60, lambda w: z(w, BQX)) for pair in ("audjpy", "nzdjpy", "audusd")], axis=0
    )
    signs = [UP[major] * np.where(np.abs(b[major]) <= BQX, 0 * b[major], np.sign(b[major])) for major in UP]
    agreement = np.mean(signs, axis=0)
    synchrony = over(np.abs(agreement), 20, lambda w: w.mean(axis=1))
    z120 = over(synchrony, 120, lambda w: z(w, BQX))
    scaled = [b[pair] / np.maximum(over(b[pair], 120, lambda w: sd(w, BQX)), BQX) for pair in b]
    triangle = b["eurusd"] - b["eurgbp"] - b["gbpusd"]
    return {
        "bqx_eur_leads_gbp_flag": where(lead > 0.2, lead),
        "bqx_eur_gbp_lag_corr_5": five,
        "bqx_eur_gbp_lag_corr_15": fifteen,
        "momentum_regime_cluster": np.where(
            np.isnan(score), np.nan, np.where(score > 0.5, 2.0, np.where(score < -0.5, 0.0, 1.0))
        ),
        "momentum_dispersion_20": over(np.std(scaled, axis=0, ddof=1), 20, lambda w: w.mean(axis=1)),
        "momentum_synchrony_20": synchrony,
        "momentum_decoupling_flag": where(z120 < -2, z120),
        "bqx_tri_resid_eurusd": triangle,
        "bqx_tri_resid_z_20": over(triangle, 20, lambda w: z(w, BQX)),
    }
