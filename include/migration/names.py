"""Which names are legacy names, and what they become. Pure text; nothing here reads a database.

A legacy table is selected by a regular expression over the explicit pairs, never by a prefix:
``reg_%`` would also take ``reg_bqx_*``, ``reg_rate_*`` and even ``regime_*``. A new name replaces the
family's prefix where it stands before the pair and touches nothing else, so the months keep their suffix.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from include import names
from include.names import COLUMNS_ONLY, LEGACY, MAX_IDENTIFIER, legacy_pattern
from include.pairs import PAIRS

RATE_NAMES: dict[str, str] = {
    family: family.replace("_idx", "_rate") for family in LEGACY if family != "reg_idx"
}
"""Prefixes a half-done older migration left behind. ``reg_rate`` is a different table, never an alias."""

FAMILIES = (*LEGACY, *COLUMNS_ONLY)

_PARTITION = "_p?[0-9][0-9_]*|_default"  # what follows the table's name: a month, pg_partman's day, ...

LEGACY_PREFIX = "legacy_"  # a legacy column whose name the catalogue uses gets this in front
COMPATIBILITY_COMMENT = "bqx compatibility view"

_REG_METRICS = ("a_coef", "b_coef", "c_coef", "a_term", "b_term", "r2", "rmse", "yhat_end", "resid_end")
_REG_WINDOWS = (60, 90, 150, 240, 390, 630)

LEGACY_COLUMNS: dict[str, tuple[str, ...]] = {
    "reg_idx": (
        "rate_index",
        "created_at",
        *(f"w{window}_{metric}" for window in _REG_WINDOWS for metric in _REG_METRICS),
    ),
    "statistics_idx": (
        "skewness_60min",
        "kurtosis_60min",
        "median_absolute_deviation_60min",
        "entropy_60min",
        "autocorrelation_lag1",
    ),
    "bollinger_idx": (
        "bollinger_upper_20",
        "bollinger_middle_20",
        "bollinger_lower_20",
        "bollinger_width_20",
        "bollinger_percent_b",
    ),
    "fibonacci_idx": (
        *(f"fib_retracement_{level}" for level in (236, 382, 500, 618, 786)),
        *(f"fib_extension_{level}" for level in (1618, 2618, 4236)),
        *(f"fib_fan_{line}" for line in ("upper", "middle", "lower")),
        "fib_arc_radius",
    ),
    "volume_idx": (
        *(f"w{window}_volume_ratio" for window in (15, 30, 60)),
        "volume_spike",
        "volume_trend_slope",
        "cumulative_volume_60min",
        "volume_weighted_return",
        "volume_price_correlation_60min",
        "relative_volume_position",
        "volume_volatility_60min",
    ),
    "spread_idx": (
        "spread_mean_60min",
        "spread_volatility_60min",
        "spread_pct_of_rate",
        "spread_trend_slope",
        "spread_spike",
        "bid_ask_imbalance",
        "effective_spread",
        "quoted_spread",
        "realized_spread",
        "price_impact",
        "roll_cost",
        "bid_depth",
        "ask_depth",
        "depth_imbalance",
        "spread_range_60min",
        "spread_percentile_60min",
        "mid_price_volatility",
        "tick_direction",
        "tick_rule",
        "order_flow_toxicity",
    ),
    "correlation_idx": (
        *(f"corr_{side}_pairs_{minutes}min" for side in ("base", "quote") for minutes in (15, 60)),
        "relative_strength_vs_base_pairs",
        "relative_strength_vs_quote_pairs",
        "base_pair_divergence",
        "quote_pair_divergence",
        "triangular_arb_divergence",
        "cross_pair_momentum_divergence",
        "correlation_stability",
        "lead_lag_indicator",
        "cointegration_residual",
        "pair_spread_z_score",
        "cross_pair_volatility_ratio",
    ),
}
"""Columns of a legacy table besides ``ts_utc``, in table order: its fingerprint."""


class Match(NamedTuple):
    """What a table's name says."""

    family: str
    pair: str
    suffix: str  # "_2024_01" of a partition, "" of a parent

    @property
    def month(self) -> str:
        """Month of a partition as ``2024-01``; empty for a parent."""
        return self.suffix[1:].replace("_", "-")


def old_parent(family: str, pair: str) -> str:
    """Legacy name of a parent: ``old_parent("statistics_idx", "eurusd") == "statistics_features_eurusd"``."""
    return f"{LEGACY.get(family, family)}_{pair}"


def rate_parent(family: str, pair: str) -> str:
    """Name an older, half-done migration gave it; empty where there is none (``reg_idx``)."""
    return f"{RATE_NAMES[family]}_{pair}" if family in RATE_NAMES else ""


def spellings(family: str, pair: str, *, rate_names: bool = False) -> list[str]:
    """Legacy names of a parent; those of `RATE_NAMES` only if they count as such."""
    return [old_parent(family, pair)] + [rate_parent(family, pair)] * (rate_names and family in RATE_NAMES)


def new_parent(family: str, pair: str) -> str:
    """Name of the parent after the migration, the one the builds write."""
    return names.table(family, pair)


def match_old(name: str, pairs: Iterable[str] = PAIRS) -> Match | None:
    """Family, pair and month of a legacy table's name, or None if it is no legacy name."""
    return _match(name, LEGACY, tuple(pairs))


def match_rate(name: str, pairs: Iterable[str] = PAIRS) -> Match | None:
    """The same for the names of `RATE_NAMES`."""
    return _match(name, RATE_NAMES, tuple(pairs))


def match_new(name: str, pairs: Iterable[str] = PAIRS) -> Match | None:
    """The same for the names after the migration."""
    return _match(name, {family: family for family in LEGACY}, tuple(pairs))


def mention_pattern(pairs: Iterable[str] = PAIRS) -> str:
    r"""PostgreSQL pattern of a text that names a legacy table, or makes such a name out of its prefix.

    The second half finds ``'reg_' || pair`` and ``format('reg_%s', pair)``. ``\m`` and ``\M`` are
    PostgreSQL's word edges. Names are folded by PostgreSQL: match it without regard to case.
    """
    prefixes, alternatives = "|".join(LEGACY.values()), "|".join(pairs)
    return rf"\m({prefixes})_(({alternatives})({_PARTITION})?\M|%|'\s*\|\|)"


def partition_mention_pattern(pairs: Iterable[str] = PAIRS) -> str:
    """The same of a text that names a single partition, for which no view answers."""
    return rf"\m({'|'.join(LEGACY.values())})_({'|'.join(pairs)})({_PARTITION})\M"


def new_name(old: str) -> str:
    """New name of a legacy table, parent or partition: ``reg_eurusd_2024_01`` -> ``reg_idx_eurusd_2024_01``.

    Raises:
        ValueError: it is no legacy name.
    """
    match = match_old(old)
    if match is None:
        raise ValueError(f"{old!r} is not the name of a legacy table")
    return new_parent(match.family, match.pair) + match.suffix


def new_object_name(old: str, family: str, pair: str, *, rate_names: bool = False) -> str:
    """New name of an index, constraint or sequence of a table of this family and pair.

    The parent's legacy name, wherever it stands as a whole (``idx_reg_eurusd_ts``,
    ``reg_eurusd_2024_01_pkey``), becomes the new one. A name without it is returned as it is.

    Args:
        old: the present name.
        family: family of the catalogue.
        pair: the currency pair.
        rate_names: `RATE_NAMES` count as legacy names too.
    """
    sources = spellings(family, pair, rate_names=rate_names)
    pattern = rf"(?<![A-Za-z0-9])({'|'.join(sources)})(?![A-Za-z0-9])"
    return fit(re.sub(pattern, new_parent(family, pair), old))


def fit(name: str) -> str:
    """A name that PostgreSQL does not cut: too long ones end in a digest, so that they stay distinct."""
    if len(name.encode()) <= MAX_IDENTIFIER:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    head = name.encode()[: MAX_IDENTIFIER - 9].decode(errors="ignore")
    return f"{head}_{digest}"


def few(items: Sequence[str]) -> str:
    """The first names of a list, for a message: ``a, b, c and 7 more``."""
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown} and {len(items) - 3} more"


def _match(name: str, prefixes: dict[str, str], pairs: tuple[str, ...]) -> Match | None:
    found = re.fullmatch(legacy_pattern(pairs, prefixes.values()), name)
    if found is None:
        return None
    families = {prefix: family for family, prefix in prefixes.items()}
    return Match(families[found[1]], found[2], found[3] or "")
