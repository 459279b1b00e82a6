"""A pair among related ones: its sisters, the triangle it closes, the dollar as a whole: xpair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from include.features import dollar
from include.features.arrays import EPS, Columns, Floats, Minutes, lagged, ratio
from include.features.catalogue import FAMILIES
from include.features.flags import flag
from include.features.join import common_minutes, join_exact
from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation
from include.features.series import Series
from include.pairs import USD_MAJORS, sisters, triangle

__all__ = ["DOLLAR_LOOKBACK", "Related", "compute", "related_pairs"]

SMALLEST, BPS = EPS["bqx"], EPS["idx"]  # of returns and BQX; of the triangle's residual in bps
STEEPEST = 20.0  # beta
USUAL = 2.0  # sd of both residuals up to which a triangle is aligned

_GLOBAL = tuple(feature for feature in FAMILIES["xpair"].columns if feature.grid == "dollar")

# Rows of the DOLLAR grid that the majors must have in front of a chunk.
DOLLAR_LOOKBACK: int = max(feature.lookback for feature in _GLOBAL)


class Related(NamedTuple):
    """Series of other pairs, over the rows of a pair and before.

    Attributes:
        series: grid rows by pair, see `related_pairs`. A pair that is missing was never loaded: the
            columns that read it are NULL, and without all seven majors there is no dollar grid.
    """

    series: Mapping[str, Series]


def related_pairs(pair: str) -> tuple[str, ...]:
    """The pairs that the columns of a pair read: five sisters, two legs, seven majors; 9 or 10 in all.

    A major is among its own: the dollar grid may reach further back than its chunk does.
    """
    legs = tuple(leg.pair for leg in triangle(pair))
    return tuple(dict.fromkeys((*sisters(pair), *legs, *USD_MAJORS)))


def compute(series: Series, pair: str, related: Related) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 8.

    Values of other pairs come from the same minute or are NULL. Lags and windows count the rows of the
    pair, those of the dollar factor the rows of the dollar grid; one NULL inside makes the column NULL.
    What is NULL follows from the inputs alone: where a sister starts earlier, its first lagged return is
    known a row before the catalogue's ``min``.
    """
    others = {pair: series} | dict(related.series)
    columns: Columns = {}
    for i, sister in enumerate(sisters(pair), start=1):
        rs = _joined(series.ts, others.get(sister), "r")["r"]
        columns |= {f"sister{i}_{name}": values for name, values in _sister(series.r, rs).items()}
    return columns | _triangle(series, pair, others) | _dollar(series.ts, others)


def _joined(ts: Minutes, other: Series | None, *symbols: str) -> Columns:
    if other is None:
        return {symbol: np.full(ts.size, np.nan) for symbol in symbols}
    return join_exact(ts, other.ts, {symbol: getattr(other, symbol) for symbol in symbols})


def _sister(r: Floats, rs: Floats) -> Columns:
    """What its returns were, how large they are, and how the pair moves with them."""
    together = correlation(r, rs, 60, SMALLEST, SMALLEST)
    own, other = _sd(r, 60, SMALLEST), _sd(rs, 60, SMALLEST)
    beta = ratio(together * own, other, flat=(other == 0) & ~np.isnan(together))
    return {
        **{f"return_lag_{k}": lagged(rs, k) for k in (1, 5, 15)},
        "vol_30": _sd(rs, 30, SMALLEST),
        "corr_60": together,
        "beta_60": np.clip(beta, -STEEPEST, STEEPEST),
    }


def _triangle(series: Series, pair: str, others: Mapping[str, Series]) -> Columns:
    """What is left of the pair when it is bought through the third currency, in price and in BQX."""
    level, momentum = np.log(series.S / 100.0), series.b.copy()
    for leg in triangle(pair):
        joined = _joined(series.ts, others.get(leg.pair), "S", "b")
        level -= leg.sign * np.log(joined["S"] / 100.0)
        momentum -= leg.sign * joined["b"]
    level *= 1e4
    z, bqx_z = _z(level, 20, BPS), _z(momentum, 20, SMALLEST)
    usual = (np.abs(z) <= USUAL) & (np.abs(bqx_z) <= USUAL)
    return {
        "tri_resid_level": level,
        "tri_resid_z_20": z,
        "tri_resid_change_5": level - lagged(level, 5),
        "tri_resid_vol_30": _sd(level - lagged(level, 1), 30, BPS),
        "tri_bqx_resid": momentum,
        "tri_bqx_resid_z_20": bqx_z,
        "tri_bqx_change_5": momentum - lagged(momentum, 5),
        "tri_alignment_flag": flag(usual, z, bqx_z),
    }


def _dollar(ts: Minutes, others: Mapping[str, Series]) -> Columns:
    """The factor on the dollar grid, joined to the rows of the pair."""
    if not all(major in others for major in USD_MAJORS):
        return {feature.name: np.full(ts.size, np.nan) for feature in _GLOBAL}
    grid = common_minutes(others[major].ts for major in USD_MAJORS)
    S = {major: join_exact(grid, others[major].ts, {"S": others[major].S})["S"] for major in USD_MAJORS}
    return join_exact(ts, grid, dollar.of_levels(S))


def _z(x: Floats, n: int, eps: float) -> Floats:
    return rolling.level(x, n, still(x, n, eps) >= n).z


def _sd(x: Floats, n: int, eps: float) -> Floats:
    return rolling.sd(x, n, still(x, n, eps) >= n)
