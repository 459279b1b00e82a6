"""Correlation of a pair with the dollar majors, in returns and in BQX: correlation_idx, correlation_bqx."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from include.features.arrays import EPS, Columns, Floats
from include.features.catalogue import FAMILIES
from include.features.dollar import ORIENTATION
from include.features.flags import flag
from include.features.join import join_exact
from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation, two_factors
from include.features.series import WINDOWS, Series
from include.features.shared import Shared
from include.pairs import USD_MAJORS

__all__ = ["compute", "shared_columns"]

FROM_MAJORS = frozenset(f"{symbol}_{major}" for symbol in ("r", "b", "db") for major in USD_MAJORS)

SMALLEST = EPS["bqx"]  # of returns as of BQX
FIT = 60  # rows of the regression on the two factors

RETURN_REFERENCES = {
    20: ("eurusd", "gbpusd", "audusd", "nzdusd", "usdjpy", "usdchf", "usdcad"),
    60: ("eurusd", "gbpusd", "usdjpy"),
}
BQX_REFERENCES = {20: ("eurusd", "gbpusd", "usdjpy", "audusd"), 60: ("eurusd", "gbpusd", "usdjpy")}

SHELTERS, RISKS = ("usdjpy", "usdchf"), ("audusd", "nzdusd", "usdcad")  # the two ends of the risk factor

# Scale of q^w on a random walk: the weights of the increments are 1 .. w.
WALK = {w: float(np.sqrt(w * (w + 1) * (2 * w + 1) / 6)) for w in WINDOWS}
# Least squares on five equally spaced points: what each adds to the coefficient of x^2, x = (w-45)/30.
BEND = dict(zip(WINDOWS, (4 / 7, -2 / 7, -4 / 7, -2 / 7, 4 / 7), strict=True))


def shared_columns(domain: str) -> tuple[str, ...]:
    """What the family reads of what all pairs share: levels and changes of the majors, columns taken over."""
    symbols = ("r",) if domain == "idx" else ("b", "db")
    same = (feature.name for feature in FAMILIES[f"correlation_{domain}"].columns if feature.grid == "dollar")
    return (*(f"{symbol}_{major}" for symbol in symbols for major in USD_MAJORS), *same)


def compute(series: Series, domain: str, pair: str, shared: Shared) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 14.1 and 14.2.

    Series of other pairs come from the same minute or are NULL; windows count the rows of the pair,
    one NULL inside makes the column NULL. Where the pair is the reference itself, its correlation is
    with the mean of the seven majors, each signed so that + is dollar up.

    The two-factor fit leaves out a factor that does not move inside its window, and of two collinear
    factors uses the dollar factor alone; with none left R2 is 0 and the residual variance that of
    the pair around its mean (still with ddof=3).
    """
    symbol = "r" if domain == "idx" else "b"
    change = "r" if domain == "idx" else "db"
    taken = shared_columns(domain)
    joined = join_exact(series.ts, shared.ts, {name: shared.columns[name] for name in taken})
    levels, changes = ({m: joined[f"{name}_{m}"] for m in USD_MAJORS} for name in (symbol, change))
    own = _of_returns if domain == "idx" else _of_bqx
    same = {name: joined[name] for name in taken if name not in FROM_MAJORS}
    return own(series, pair, levels, changes) | same


def _of_returns(series: Series, pair: str, r: Mapping[str, Floats], changes: Mapping[str, Floats]) -> Columns:
    systematic, left = _factors(series.r, pair, changes)
    return {
        **_references("corr", RETURN_REFERENCES, series.r, pair, r),
        "resid_var_systematic": systematic,
        "resid_var_idiosyncratic": 1e8 * left,  # bps^2
    }


def _of_bqx(series: Series, pair: str, b: Mapping[str, Floats], changes: Mapping[str, Floats]) -> Columns:
    systematic, left = _factors(series.db, pair, changes)
    return {
        **_references("bqx_corr", BQX_REFERENCES, series.b, pair, b),
        **_term_structure(series.q),
        "bqx_var_systematic": systematic,
        "bqx_var_idiosyncratic": left,
    }


def _references(
    prefix: str, windows: Mapping[int, Collection[str]], x: Floats, pair: str, majors: Mapping[str, Floats]
) -> Columns:
    """Correlation with each reference, or with the dollar where the pair is the reference."""
    columns: Columns = {}
    for n, references in windows.items():
        for reference in references:
            other = _mean(majors, USD_MAJORS) if reference == pair else majors[reference]
            name = f"{prefix}_{reference[:3]}_{reference[3:]}_{n}"
            columns[name] = correlation(x, other, n, SMALLEST, SMALLEST)
    return columns


def _factors(y: Floats, pair: str, majors: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """R2 and residual variance of the pair's changes on dollar and risk, the pair itself left out."""
    market, shelters, risks = ([m for m in group if m != pair] for group in (USD_MAJORS, SHELTERS, RISKS))
    return two_factors(
        y, _mean(majors, market), _mean(majors, shelters) - _mean(majors, risks), FIT, SMALLEST
    )


def _mean(majors: Mapping[str, Floats], pairs: Collection[str]) -> Floats:
    """Mean of some majors, signed so that + is dollar up."""
    zero = np.zeros_like(next(iter(majors.values())))
    return sum((ORIENTATION[pair] * majors[pair] for pair in pairs), start=zero) / len(pairs)


def _term_structure(q: Mapping[int, Floats]) -> Columns:
    """BQX over its windows: level with level, slope, bend."""
    columns = {f"bqx_corr_w{w}_w60": correlation(q[w], q[60], 60, SMALLEST, SMALLEST) for w in (15, 30, 45)}
    slope = (q[15] - q[60]) / 45.0
    zero = np.zeros_like(slope)
    return columns | {
        "term_slope_bqx": slope,
        "term_curvature_bqx": sum((BEND[w] * (q[w] / WALK[w]) for w in WINDOWS), start=zero),
        "term_inversion_flag": flag(q[60] - q[15] > SMALLEST, slope),
        "term_steepness_z": rolling.level(slope, 120, still(slope, 120, SMALLEST) >= 120).z,
    }
