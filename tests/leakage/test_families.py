"""No column of the computed families looks ahead, and months built alone equal one pass."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from include.features import averages, calendar, dual, engine, events, lags, regimes
from include.features.bqx import bqx_columns
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.kernels import pairwise, recursive, rolling
from include.features.series import Series
from tests.include.features.markets import FRIDAY_CLOSE, NEW_YEAR, SUNDAY_OPEN, recorded, series_of, simulated
from tests.leakage.checks import (
    Table,
    assert_blind_to_future,
    assert_chunks,
    assert_known_somewhere,
    assert_truncation,
    offence,
)

RECURSIVE = (
    "rsi", "macd", "adx", "plus_di", "minus_di", "atr", "dist_to_fib",
    "ema", "bqx_ema", "ewma_vol", "garch_vol",
)  # fmt: skip
KINDS = ("reg", "statistics", "bollinger", "technical", "fibonacci")
MATRIX = ("lag", "ma", "dual", "time", "event")  # kept in no table
OWN_PRICES = (*(f"{kind}_{domain}" for kind in KINDS for domain in ("idx", "bqx")), *MATRIX)
BASE = 1.14  # the stored baseline: no chunk ever makes its own


def compute(market, watermark) -> Table:
    """bqx_{pair} and every computed family of eurusd, all columns."""
    series = Series.of(make_grid(market["eurusd"], watermark), BASE)
    columns = {f"bqx__{name}": values for name, values in bqx_columns(series.S).items()}
    for family in OWN_PRICES:
        columns |= {f"{family}__{name}": values for name, values in engine.compute(family, series).items()}
    return Table(series.ts, columns)


@pytest.fixture(scope="module")
def market():
    return {"eurusd": simulated()}


@pytest.fixture(scope="module")
def end(market):
    return int(market["eurusd"].ts[-1])


def boundaries() -> list[int]:
    """Bar, 5-minute, 15-minute, hour, day, month and weekend edges, and minutes inside gaps."""
    bars = simulated()
    gaps = bars.ts[np.flatnonzero(np.diff(bars.ts) > 1)]
    long_gap = int(bars.ts[np.flatnonzero(np.diff(bars.ts) > 30)[0]])
    inside = [int(gap) + 1 for gap in gaps[:3]] + [long_gap + minutes for minutes in (1, 4, 5, 6, 40)]
    edges = [NEW_YEAR - 1, NEW_YEAR, NEW_YEAR - 61, NEW_YEAR - 60, NEW_YEAR - 16, NEW_YEAR - 15, NEW_YEAR - 5]
    week = [
        FRIDAY_CLOSE - 1,
        FRIDAY_CLOSE + 3,
        FRIDAY_CLOSE + 600,
        SUNDAY_OPEN - 1,
        SUNDAY_OPEN,
        SUNDAY_OPEN + 1,
    ]
    warm_up = [int(bars.ts[row]) for row in (0, 1, 15, 16, 61, 120, 199, 253, 1440, 1465)]
    rng = np.random.default_rng(11)
    return warm_up + inside + edges + week + rng.integers(bars.ts[0] + 5, bars.ts[-1], 6).tolist()


def test_every_column_has_values(market, end):
    table = compute(market, end)
    assert_known_somewhere(table)
    assert {name for name in table.columns if not name.startswith("bqx__")} == {
        feature.full_name for family in OWN_PRICES for feature in FAMILIES[family].columns
    }


@pytest.mark.parametrize("minute", boundaries())
def test_truncation(minute, market, end):
    """The same bits, for the recursive columns too: they only ever run forward."""
    assert_truncation(compute, market, end, [minute])


@pytest.mark.real_data
@pytest.mark.parametrize("pair", ["eurusd", "usdjpy", "audchf"])
def test_truncation_of_recorded_bars(pair):
    bars = recorded(pair, "2018-12-31", "2019-01-04")
    cuts = np.random.default_rng(5).integers(bars.ts[0], bars.ts[-1], 5).tolist()
    assert_truncation(compute, {"eurusd": bars}, int(bars.ts[-1]), cuts)


@pytest.mark.parametrize("minute", [NEW_YEAR - 700, FRIDAY_CLOSE + 2, SUNDAY_OPEN + 30])
def test_future_bars_change_nothing(minute, market, end):
    assert_blind_to_future(compute, market, end, minute, seed=minute)


@pytest.mark.parametrize(
    "start", [NEW_YEAR, SUNDAY_OPEN, SUNDAY_OPEN + 590, SUNDAY_OPEN + 900, NEW_YEAR + 200]
)
def test_chunk_with_warm_up_equals_one_pass(start, market, end):
    """Bit for bit where nothing is recursive; the chunks start after jumps, weekend and stillness."""
    for family in OWN_PRICES:
        features = FAMILIES[family].columns
        tolerance = {f"{family}__{f.name}": 1e-9 for f in features if f.name.startswith(RECURSIVE)}
        assert_chunks(only(family), market, end, [start], FAMILIES[family].lookback, tolerance=tolerance)


@pytest.mark.real_data
@pytest.mark.parametrize("pair", ["eurusd", "audchf"])
def test_warm_up_suffices_after_the_flash_crash(pair):
    assert_own_warm_up_suffices(recorded(pair, "2018-12-31", "2019-01-05"))


def test_warm_up_suffices_after_a_jump():
    assert_own_warm_up_suffices(simulated())


def assert_own_warm_up_suffices(bars):
    """Each column with its OWN warm-up instead of its family's, which begins in the worst burst."""
    moves = np.abs(np.diff(np.log(bars.close)))
    whole = compute({"eurusd": bars}, int(bars.ts[-1]))
    for family in OWN_PRICES:
        for lookback in {feature.lookback for feature in FAMILIES[family].columns}:
            burst = int(np.argmax(moves[: len(bars) - lookback - 60]))
            for first in range(max(0, burst - 14), burst + 5, 3):
                start, end = int(bars.ts[first + lookback]), int(bars.ts[first + lookback + 20])
                chunk = only(family)({"eurusd": bars.slice(int(bars.ts[first]), end + 1)}, end).between(
                    start, end
                )
                names = {f.full_name for f in FAMILIES[family].columns if f.lookback == lookback}
                found = offence(pick(chunk, names), pick(whole.between(start, end), names), 1e-9)
                assert found is None, f"warm-up from row {first}, {burst - first} before the burst: {found}"


def pick(table, names):
    return Table(table.ts, {name: values for name, values in table.columns.items() if name in names})


def only(family):
    def compute_family(market, watermark) -> Table:
        series = Series.of(make_grid(market["eurusd"], watermark), BASE)
        columns = engine.compute(family, series)
        return Table(series.ts, {f"{family}__{name}": values for name, values in columns.items()})

    return compute_family


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(2)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, 3600))
    return series_of(close, close + rng.uniform(0, 0.02, 3600), close - rng.uniform(0, 0.02, 3600))


# The inputs that a symbol is made of.
MADE_OF = {"b": "S", "r": "S", "dS": "S", "db": "S", "b_hi": "SL", "b_lo": "SH", "ts": "t", "holidays": "t"}


@pytest.mark.parametrize("family", OWN_PRICES)
def test_delayed_inputs_delay_the_columns(family, series):
    """One input a row late: what reads only that is a row late, what does not read it is unchanged."""
    before = engine.compute(family, series)
    for delayed in ({"S"}, {"H", "L"}, {"S", "H", "L"}):
        after = engine.compute(family, late(series, delayed))
        for feature in FAMILIES[family].columns:
            inputs = set("".join(MADE_OF.get(name, name) for name in feature.inputs))
            rows, tolerance = slice(3200, None), 1e-9  # an EMA_200 needs 3000 rows to forget its start
            if inputs <= delayed:
                expected = np.roll(before[feature.name], 1)
            elif not inputs & delayed:
                expected, rows, tolerance = before[feature.name], slice(None), 0.0
            else:
                continue
            found = offence(
                Table(series.ts[rows], {feature.name: after[feature.name][rows]}),
                Table(series.ts[rows], {feature.name: expected[rows]}),
                tolerance,
            )
            assert found is None, f"{delayed} delayed: {found}"


def test_a_late_clock_delays_what_reads_the_clock(series):
    before, after = engine.compute("time", series), engine.compute("time", late(series, {"ts"}))
    for feature in FAMILIES["time"].columns:
        expected = np.roll(before[feature.name], 1) if "ts" in feature.inputs else before[feature.name]
        np.testing.assert_array_equal(after[feature.name][1:], expected[1:], err_msg=feature.name)


def ahead(x, rows):
    return np.concatenate([x[rows:], np.full(min(rows, len(x)), np.nan)])


def of_full_sample(x, n, eps):
    order = np.searchsorted(np.sort(x[~np.isnan(x)]), x) / max(np.sum(~np.isnan(x)), 1)
    return np.where(np.isnan(x), np.nan, np.minimum(order, 0.9999))


MUTANTS = {
    "lead instead of lag": ("lag", lags, "lagged", ahead),
    "centred mean": ("ma", averages.rolling, "mean", lambda x, n: ahead(MEAN(x, n), n // 2)),
    "average that starts at the end": ("ma", averages.recursive, "ema", lambda x, n: EMA(x[::-1], n)[::-1]),
    "BQX of the future": ("dual", dual, "lagged", ahead),
    "centred correlation": ("dual", dual, "correlation", lambda x, y, n, *eps: ahead(CORR(x, y, n, *eps), 7)),
    "rank in all of the sample": ("dual", dual, "mid_rank", of_full_sample),
    "session by the whole sample": ("time", calendar, "mid_rank", of_full_sample),
    "regime by the whole sample": ("event", events, "mid_rank", of_full_sample),
    "jumps known beforehand": ("event", events, "lagged", ahead),
    "jumps marked a bar early": ("event", events, "jumps", lambda r, k: ahead(JUMPS(r, k), 1)),
    "next bar's volatility": ("event", events.recursive, "reverting", lambda *x: ahead(REVERTING(*x), 1)),
}
MEAN, EMA, REVERTING = rolling.mean, recursive.ema, recursive.reverting
CORR, JUMPS = pairwise.correlation, regimes.jumps


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name, market, end, monkeypatch):
    family, module, attribute, mutant = MUTANTS[name]
    cuts = [NEW_YEAR - 5, SUNDAY_OPEN + 590]
    assert_truncation(only(family), market, end, cuts)
    monkeypatch.setattr(module, attribute, mutant)
    with pytest.raises(AssertionError, match=f"{family}__.* at row"):
        assert_truncation(only(family), market, end, cuts)


def late(series: Series, names: set[str]) -> Series:
    values = {f.name: getattr(series, f.name) for f in dataclasses.fields(series)}
    return Series(**values | {name: np.concatenate([values[name][:1], values[name][:-1]]) for name in names})
