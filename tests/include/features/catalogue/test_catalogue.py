"""The catalogue against figures typed here by hand: counts, names, history and bounds of its columns."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest

from include import names, pairs
from include.errors import BadParameter
from include.features import catalogue
from include.features.catalogue import (
    BARS_BEFORE,
    CATALOGUE,
    FAMILIES,
    STORED,
    Family,
    Feature,
    catalogue_hash,
    family,
)
from include.features.catalogue.symbols import SYMBOLS, UNITS

ROOT = Path(__file__).resolve().parents[4]
COLUMNS = [column for one in CATALOGUE for column in one.columns]
BY_NAME = {column.full_name: column for column in COLUMNS}

# family: idx, bqx, shared columns, stage of the plan, kept in a table of its own
FAMILY_TABLE = {
    "reg_idx": (90, 0, 0, "2.1", True),
    "reg_bqx": (0, 90, 0, "2.1", True),
    "statistics_idx": (24, 0, 0, "2.1", True),
    "statistics_bqx": (0, 24, 0, "1.6.12", True),
    "bollinger_idx": (10, 0, 0, "2.1", True),
    "bollinger_bqx": (0, 10, 0, "1.6.13", True),
    "technical_idx": (15, 0, 0, "1.6.10", True),
    "technical_bqx": (0, 15, 0, "1.6.11", True),
    "fibonacci_idx": (10, 0, 0, "2.1", True),
    "fibonacci_bqx": (0, 10, 0, "1.6.14", True),
    "lag": (60, 60, 60, "2.2", False),
    "ma": (12, 12, 0, "2.2", False),
    "xpair": (0, 0, 44, "2.2", False),
    "dual": (0, 0, 28, "2.2", False),
    "time": (0, 0, 20, "2.2", False),
    "spread_idx": (12, 0, 0, "2.1", True),
    "volume_idx": (15, 0, 0, "2.1", True),
    "volume_bqx": (0, 8, 0, "1.6.15", True),
    "event": (0, 0, 26, "2.2", False),
    "mres": (0, 0, 30, "2.2", False),
    "correlation_idx": (20, 0, 0, "1.6.16", True),
    "correlation_bqx": (0, 25, 0, "1.6.17", True),
}

# column: min, warm, low, high; typed from the definitions, not from the declarations
HAND_TABLE = {
    "reg_idx__w15_a2_norm": (15, 14, None, None),
    "reg_idx__w90_r2": (90, 89, 0, 1),
    "reg_idx__w30_rmse_norm": (61, 60, 0, None),
    "reg_bqx__w75_rmse_norm": (75, 74, 0, None),
    "reg_bqx__w45_quad_apex": (45, 44, -5, 5),
    "reg_idx__a2_ratio_30_90": (90, 89, -1, 1),
    "reg_idx__a1_ratio_15_45": (45, 44, -1, 1),
    "reg_bqx__rmse_ratio_45_75": (75, 74, -5, 5),
    "statistics_idx__skew_50": (50, 49, -7.0711, 7.0711),
    "statistics_bqx__kurt_20": (20, 19, -2.2353, 20),
    "statistics_idx__z_score_120": (120, 119, -10.863, 10.863),
    "bollinger_idx__bb_percent_b_20": (20, 19, -0.5897, 1.5897),
    "bollinger_idx__bb_bandwidth_50": (50, 49, 0, None),
    "bollinger_bqx__bb_bandwidth_20": (120, 119, 0, 9.757),
    "bollinger_bqx__bb_bandwidth_50": (120, 119, 0, 6.1709),
    "technical_idx__rsi_14": (15, 400, 0, 100),
    "technical_bqx__rsi_21": (22, 600, 0, 100),
    "technical_idx__macd_signal": (34, 450, None, None),
    "technical_idx__cci_20": (20, 19, -666.6667, 666.6667),
    "technical_idx__roc_12": (13, 12, None, None),
    "technical_bqx__roc_12": (120, 119, None, None),
    "technical_idx__adx_14": (28, 560, 0, 100),
    "technical_bqx__atr_pct_14": (120, 400, 0, None),
    "fibonacci_bqx__dist_to_fib_61_8": (100, 400, -100, 100),
    "lag__rate_idx_lag_60": (61, 60, None, None),
    "lag__return_lag_1": (3, 61, None, None),
    "ma__ema_5": (5, 74, None, None),
    "ma__ema_200": (200, 2994, None, None),
    "ma__bqx_ema_50": (50, 749, None, None),
    "xpair__sister3_return_lag_15": (17, 16, None, None),
    "xpair__sister5_beta_60": (61, 60, -20, 20),
    "xpair__usd_factor_z_60": (60, 59, -7.617, 7.617),
    "dual__kurt_diff_bqx_idx_20": (20, 19, -22.2353, 22.2353),
    "dual__xcorr_idx_bqx_lag_15": (61, 75, -1, 1),
    "dual__bb_compression_diff_20": (239, 238, -0.99167, 0.99167),
    "time__session_vol_regime": (1470, 1469, 0, 2),
    "time__session_minutes_to_close": (1, 0, 0, 480),
    "spread_idx__spread_percentile_60": (60, 59, 0.00833, 0.99167),
    "volume_idx__vol_return_corr_20": (21, 20, -1, 1),
    "volume_bqx__vol_during_bqx_drop": (119, 118, 0, None),
    "event__time_since_last_jump": (62, 1501, 0, 1440),
    "event__post_jump_decay_20": (81, 80, 0, 2.1794),
    "event__garch_vol_estimate": (1441, 1925, 0, None),
    "event__vol_regime_60": (1500, 1499, 0, 2),
    "mres__bqx_5m_vol_20": (105, 108, 0, None),
    "mres__return_5m_lag_5": (34, 34, None, None),
    "mres__rsi_15m_14": (239, 6014, 0, 100),
    "mres__macd_15m": (404, 6764, None, None),
    "correlation_idx__cov_eigenvalue_max_20": (21, 20, 0.142857, 1),
    "correlation_idx__corr_dispersion_20": (21, 20, 0, 1.0235),
    "correlation_bqx__bqx_eur_gbp_lag_corr_15": (75, 74, -1, 1),
    "correlation_bqx__term_curvature_bqx": (1, 0, None, None),
    "correlation_bqx__momentum_decoupling_flag": (139, 138, 0, 1),
}

# Columns whose warm-up is longer than their window, and why. Every other column: warm = min - 1.
LONGER_WARM_UP = {
    "the seed of a recursion has to decay": (
        r"technical_(idx|bqx)__(rsi|macd|adx|plus_di|minus_di|atr)_\w+",
        r"fibonacci_(idx|bqx)__dist_to_fib_\w+",  # in units of atr_14
        r"ma__(bqx_)?ema_\d+",
        r"event__(ewma_vol_30|garch_vol_estimate)",
        r"mres__(rsi|macd|atr)_(5|15)m\w*",
    ),
    "one figure for all lags of a kind": (
        r"lag__(rate_idx|bqx|return)_lag_\d+",
        r"xpair__sister\d_return_lag_(1|5)",
        r"mres__return_5m_lag_\d",
    ),
    "the lagged return reaches further back than the first value needs": (r"dual__xcorr_idx_bqx_lag_\d+",),
    "looks back for an event, up to 1440 bars": (r"event__time_since_last_jump",),
    "b is known at the first block, the bars of the block are not": (
        r"mres__bqx_(5m_sma_10|5m_vol_20|15m_sma_8|15m_vol_12)",
        r"mres__(var_ratio_5m_bqx_idx|xcorr_5m_idx_bqx)",
    ),
}

# Columns of 5- and 15-minute bars: how many complete bars they need of S, or of b.
COMPLETE_BARS = {
    5: {
        "rate_idx_5m_sma_10": 10, "rate_idx_5m_vol_20": 21, "return_5m_lag_1": 2, "return_5m_lag_2": 3,
        "return_5m_lag_3": 4, "return_5m_lag_5": 6, "rsi_5m_14": 15, "macd_5m": 26, "atr_5m_14": 15,
        "volume_5m_sma_10": 10, "spread_5m_mean_10": 10, "vol_regime_5m": 308, "trend_regime_5m": 12,
        "jump_count_5m_12": 73, "sma_1m_vs_5m_ratio": 10, "vol_1m_vs_5m_ratio": 21,
    },
    15: {
        "rate_idx_15m_sma_8": 8, "rate_idx_15m_vol_12": 13, "rsi_15m_14": 15, "macd_15m": 26,
        "sma_5m_vs_15m_ratio": 8, "trend_5m_vs_15m_agreement": 12, "scale_cascade_aligned": 12,
        "scale_cascade_diverged": 12,
    },
}  # fmt: skip
COMPLETE_BARS_OF_B = {
    5: {"bqx_5m_sma_10": 10, "bqx_5m_vol_20": 21, "var_ratio_5m_bqx_idx": 21, "xcorr_5m_idx_bqx": 21},
    15: {"bqx_15m_sma_8": 8, "bqx_15m_vol_12": 13},
}

# Values in a flat window that are not 0.
FLAT_VALUES = {
    **{f"bollinger_{domain}__bb_percent_b_{n}": 0.5 for domain in ("idx", "bqx") for n in (20, 50)},
    **{f"technical_{domain}__{name}": 50.0 for domain in ("idx", "bqx")
       for name in ("rsi_14", "rsi_21", "stoch_k_14", "stoch_d_3")},
    **{f"technical_{domain}__williams_r_14": -50.0 for domain in ("idx", "bqx")},
    **dict.fromkeys(("mres__rsi_5m_14", "mres__rsi_15m_14"), 50.0),
    **dict.fromkeys(("spread_idx__spread_percentile_60", "event__vol_percentile_100"), 0.5),
    **dict.fromkeys((  # the middle class of a rank, a z-score or a score of 0
        "time__session_vol_regime", "spread_idx__spread_regime", "volume_idx__volume_regime",
        "event__vol_regime_20", "event__vol_regime_60", "mres__vol_regime_5m",
        "correlation_idx__corr_regime_20", "correlation_bqx__momentum_regime_cluster"), 1.0),
    "xpair__tri_alignment_flag": 1.0,
    "dual__reg_decoupling_flag": 1.0,  # R2 of a flat window is 0
    "mres__trend_5m_vs_15m_agreement": 1.0,
    "event__time_since_last_jump": 1440.0,
    "event__post_jump_decay_20": 1.0,
    "correlation_idx__cov_determinant_20": 7e-6,
    "correlation_idx__cov_eigenvalue_max_20": 1 / 7,
    "correlation_idx__cov_eigenvalue_ratio_20": 1.0,
}  # fmt: skip

TWINS = ("reg", "statistics", "bollinger", "technical", "fibonacci")
REDEFINED_ON_BQX = {"bb_bandwidth_20", "bb_bandwidth_50", "roc_12", "atr_pct_14"}
# What follows from the series of the domain; every other field of a twin must be equal.
DOMAIN_FIELDS = {"table", "domain", "section", "formula", "inputs", "counts", "unit"}


def test_there_are_730_columns_by_domain_and_type() -> None:
    assert Counter(column.domain for column in COLUMNS) == {"idx": 268, "bqx": 254, "shared": 208}
    assert Counter(column.kind for column in COLUMNS) == {"float": 685, "flag": 30, "category": 15}
    assert len(COLUMNS) == 730


def test_the_families_are_those_of_the_plan_in_order() -> None:
    found = {}
    for one in CATALOGUE:
        domains = Counter(column.domain for column in one.columns)
        found[one.name] = (domains["idx"], domains["bqx"], domains["shared"], one.stage, one.stored)
    assert list(found.items()) == list(FAMILY_TABLE.items())
    assert tuple(name for name, row in FAMILY_TABLE.items() if row[-1]) == STORED
    assert sum(len(family(name).columns) for name in STORED) == 378


def test_names_are_unique_lower_case_and_fit_into_postgresql() -> None:
    assert len(BY_NAME) == len(COLUMNS)
    for full_name, column in BY_NAME.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name), full_name
        assert len(full_name.encode()) <= names.MAX_IDENTIFIER
    month = names.Month(2025, 12)
    for one in STORED:
        for pair in pairs.PAIRS:
            index = names.partition(names.table(one, pair), month) + "_pkey"
            assert len(index.encode()) <= names.MAX_IDENTIFIER


@pytest.mark.parametrize("name", FAMILY_TABLE)
def test_columns_are_declared_completely(name: str) -> None:
    for column in family(name).columns:
        assert_complete(column)


def assert_complete(column: Feature) -> None:
    who = column.full_name
    assert column.table in FAMILIES, who
    assert column.formula, who
    assert column.range, who
    assert column.unit in UNITS, who
    assert column.inputs, who
    assert set(column.inputs) <= SYMBOLS.keys(), who
    assert column.counts in BARS_BEFORE, who
    assert column.grid in {"pair", "dollar"}, who
    assert column.min >= 1, who
    assert column.warm >= column.min - 1, who
    low = float("-inf") if column.low is None else column.low
    high = float("inf") if column.high is None else column.high
    assert low < high, who
    assert column.neutral is None or low <= column.neutral <= high, who
    texts = " ".join((column.formula, column.note, column.unit, column.range))
    assert not re.search(r"\{[a-z]\w*\}", texts), f"{who}: a placeholder was not filled: {texts}"


def test_flat_windows_give_zero_except_where_listed() -> None:
    found = {column.full_name: column.neutral for column in COLUMNS if column.neutral}
    assert found == pytest.approx(FLAT_VALUES)


def test_flags_and_classes_are_whole_numbers_in_a_closed_range() -> None:
    for column in COLUMNS:
        if column.kind == "float":
            assert (column.classes, column.dtype) == ((), "DOUBLE PRECISION")
        else:
            assert column.dtype == "SMALLINT"
            assert 2 <= len(column.classes) <= 24, column.full_name
        if column.kind == "flag":
            assert column.classes == (0, 1)


@pytest.mark.parametrize("name", HAND_TABLE)
def test_history_and_bounds_are_those_typed_by_hand(name: str) -> None:
    at_least, warm, low, high = HAND_TABLE[name]
    column = BY_NAME[name]
    assert (column.min, column.warm) == (at_least, warm)
    assert column.low == (None if low is None else pytest.approx(low, abs=1e-3))
    assert column.high == (None if high is None else pytest.approx(high, abs=1e-3))


def test_coarse_bars_need_minutes_for_the_worst_phase_of_the_clock() -> None:
    wanted = {}
    for k, bars in COMPLETE_BARS.items():
        wanted |= {name: ("S", k * count + k - 1) for name, count in bars.items()}
    for k, bars in COMPLETE_BARS_OF_B.items():
        wanted |= {name: ("b", k * count) for name, count in bars.items()}
    assert {column.name: (column.counts, column.min) for column in family("mres").columns} == wanted


def test_only_the_listed_columns_warm_up_longer_than_their_window() -> None:
    patterns = [pattern for group in LONGER_WARM_UP.values() for pattern in group]
    unexplained = [
        column.full_name
        for column in COLUMNS
        if column.warm != column.min - 1
        and not any(re.fullmatch(pattern, column.full_name) for pattern in patterns)
    ]
    assert unexplained == []
    idle = [p for p in patterns if not any(re.fullmatch(p, name) for name in BY_NAME)]
    assert idle == [], "patterns that match nothing"


@pytest.mark.parametrize("twin", TWINS)
def test_twins_differ_only_where_bqx_crosses_zero(twin: str) -> None:
    idx, bqx = family(f"{twin}_idx").columns, family(f"{twin}_bqx").columns
    assert [column.name for column in idx] == [column.name for column in bqx]
    same = [field.name for field in fields(Feature) if field.name not in DOMAIN_FIELDS]
    for one, other in zip(idx, bqx, strict=True):
        if one.name in REDEFINED_ON_BQX:
            assert one.min != other.min
        else:
            assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same], one.name
        assert (one.counts, other.counts) == ("S", "b")


@pytest.mark.parametrize("name", ["lag", "ma"])
def test_derived_twins_have_the_same_history(name: str) -> None:
    idx = [column for column in family(name).columns if column.domain == "idx"]
    bqx = [column for column in family(name).columns if column.domain == "bqx"]
    assert [(c.min, c.warm) for c in idx] == [(c.min, c.warm) for c in bqx]
    assert [re.sub("^rate_idx_", "", c.name) for c in idx] == [re.sub("^bqx_", "", c.name) for c in bqx]


def test_rows_are_counted_from_the_first_bar_of_the_pair() -> None:
    assert BARS_BEFORE == {"S": 0, "b": 15, "q30": 30, "q45": 45, "q60": 60, "q75": 75}
    assert (BY_NAME["reg_idx__w15_r2"].first_row, BY_NAME["reg_idx__w15_r2"].lookback) == (14, 14)
    assert (BY_NAME["reg_bqx__w15_r2"].first_row, BY_NAME["reg_bqx__w15_r2"].lookback) == (29, 29)
    assert BY_NAME["correlation_bqx__term_slope_bqx"].first_row == 60
    assert BY_NAME["correlation_bqx__term_curvature_bqx"].first_row == 75
    assert family("technical_bqx").lookback == 615
    assert family("mres").lookback == 6764


def test_columns_that_are_equal_for_all_pairs_are_marked() -> None:
    by_family = Counter(column.table for column in COLUMNS if column.grid == "dollar")
    assert by_family == {"xpair": 6, "correlation_idx": 8, "correlation_bqx": 9}


def test_order_inside_a_family_follows_the_windows_of_a_row() -> None:
    assert [column.name for column in family("reg_idx").columns[:8]] == [
        "w15_a2_norm", "w30_a2_norm", "w45_a2_norm", "w60_a2_norm", "w75_a2_norm", "w90_a2_norm",
        "w15_a1_norm", "w30_a1_norm",
    ]  # fmt: skip
    assert [column.name for column in family("xpair").columns[:4]] == [
        "sister1_return_lag_1", "sister1_return_lag_5", "sister1_return_lag_15", "sister2_return_lag_1",
    ]  # fmt: skip


def test_a_family_of_several_domains_is_shared() -> None:
    assert [family(name).domain for name in ("reg_idx", "reg_bqx", "lag")] == ["idx", "bqx", "shared"]


def test_an_unknown_family_is_refused_with_the_list_of_names() -> None:
    with pytest.raises(BadParameter, match=r"'technical'.*technical_idx"):
        family("technical")


def _run(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, include.features.catalogue; print(*{name.split('.')[0] for name in sys.modules})"
    assert not {"numpy", "pandas", "numba", "psycopg", "airflow", "great_expectations"} & set(
        _run(code).split()
    )


def test_the_hash_is_the_same_in_every_process() -> None:
    code = "from include.features.catalogue import catalogue_hash; print(catalogue_hash())"
    assert {_run(code, PYTHONHASHSEED=seed) for seed in ("0", "1")} == {catalogue_hash()}


def _with_first_column(change: dict[str, object]) -> tuple[Family, ...]:
    first = CATALOGUE[0]
    section = first.sections[0]
    row = section.rows[0]
    columns = (replace(row.columns[0], **change), *row.columns[1:])  # type: ignore[arg-type]  # any field
    rows = (replace(row, columns=columns), *section.rows[1:])
    return (replace(first, sections=(replace(section, rows=rows),)), *CATALOGUE[1:])


@pytest.mark.parametrize("field", [field.name for field in fields(Feature)])
def test_the_hash_covers_every_field(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue_hash()
    monkeypatch.setattr(catalogue, "CATALOGUE", _with_first_column({field: "changed"}))
    assert catalogue_hash() != before


def test_the_hash_covers_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalogue_hash()
    monkeypatch.setattr(catalogue, "CATALOGUE", CATALOGUE[::-1])
    assert catalogue_hash() != before
