"""Day-block bootstrap, p-values, and what chance alone makes of many looks at the same days.

The unit is the trading day: errors within a day are dependent, since labels overlap and volatility comes
in clusters. Resample b takes the days ``default_rng(SEED).integers(0, D, (RESAMPLES, D))[b]`` of the D days
of a set in their order, the same for all pairs, models and horizons, so what they share stays shared.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from scipy import special, stats  # type: ignore[import-untyped]

from include.features.arrays import Flags, Floats

__all__ = [
    "LEAST_DAYS",
    "LEVEL",
    "NOMINAL",
    "RESAMPLES",
    "SEED",
    "ByChance",
    "Ratio",
    "adjusted",
    "by_chance",
    "draws",
    "ends",
    "ratio",
]  # fmt: skip

RESAMPLES = 2_000
SEED = 20_240_701
LEAST_DAYS = 20  # trading days of a split; with fewer its scores have no intervals
LEVEL = 0.05  # of false discoveries among the verdicts; intervals leave half of it on each side
NOMINAL = LEVEL / 2  # one-sided level of a single look: its interval lies above 0
RANGE = (0.05, 0.95)  # quantiles of what is reported as by chance


class Ratio(NamedTuple):
    """A ratio of sums over days, for each look, with what its resamples give.

    Attributes:
        value: (looks,).
        error: (looks,) its standard error.
        days: (looks,) days with rows.
        stars: (resamples, looks) the ratio in each resample.
        star_errors: (resamples, looks) its standard error there.
        star_days: (resamples, looks) days with rows there.
    """

    value: Floats
    error: Floats
    days: Floats
    stars: Floats
    star_errors: Floats
    star_days: Floats

    @property
    def p(self) -> Floats:
        """(looks,) one-sided p-value of "not above 0", from Student's t with days - 1 degrees of freedom."""
        return _upper_tail(self.value, self.error, self.days)

    @property
    def null_p(self) -> Floats:
        """(resamples, looks) the p-values of the resamples, moved to a true value of 0."""
        return _upper_tail(self.stars - self.value, self.star_errors, self.star_days)

    def ends(self) -> tuple[Floats, Floats]:
        """(looks,) ends of the 95 % percentile interval."""
        return ends(self.stars)

    def only(self, looks: Flags) -> Ratio:
        """Some of the looks."""
        return Ratio._make(array[..., looks] for array in self)


class ByChance(NamedTuple):
    """How many looks count as skill, and how many would if there were none.

    Attributes:
        looks: pairs x models x horizons.
        nominal: looks whose own p-value is at most `NOMINAL`, without regard to the others.
        nominal_range: 5 to 95 % range of that number by chance.
        controlled: looks that stay when false discoveries are controlled (Benjamini-Yekutieli).
        controlled_range: 5 to 95 % range of that number by chance.
        hochberg: looks that would stay by Benjamini-Hochberg, for comparison.
    """

    looks: int
    nominal: int
    nominal_range: tuple[int, int]
    controlled: int
    controlled_range: tuple[int, int]
    hochberg: int


def draws(days: int, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """(resamples, days): how often each day is in each resample."""
    chosen = np.random.default_rng(seed).integers(0, days, (resamples, days))
    cells = chosen + np.arange(resamples)[:, None] * days
    return np.bincount(cells.ravel(), minlength=resamples * days).reshape(resamples, days).astype(np.float64)


def ratio(part: Floats, whole: Floats, counts: Floats) -> Ratio:
    """Ratio of the sums of `part` and `whole`, with its resamples and standard errors.

    The standard error is that of a ratio of day sums (linearised), with D / (D - 1). A resample has its
    own standard error, so its t-value has the spread that days with heavy tails give it. Student's t
    stands in for resamples far out in the tail: the correction for hundreds of looks asks for
    probabilities below 1e-4, which 2,000 resamples cannot show.

    Args:
        part: (looks, days) numerators.
        whole: (looks, days) denominators, 0 on days without rows.
        counts: (resamples, days) from `draws`.
    """
    present = (whole > 0).astype(np.float64)
    one = np.ones((1, whole.shape[1]))
    value, error, days = (array[0] for array in _of_days(part, whole, present, one))
    return Ratio(value, error, days, *_of_days(part, whole, present, counts))


def ends(stars: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % percentile interval of each look.

    Args:
        stars: (resamples, looks); a look without any value has no ends (NaN).
    """
    low, high = np.full((2, stars.shape[1]), np.nan)
    some = ~np.isnan(stars).all(axis=0)
    quantile = np.nanquantile if np.isnan(stars[:, some]).any() else np.quantile  # the first is slow
    low[some], high[some] = quantile(stars[:, some], (NOMINAL, 1 - NOMINAL), axis=0)
    return low, high


def adjusted(p: Floats, method: str) -> Floats:
    """p-values adjusted for many looks along the last axis: ``by`` (Benjamini-Yekutieli) or ``bh``."""
    if not p.shape[-1]:
        return p
    return cast(Floats, stats.false_discovery_control(p, axis=-1, method=method))


def by_chance(found: Ratio) -> ByChance:
    """Count verdicts, and what the joint null of the same days makes of them."""
    p, null_p = found.p, found.null_p
    return ByChance(
        looks=p.size,
        nominal=int((p <= NOMINAL).sum()),
        nominal_range=_range((null_p <= NOMINAL).sum(axis=1)),
        controlled=int((adjusted(p, "by") <= LEVEL).sum()),
        controlled_range=_range((adjusted(null_p, "by") <= LEVEL).sum(axis=1)),
        hochberg=int((adjusted(p, "bh") <= LEVEL).sum()),
    )


def _of_days(part: Floats, whole: Floats, present: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """(resamples, looks): ratio, its standard error, days with rows; NaN where there are too few days."""
    with np.errstate(invalid="ignore", divide="ignore"):
        below = counts @ whole.T
        value = (counts @ part.T) / below
        days = counts @ present.T
        squares = (
            counts @ (part**2).T
            - 2 * value * (counts @ (part * whole).T)
            + value**2 * (counts @ (whole**2).T)
        )
        error = np.sqrt(np.maximum(squares, 0.0) * days / (days - 1)) / below
    return value, error, days


def _upper_tail(value: Floats, error: Floats, days: Floats) -> Floats:
    """Probability of so large a t-value if the truth is 0; 1 where it is not defined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        t = value / error
        p = cast(Floats, special.stdtr(days - 1, -t))
    p = np.where((error == 0) & (days > 1), np.where(value > 0, 0.0, 1.0), p)
    return np.where(np.isfinite(p), p, 1.0)


def _range(counts: npt.NDArray[np.int64]) -> tuple[int, int]:
    low, high = np.quantile(counts, RANGE, method="nearest")
    return int(low), int(high)
