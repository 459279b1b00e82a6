"""The global columns: one value per row of the dollar grid, the same for every pair.

The dollar grid has the minutes at which all seven USD majors have a row. Everything here is counted
in its rows; an input that a pair lacks there is NaN, and so is every window that holds the row.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from include.features.arrays import EPS, Columns, Floats, lagged, ratio
from include.features.flags import choice, flag, sign, tercile
from include.features.kernels import rolling, trend, weighted
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation
from include.features.kernels.rank import mid_rank
from include.pairs import PAIRS, USD_MAJORS, quote

__all__ = ["ORIENTATION", "of_bqx", "of_levels", "of_returns"]

# Sign that makes a move of the major a move of the dollar: + is dollar up.
ORIENTATION = {pair: -1.0 if quote(pair) == "usd" else 1.0 for pair in USD_MAJORS}

SMALLEST = EPS["bqx"]  # of returns, BQX, and numbers made of them
PERCENT = EPS["idx"]  # smallest amount of the dollar factor
SHORT, LONG, SCALE, REGIME = 20, 60, 120, 1440
RIDGE = 1e-6  # added to the diagonal: two identical pairs make the correlation matrix singular
MOST = 100.0  # largest ratio of two eigenvalues
BREAKOUT = 2.0  # sd
LEAD = 0.2  # by which the leader's correlation must be larger
RISK_PAIRS = ("audjpy", "nzdjpy", "audusd")  # up when risk is sought
RISK = 0.5  # score from which the mood is no longer mixed
DECOUPLED = -2.0  # sd


def of_returns(r: Mapping[str, Floats]) -> Columns:
    """The 8 global columns of correlation_idx. docs/features.md 14.1.

    Args:
        r: one-bar log returns of the 7 majors on the dollar grid, as listed.
    """
    majors = [ORIENTATION[pair] * r[pair] for pair in USD_MAJORS]
    entries = [correlation(x, y, SHORT, SMALLEST, SMALLEST) for x, y in itertools.combinations(majors, 2)]
    variances = [_sd(x, SHORT) ** 2 for x in majors]
    mean, dispersion = _across(entries)
    return {
        **_spectrum(entries),
        "cov_trace_20": 1e8 * sum(variances, start=np.zeros_like(mean)),
        "corr_regime_20": tercile(mid_rank(mean, REGIME, SMALLEST)),
        "corr_breakout_flag": _breakout(mean),
        "avg_pairwise_corr_20": mean,
        "corr_dispersion_20": dispersion,
    }


def of_bqx(b: Mapping[str, Floats]) -> Columns:
    """The 9 global columns of correlation_bqx. docs/features.md 14.2.

    Args:
        b: w15_bqx_return of all 28 pairs on the dollar grid, as listed; all NaN for a pair that
            was not loaded.
    """
    synchrony = _synchrony(b)
    decoupling = _level(synchrony, SCALE).z
    triangle = b["eurusd"] - b["eurgbp"] - b["gbpusd"]
    return {
        **_lead(b["eurusd"], b["gbpusd"]),
        "momentum_regime_cluster": _regime(b),
        "momentum_dispersion_20": _dispersion(b),
        "momentum_synchrony_20": synchrony,
        "momentum_decoupling_flag": flag(decoupling < DECOUPLED, decoupling),
        "bqx_tri_resid_eurusd": triangle,
        "bqx_tri_resid_z_20": _level(triangle, SHORT).z,
    }


def of_levels(S: Mapping[str, Floats]) -> Columns:
    """The 6 global columns of xpair. docs/features.md 8.3.

    Args:
        S: rate index of the 7 majors on the dollar grid, as listed, index points.
    """
    zero = np.zeros_like(S[USD_MAJORS[0]])
    logs = [ORIENTATION[pair] * np.log(S[pair] / 100.0) for pair in USD_MAJORS]
    factor = 100.0 * sum(logs, start=zero) / len(logs)
    change, unmoved = factor - lagged(factor, 1), still(factor, LONG, PERCENT)
    return {
        "usd_factor_level": factor,
        "usd_factor_change_5": factor - lagged(factor, 5),
        "usd_factor_change_15": factor - lagged(factor, 15),
        "usd_factor_vol_30": rolling.sd(change, 30, still(change, 30, PERCENT) >= 30),
        "usd_factor_z_60": rolling.level(factor, LONG, unmoved >= LONG).z,
        "usd_factor_trend_20": trend.slope(factor, SHORT, unmoved >= SHORT),
    }


def _level(x: Floats, n: int) -> rolling.Level:
    return rolling.level(x, n, still(x, n, SMALLEST) >= n)


def _sd(x: Floats, n: int) -> Floats:
    return rolling.sd(x, n, still(x, n, SMALLEST) >= n)


def _across(values: list[Floats]) -> tuple[Floats, Floats]:
    """Mean and sd (ddof=1) of the series of one row, added up in their order."""
    zero = np.zeros_like(values[0])
    mean = sum(values, start=zero) / len(values)
    squares = sum(((x - mean) ** 2 for x in values), start=zero)
    return mean, np.sqrt(squares / (len(values) - 1))


def _spectrum(entries: list[Floats]) -> Columns:
    """Eigenvalues of the 7x7 matrix whose 21 entries above the diagonal are given row by row."""
    size = len(USD_MAJORS)
    known = np.flatnonzero(~np.isnan(sum(entries, start=np.zeros_like(entries[0]))))
    matrix = np.empty((known.size, size, size))
    matrix[:] = np.eye(size)
    for (i, j), entry in zip(itertools.combinations(range(size), 2), entries, strict=True):
        matrix[:, i, j] = matrix[:, j, i] = entry[known]
    eigenvalues = np.maximum(np.linalg.eigvalsh(matrix), 0.0)  # rounding makes a zero negative
    second, first = eigenvalues[:, -2], eigenvalues[:, -1]
    values = {
        "cov_determinant_20": np.log(eigenvalues + RIDGE).sum(axis=1),
        "cov_eigenvalue_max_20": first / size,
        "cov_eigenvalue_ratio_20": ratio(first, second, flat=second <= first / MOST, neutral=MOST),
    }
    out = {name: np.full(entries[0].size, np.nan) for name in values}
    for name, value in values.items():
        out[name][known] = value
    return out


def _breakout(mean: Floats) -> Floats:
    z = _level(mean, SCALE).z
    return flag(np.abs(z) > BREAKOUT, z)


def _lead(eur: Floats, gbp: Floats) -> Columns:
    """Correlation of one with the other's past, and whether the euro goes first."""
    five = correlation(lagged(eur, 5), gbp, LONG, SMALLEST, SMALLEST)
    fifteen = correlation(lagged(eur, 15), gbp, LONG, SMALLEST, SMALLEST)
    behind = correlation(lagged(gbp, 5), eur, LONG, SMALLEST, SMALLEST)
    return {
        "bqx_eur_leads_gbp_flag": flag(five - behind > LEAD, five, behind),
        "bqx_eur_gbp_lag_corr_5": five,
        "bqx_eur_gbp_lag_corr_15": fifteen,
    }


def _regime(b: Mapping[str, Floats]) -> Floats:
    """2 where risk is sought, 0 where it is shunned, else 1; a positive b is a fall, hence the minus."""
    score = -sum((_level(b[pair], LONG).z for pair in RISK_PAIRS), start=np.zeros_like(b["audusd"]))
    score = score / len(RISK_PAIRS)
    return choice(score > RISK, 2.0, np.where(score < -RISK, 0.0, 1.0), score)


def _dispersion(b: Mapping[str, Floats]) -> Floats:
    """How far the 28 pairs are apart, each in units of its own recent sd."""
    scaled = [b[pair] / np.maximum(_sd(b[pair], SCALE), SMALLEST) for pair in PAIRS]
    return weighted.total(_across(scaled)[1], SHORT) / SHORT


def _synchrony(b: Mapping[str, Floats]) -> Floats:
    """How far the majors agree on the direction of the dollar."""
    signs = [sign(ORIENTATION[pair] * b[pair], SMALLEST) for pair in USD_MAJORS]
    agreement = np.abs(sum(signs, start=np.zeros_like(signs[0]))) / len(signs)
    return weighted.total(agreement, SHORT) / SHORT
