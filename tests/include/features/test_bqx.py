"""BQX by hand, in fractions, by SQL and by its identities."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from include.features.bqx import WINDOWS, bqx_columns, returns
from include.features.grid import make_grid
from include.features.series import Series
from tests.include.features.markets import MARKETS
from tests.oracles import market, sql
from tests.oracles.compare import relative_error
from tests.oracles.windows import cut, padded, sd

NAMES = ["rate_index"]
NAMES += [
    f"w{w}_bqx_{name}"
    for w in (15, 30, 45, 60, 75)
    for name in ("return", "max_index", "min_index", "avg_index", "stdev_index", "endpoint")
]
NAMES += [
    f"agg_bqx_{name}"
    for name in ("return", "max_index", "min_index", "avg_index", "stdev_index", "range", "volatility")
]


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[] if n == "simulated" else pytest.mark.real_data) for n in MARKETS],
)
def index(request):
    bars = MARKETS[request.param]()
    return Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0])).S


def test_columns_of_the_table_in_order(index):
    assert list(bqx_columns(index)) == NAMES


def test_hand_computed_rise_of_one_point_a_minute():
    """At 115 after 100..114 the 15 differences are -15..-1: -120/115."""
    columns = bqx_columns(np.arange(100.0, 120.0))
    assert columns["w15_bqx_return"][15] == pytest.approx(-120 / 115, rel=1e-15)
    assert columns["w15_bqx_return"][16] == pytest.approx(-120 / 116, rel=1e-15)
    assert columns["w15_bqx_max_index"][15] == 114.0
    assert columns["w15_bqx_min_index"][15] == 100.0
    assert columns["w15_bqx_avg_index"][15] == 107.0
    assert columns["w15_bqx_stdev_index"][15] == pytest.approx(np.sqrt(20), rel=1e-15)
    assert columns["w15_bqx_endpoint"][15] == pytest.approx(-15 / 115, rel=1e-15)


def test_hand_computed_fall_is_positive():
    """One drop of 1 at the current row: each of the w closes before it was 1 higher."""
    index = np.full(80, 100.0)
    index[76] = 99.0
    values = returns(index)
    assert [values[w][76] for w in WINDOWS] == pytest.approx([w / 99 for w in WINDOWS], rel=1e-15)
    assert [values[w][75] for w in WINDOWS] == [0.0] * 5
    assert [values[w][77] for w in WINDOWS] == pytest.approx([-1 / 100] * 5, rel=1e-15)


def test_hand_computed_agg_columns():
    """S_t = t + 1: the 75 rows before row 75 are 1..75, the current one is 76."""
    columns = bqx_columns(np.arange(1.0, 81.0))
    assert columns["agg_bqx_return"][75] == pytest.approx(-2850 / 76, rel=1e-15)
    assert columns["agg_bqx_range"][75] == pytest.approx(74 / 76, rel=1e-15)
    assert columns["agg_bqx_stdev_index"][75] == pytest.approx(np.sqrt(475), rel=1e-14)
    assert columns["agg_bqx_volatility"][75] == pytest.approx(np.sqrt(475) / 76, rel=1e-14)


def test_exact_in_fractions():
    """Ticks of 1e-5 near 100, where sums of levels would lose nine digits."""
    index = 100 + np.random.default_rng(4).integers(-20, 20, 400) * 1e-5
    values = returns(index)
    for w in WINDOWS:
        for t in (w, w + 1, 250, 399):
            now = Fraction(index[t])
            exact = sum((Fraction(x) - now) / now for x in index[t - w : t])
            assert values[w][t] == pytest.approx(float(exact), rel=1e-12, abs=1e-19)


def test_returns_equal_the_oracle(index):
    for w, values in returns(index).items():
        assert relative_error(values, market.bqx(index, w)).max() < 1e-9
        assert np.isnan(values).sum() == w


def test_columns_equal_sql(index):
    columns = bqx_columns(index)
    for name, expected in sql.bqx(index).items():
        assert relative_error(columns[name], expected).max() < 1e-9, name


def test_standard_deviation_equals_the_oracle(index):
    columns = bqx_columns(index)
    for w in WINDOWS:
        before = np.concatenate([[np.nan], padded(sd(cut(index, w), 1e-9), len(index))[:-1]])
        assert relative_error(columns[f"w{w}_bqx_stdev_index"], before).max() < 1e-9


def test_identities(index):
    columns = bqx_columns(index)
    for w in WINDOWS:
        average = columns[f"w{w}_bqx_avg_index"]
        np.testing.assert_allclose(
            columns[f"w{w}_bqx_return"], w * (average / index - 1), rtol=0, atol=1e-13 * w
        )
        assert (columns[f"w{w}_bqx_min_index"] <= average + 1e-12)[w:].all()
        assert (average <= columns[f"w{w}_bqx_max_index"] + 1e-12)[w:].all()
    np.testing.assert_allclose(
        columns["w75_bqx_endpoint"][75:], index[:-75] / index[75:] - 1, rtol=0, atol=1e-15
    )
    for name in ("return", "max_index", "min_index", "avg_index", "stdev_index"):
        np.testing.assert_array_equal(columns[f"agg_bqx_{name}"], columns[f"w75_bqx_{name}"])


def test_scale_invariance(index):
    for w, values in returns(index).items():
        assert relative_error(returns(index * 1.14 / 100)[w], values).max() < 1e-9


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 75, 76])
def test_insufficient_history_is_null(rows):
    columns = bqx_columns(np.full(rows, 100.0))
    for w in WINDOWS:
        assert (~np.isnan(columns[f"w{w}_bqx_return"])).sum() == max(0, rows - w)
        assert (~np.isnan(columns[f"w{w}_bqx_stdev_index"])).sum() == max(0, rows - w)


@pytest.mark.parametrize("rounding", [0.0, 2.8e-14])
def test_still_market(rounding):
    columns = bqx_columns(np.full(100, 101.3) + np.tile([0.0, rounding], 50))
    for w in WINDOWS:
        assert (np.abs(columns[f"w{w}_bqx_return"][w:]) <= w * rounding).all()
        assert (columns[f"w{w}_bqx_stdev_index"][w:] == 0).all()
