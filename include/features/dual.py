"""The rate index against BQX: regressions, moments and bands of one beside those of the other: dual."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import EPS, Columns, Floats, in_units_of, lagged, ratio
from include.features.flags import choice, flag, tercile
from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.line import line
from include.features.kernels.pairwise import correlation
from include.features.kernels.rank import mid_rank
from include.features.kernels.regression import quadratic
from include.features.series import Series, View

__all__ = ["compute"]

FIT = 30  # rows of the regressions
DECOUPLED = 0.25  # share of the variance below which the two go their own ways
WALK = 15 + 15**2  # var(db)/var(r) of a random walk
LOG_LIMIT, WIDTH_LIMIT = 10.0, 5.0

SHORT, SCALE = 20, 120  # rows of the bands, and of what their width is measured in
SDS = 2.0  # on either side of the middle
TREND = 5  # rows over which the middle moves
TIE = 1e-9  # a price exactly on a band is not outside: 4 new prices after 16 equal ones are


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 9."""
    idx, bqx = series.view("idx"), series.view("bqx")
    return {
        **_each_on_the_other(idx, bqx),
        **_fits_apart(idx, bqx),
        **_moments_apart(idx, bqx),
        **_volatility(series),
        **_bands_apart(idx, bqx),
    }


def _each_on_the_other(idx: View, bqx: View) -> Columns:
    """BQX on the rate in levels, the rate on BQX in differences."""

    def together(n: int) -> Floats:
        return correlation(idx.close, bqx.close, n, idx.eps, bqx.eps)

    forward = line(bqx.close, idx.close, FIT, bqx.eps, idx.eps)
    backward = line(idx.change, bqx.change, FIT, idx.eps, bqx.eps)
    r2 = together(FIT) ** 2
    return {
        "reg_rate_bqx_beta_30": forward.slope,
        "reg_rate_bqx_r2_30": r2,
        "reg_rate_bqx_resid_z_30": forward.resid_z,
        "reg_bqx_rate_beta_30": backward.slope,
        "reg_bqx_rate_r2_30": correlation(idx.change, bqx.change, FIT, idx.eps, bqx.eps) ** 2,
        "reg_bqx_rate_resid_z_30": backward.resid_z,
        "reg_coupling_15_60": together(15) - together(60),
        "reg_decoupling_flag": flag(r2 < DECOUPLED, r2),
    }


def _fits_apart(idx: View, bqx: View) -> Columns:
    """Differences of the parabolas of reg_idx and reg_bqx."""
    rate, momentum = (quadratic(view.close, FIT, view.flat(FIT), view.eps) for view in (idx, bqx))
    metrics = {"a2": "a2_norm", "a1": "a1_norm", "b": "b_norm", "r2": "r2"}
    return {f"{name}_diff_idx_bqx": rate[metric] - momentum[metric] for name, metric in metrics.items()}


def _moments_apart(idx: View, bqx: View) -> Columns:
    rate, momentum = (rolling.moments(view.close, SHORT, view.flat(SHORT)) for view in (idx, bqx))
    return {
        "skew_diff_bqx_idx_20": momentum.skew - rate.skew,
        "kurt_diff_bqx_idx_20": momentum.kurt - rate.kurt,
    }


def _volatility(series: Series) -> Columns:
    """Changes of BQX in units of those of a random walk with the volatility of the returns."""
    r, db, eps = series.r, series.db, EPS["bqx"]
    still_r, still_db = still(r, 60, eps), still(db, 60, eps)
    sd_r = {n: rolling.sd(r, n, still_r >= n) for n in (20, 30, 60)}
    sd_db = {n: rolling.sd(db, n, still_db >= n) / np.sqrt(WALK) for n in (20, 30, 60)}
    return {
        "var_ratio_bqx_idx_20": _log_ratio(sd_db[20], sd_r[20], 2.0, LOG_LIMIT),
        "var_ratio_bqx_idx_60": _log_ratio(sd_db[60], sd_r[60], 2.0, LOG_LIMIT),
        "vol_ratio_bqx_idx_30": _log_ratio(sd_db[30], sd_r[30], 1.0, LOG_LIMIT),
        "vol_diff_bqx_idx_30": 1e4 * (sd_db[30] - sd_r[30]),
        **{f"xcorr_idx_bqx_lag_{k}": correlation(lagged(r, k), db, 60, eps, eps) for k in (0, 1, 5, 15)},
    }


def _log_ratio(part: Floats, whole: Floats, power: float, limit: float) -> Floats:
    """power*ln(part/whole), clipped; 0 where one of them is 0, which only a flat window gives."""
    flat = (part == 0) | (whole == 0)
    logarithm = power * np.log(ratio(part, whole, flat=flat, neutral=1.0))
    return choice(flat, 0.0, np.clip(logarithm, -limit, limit), part, whole)


class _Bands(NamedTuple):
    """Bollinger bands of 20 rows of one domain, in measures that both domains share.

    ``width`` is that of the bands in sd_120, ``squeeze`` its rank among the last 120, ``side`` where
    the current value stands outside, ``slope`` that of the middle per row in sd0_20.
    """

    percent: Floats
    width: Floats
    squeeze: Floats
    side: Floats
    slope: Floats


def _bands(view: View) -> _Bands:
    flat, sd = view.flat(SHORT), rolling.sd(view.close, SCALE, view.flat(SCALE))
    bands = rolling.bands(view.close, SHORT, flat, SDS)
    width = in_units_of(sd, bands.width, view.eps, flat=sd == 0)
    moved = bands.middle - lagged(bands.middle, TREND)
    above = np.where(bands.percent > 1 + TIE, 1.0, 0.0)
    return _Bands(
        percent=bands.percent,
        width=width,
        squeeze=mid_rank(width, SCALE, view.eps),
        side=choice(bands.percent < -TIE, -1.0, above, bands.percent),
        slope=choice(flat, 0.0, ratio(moved, TREND / (2 * SDS) * bands.width, flat=flat), moved),
    )


def _bands_apart(idx: View, bqx: View) -> Columns:
    rate, momentum = _bands(idx), _bands(bqx)
    thirds = tercile(momentum.squeeze), tercile(rate.squeeze)
    return {
        "bb_z_diff_bqx_idx_20": momentum.percent - rate.percent,
        "bb_bandwidth_ratio_20": _log_ratio(momentum.width, rate.width, 1.0, WIDTH_LIMIT),
        "bb_compression_diff_20": momentum.squeeze - rate.squeeze,
        "bb_breakout_divergence": momentum.side - rate.side,
        "bb_slope_diff_20": momentum.slope - rate.slope,
        "bb_regime_mismatch_flag": flag(thirds[0] != thirds[1], *thirds),
    }
