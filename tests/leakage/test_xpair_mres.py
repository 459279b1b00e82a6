"""No column across pairs or of longer bars looks ahead, and months built alone equal one pass."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from include.features import dollar, engine, mres, regimes, xpair
from include.features.catalogue import FAMILIES
from include.features.grid import make_grid
from include.features.join import join_exact
from include.features.resample import resample
from include.features.series import Series
from include.features.xpair import DOLLAR_LOOKBACK, Related, related_pairs
from include.market.synthetic import simulate
from include.pairs import PAIRS, USD_MAJORS, sisters, triangle
from tests.include.features import currencies
from tests.include.features.currencies import FRIDAY_CLOSE, SUNDAY_OPEN, TARGETS
from tests.include.features.markets import recorded, series_of
from tests.leakage.checks import (
    Table,
    assert_absent_is_null,
    assert_blind_to_future,
    assert_known_somewhere,
    assert_truncation,
    cut,
    offence,
)

FAMILY_NAMES = ("xpair", "mres")
RECURSIVE = ("rsi", "macd", "atr")


def of_pair(series, pair, families=FAMILY_NAMES):
    """Columns of both families of a pair."""
    others = Related({name: series[name] for name in related_pairs(pair) if name in series})
    return {
        f"{family}__{name}": values
        for family in families
        for name, values in engine.compute(family, series[pair], pair=pair, related=others).items()
    }


def compute(market, watermark, families=FAMILY_NAMES) -> Table:
    """The families of the targets on every minute at which one of them has a row."""
    series = currencies.all_series(market, watermark)
    present = [pair for pair in TARGETS if pair in series]
    ts = np.unique(np.concatenate([series[pair].ts for pair in present]))
    columns = {}
    for pair in present:
        own = of_pair(series, pair, families) | {"row": np.ones(len(series[pair]))}
        columns |= join_exact(ts, series[pair].ts, {f"{pair}:{name}": v for name, v in own.items()})
    return Table(ts, columns)


def across(market, watermark) -> Table:
    """Only what reads other pairs: faster."""
    return compute(market, watermark, ("xpair",))


@cache
def end() -> int:
    return currencies.end_of(currencies.market())


@cache
def whole() -> Table:
    return compute(currencies.market(), end())


def boundaries() -> list[int]:
    """Every phase of 5 and 15 minutes, warm-ups, gaps of one pair, days, the weekend."""
    bars = currencies.market()
    usdjpy, eurgbp = bars["usdjpy"].ts, bars["eurgbp"].ts
    outages = [int(ts[np.argmax((np.diff(ts) > 20) & (np.diff(ts) < 100))]) for ts in (usdjpy, eurgbp)]
    quarter = currencies.THURSDAY + 2000 - 2000 % 15
    phases = [quarter + minutes for minutes in (-1, 0, 1, 3, 4, 5, 7, 9, 13, 14)]
    warm_up = [currencies.THURSDAY + minutes for minutes in (2, 17, 53, 62, 134, 403, currencies.LATE + 7)]
    gaps = [outage + minutes for outage in outages for minutes in (0, 1, 5, 6, 20)]
    week = [FRIDAY_CLOSE - 1, FRIDAY_CLOSE + 3, FRIDAY_CLOSE + 700, SUNDAY_OPEN, SUNDAY_OPEN + 7]
    day = (currencies.THURSDAY // 1440 + 1) * 1440
    rng = np.random.default_rng(17)
    cuts = phases + warm_up + gaps + week + [day - 1, day, day + 59]
    return cuts + rng.integers(currencies.THURSDAY + 1600, end(), 4).tolist()


def test_every_column_has_values():
    assert_known_somewhere(whole())
    assert len([name for name in whole().columns if name.startswith("audcad:")]) == 44 + 30 + 1


def test_truncation():
    """The same bits, the recursive columns too: they only ever run forward."""
    cuts = boundaries()
    assert len(cuts) >= 35
    for minute in cuts:
        found = offence(compute(cut(currencies.market(), minute), minute), whole().between(0, minute))
        assert found is None, f"cut at minute {minute}: {found}"


@pytest.mark.parametrize("minute", [SUNDAY_OPEN + 203, FRIDAY_CLOSE - 31])
def test_future_bars_change_nothing(minute):
    assert_blind_to_future(compute, currencies.market(), end(), minute, seed=minute)


@pytest.mark.parametrize("others", [set(PAIRS) - set(TARGETS), {"usdjpy"}, {"eurgbp", "nzdusd"}])
def test_future_bars_of_other_pairs_change_nothing(others):
    minute = SUNDAY_OPEN + 203
    assert_blind_to_future(across, currencies.market(), end(), minute, seed=3, pairs=others)


def test_future_noise_reaches_every_column_later():
    """Else the tests above would prove nothing: the noise does get into all columns after T."""
    minute = SUNDAY_OPEN + 203
    after = compute(currencies.noisy(minute), end()).between(minute + 1, end())
    before = whole().between(minute + 1, end())
    same = [
        name
        for name, values in after.columns.items()
        if not name.endswith(":row") and np.array_equal(values, before.columns[name], equal_nan=True)
    ]
    assert not same


STARTS = [SUNDAY_OPEN, SUNDAY_OPEN + 121, SUNDAY_OPEN + 427, FRIDAY_CLOSE - 400]


def xpair_chunk(pair, start, lookback, dollar_rows) -> Table:
    """A chunk of a pair, and related pairs loaded as a build loads them: over its minutes, 16 bars before.

    All of them together reach back over `dollar_rows` rows of the dollar grid.
    """
    bars = currencies.market()
    row = max(0, int(np.searchsorted(bars[pair].ts, start)) - lookback - 16)
    loaded = {pair: bars[pair].slice(int(bars[pair].ts[row]), start + 300)}
    since = int(loaded[pair].ts[0])
    everything = currencies.all_series(bars)
    grid = np.array(sorted(set.intersection(*(set(everything[m].ts.tolist()) for m in USD_MAJORS))))
    since = min(since, int(grid[max(0, np.searchsorted(grid, start) - dollar_rows)]))
    for name in related_pairs(pair):
        row = max(0, int(np.searchsorted(bars[name].ts, since)) - 16)
        loaded[name] = bars[name].slice(int(bars[name].ts[row]), start + 300)
    others = currencies.all_series(loaded, start + 299)
    own = Series.of(make_grid(bars[pair].slice(int(loaded[pair].ts[0]), start + 300), start + 299),
                    currencies.base_of(pair))  # fmt: skip
    columns = engine.compute("xpair", own, pair=pair, related=Related(others))
    table = Table(own.ts, {f"{pair}:xpair__{name}": values for name, values in columns.items()})
    return table.between(start, start + 299)


def one_pass(pair, start, names) -> Table:
    there = ~np.isnan(whole().columns[f"{pair}:row"])
    rows = Table(whole().ts[there], {name: whole().columns[name][there] for name in names})
    return rows.between(start, start + 299)


@pytest.mark.parametrize("pair", TARGETS)
@pytest.mark.parametrize("start", STARTS)
def test_chunk_across_pairs_equals_one_pass(pair, start):
    """Bit for bit: nothing in it is recursive."""
    chunk = xpair_chunk(pair, start, FAMILIES["xpair"].lookback, DOLLAR_LOOKBACK)
    found = offence(chunk, one_pass(pair, start, chunk.columns))
    assert found is None, found


def test_a_chunk_across_pairs_with_a_short_warm_up_is_noticed():
    """By the 16 rows that are loaded on top and a few for filled bars."""
    lookback = FAMILIES["xpair"].lookback - 20
    chunks = {start: xpair_chunk("audcad", start, lookback, DOLLAR_LOOKBACK) for start in STARTS}
    assert any("_60" in str(offence(c, one_pass("audcad", start, c.columns))) for start, c in chunks.items())


@cache
def long_bars():
    """Twelve days of a pair with breaks off the clock edges, a jump, and the weekend."""
    bars = simulate(currencies.THURSDAY, currencies.THURSDAY + 12 * 1440 + 400, seed=8, pairs=("nzdcad",))[
        "nzdcad"
    ]
    for row, minutes in ((3000, 37), (3200, 8), (5200, 23), (6000, 11)):
        bars = currencies.without(bars, row, minutes)
    jump = np.where(np.arange(len(bars)) >= 1200, 1.02, 1.0)
    prices = {name: getattr(bars, name) * jump for name in ("open", "high", "low", "close")}
    return currencies.replaced(bars, **prices)


@cache
def long_series(name="simulated") -> Series:
    bars = long_bars() if name == "simulated" else recorded(name, "2018-12-28", "2019-01-16")
    return Series.of(make_grid(bars, int(bars.ts[-1])), float(bars.close[0]))


@cache
def long_columns(name="simulated"):
    return engine.compute("mres", long_series(name))


def since_row(series: Series, first: int, last: int) -> Series:
    values = {name: getattr(series, name)[first:last] for name in INPUTS}
    return Series(ts=series.ts[first:last], **values)


def warm_up_offence(name: str, feature, first: int) -> str | None:
    """A column from a row on, behind its own warm-up and 8 or 28 rows for every break inside that."""
    k = 15 if "15m" in feature.name or "cascade" in feature.name else 5
    series, start = long_series(name), first
    for _ in range(9):  # the rows for a break may hold another one
        breaks = int((np.diff(series.ts[first:start]) > 1).sum())
        start = first + feature.lookback + breaks * 2 * (k - 1)
    rows = slice(start, start + 3 * k)
    assert rows.stop <= len(series)
    chunk = engine.compute("mres", since_row(series, first, rows.stop))[feature.name][start - first :]
    tables = (
        Table(series.ts[rows], {feature.name: x}) for x in (chunk, long_columns(name)[feature.name][rows])
    )
    return offence(*tables, 1e-9 if feature.name.startswith(RECURSIVE) else 0.0)


@pytest.mark.parametrize("offset", [0, 1, 4, 7, 11, 14])
@pytest.mark.parametrize(
    "name", ["simulated", pytest.param("audchf", marks=pytest.mark.real_data)]
)  # audchf: 2% in a minute, on 2019-01-02
def test_each_column_needs_no_more_than_its_own_warm_up(name, offset):
    """From right before the largest move, the worst seed, and from before the other breaks on."""
    jump = int(np.nanargmax(np.abs(long_series(name).r)))
    for feature in FAMILIES["mres"].columns:
        for first in (jump - offset, 2990 + offset):
            found = warm_up_offence(name, feature, first)
            assert found is None, f"chunk from row {first}: {found}"


def test_a_warm_up_without_the_rows_for_breaks_is_noticed():
    """Some of the chunks that begin shortly before the break at row 3000 lack a bar."""
    name, lookback = "rate_idx_15m_sma_8", 133
    series, wanted = long_series(), long_columns()[name]
    wrong = [
        engine.compute("mres", since_row(series, row, row + lookback + 1))[name][-1] != wanted[row + lookback]
        for row in range(2960, 3000)
    ]
    assert 0 < sum(wrong) < len(wrong)


INPUTS = ("S", "O", "H", "L", "V", "p", "is_filled")


def late(series: Series, inputs=INPUTS, rows=1) -> Series:
    """Inputs of a pair some rows late."""
    values = {field.name: getattr(series, field.name) for field in dataclasses.fields(series)}
    return Series(
        **values
        | {name: np.concatenate([np.repeat(values[name][:1], rows), values[name][:-rows]]) for name in inputs}
    )


@cache
def even(count=2000) -> dict[str, Series]:
    """All pairs with a row at every minute, so that a row late is a minute late."""
    series = {}
    for number, pair in enumerate(PAIRS):
        rng = np.random.default_rng(number)
        close = 100 + np.cumsum(rng.normal(0, 1e-2, count))
        one = series_of(close, close + rng.uniform(0, 0.02, count), close - rng.uniform(0, 0.02, count))
        values = {name: getattr(one, name) for name in one.__dataclass_fields__}
        inputs = {"V": rng.poisson(20, count) * 1.0, "p": rng.uniform(0.001, 0.02, count)}
        series[pair] = Series(**values | inputs)
    return series


@pytest.mark.parametrize("delayed", [{"S"}, {"V"}, {"p"}, {"H", "L"}, {"S", "H", "L"}, set("SHLVp")])
def test_an_input_a_quarter_of_an_hour_late_makes_late_what_reads_only_that(delayed):
    """By 15 rows, so that the bars stay aligned to the clock."""
    rng = np.random.default_rng(6)
    close = 100 + np.cumsum(rng.normal(0, 1e-2, 9000))
    one = series_of(close, close + rng.uniform(0, 0.02, 9000), close - rng.uniform(0, 0.02, 9000))
    values = {name: getattr(one, name) for name in one.__dataclass_fields__}
    series = Series(**values | {"V": rng.poisson(20, 9000) * 1.0, "p": rng.uniform(0, 0.02, 9000)})
    before, after = engine.compute("mres", series), engine.compute("mres", late(series, delayed, 15))
    rows = slice(7000, None)
    for feature in FAMILIES["mres"].columns:
        inputs = {"S" if name == "b" else name for name in feature.inputs}
        if inputs <= delayed:
            expected = np.roll(before[feature.name], 15)
        elif not inputs & delayed:
            expected = before[feature.name]
        else:
            continue
        assert len(set(expected[rows])) > 1, feature.name
        tables = (Table(series.ts[rows], {feature.name: x[rows]}) for x in (after[feature.name], expected))
        found = offence(*tables, 1e-9)
        assert found is None, f"{delayed} late: {found}"


@pytest.mark.parametrize("pair", ["eurusd", "audcad"])
def test_all_pairs_late_make_all_columns_late(pair):
    before = of_pair(even(), pair, ("xpair",))
    after = of_pair({name: late(one) for name, one in even().items()}, pair, ("xpair",))
    rows = slice(200, None)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][rows], np.roll(values, 1)[rows], err_msg=name)


def reads(name: str, other: str, target: str) -> bool:
    """Whether a column of `target` reads another pair; from the definitions, not from the code."""
    column = name.removeprefix(f"{target}:").removeprefix("xpair__")
    if column.startswith("usd_factor"):
        return other in USD_MAJORS
    if column.startswith("tri_"):
        return other in {leg.pair for leg in triangle(target)}
    return sisters(target)[int(column[6]) - 1] == other


@pytest.mark.parametrize("other", ["audusd", "usdjpy", "gbpaud", "chfjpy"])
def test_one_pair_late_changes_what_reads_it_and_nothing_else(other):
    target = "audcad"
    before = of_pair(even(), target, ("xpair",))
    after = of_pair(dict(even()) | {other: late(even()[other])}, target, ("xpair",))
    rows = slice(200, None)
    for name, values in before.items():
        same = np.array_equal(values[rows], after[name][rows])
        assert same != reads(name, other, target), name
    if other == "audusd":
        moved = after["xpair__sister1_return_lag_1"]
        np.testing.assert_array_equal(moved[rows], before["xpair__sister1_return_lag_1"][199:-1])


def readers(other: str) -> list[str]:
    """Columns of audcad that are NULL in every row without one of the other pair."""
    names = [f"audcad:xpair__{feature.name}" for feature in FAMILIES["xpair"].columns]
    return [name for name in names if reads(name, other, "audcad") and "return_lag" not in name]


def hole() -> int:
    """A minute after which every column of audcad is known for 46 minutes."""
    known = ~np.isnan([v for name, v in whole().columns.items() if name.startswith("audcad:xpair")]).any(
        axis=0
    )
    run = np.convolve(known, np.ones(46))[45:] == 46
    return int(whole().ts[int(run.argmax())])


@pytest.mark.parametrize(("other", "columns"), [("audusd", 17), ("usdjpy", 6), ("gbpaud", 3)])
def test_absent_rows_of_another_pair_are_null(other, columns):
    assert len(readers(other)) == columns
    assert_absent_is_null(across, currencies.market(), end(), other, hole(), readers(other))


def ahead(x, rows):
    return np.concatenate([x[rows:], np.full(min(rows, len(x)), np.nan)])


def floor_merged(series, k):
    """Left labels merged on the floored minute: the bar that the row itself is in."""
    bars = resample(series, k)
    start = series.ts[np.searchsorted(bars.seen, np.arange(1, bars.S.size + 1))] - k + 1
    return dataclasses.replace(bars, seen=np.searchsorted(start, series.ts // k * k, side="right"))


def one_minute_early(series, k):
    bars = resample(series, k)
    return dataclasses.replace(bars, seen=np.append(bars.seen[1:], bars.seen[-1:]))


def filled(direction):
    """An exact join whose holes are filled from the rows before or after them."""

    def join(ts, source_ts, columns):
        if not source_ts.size:
            return join_exact(ts, source_ts, columns)
        side = "right" if direction == "last" else "left"
        row = np.searchsorted(source_ts, ts, side=side) - (direction == "last")
        row = np.clip(row, 0, source_ts.size - 1)
        return {name: values[row] for name, values in columns.items()}

    return join


def of_full_sample(x, n, eps):
    order = np.searchsorted(np.sort(x[~np.isnan(x)]), x) / max(np.sum(~np.isnan(x)), 1)
    return np.where(np.isnan(x), np.nan, np.minimum(order, 0.9999))


MUTANTS = {
    "floor merge of longer bars": (mres, "resample", floor_merged),
    "a bar seen one minute early": (mres, "resample", one_minute_early),
    "full-sample rank of the regime": (mres, "mid_rank", of_full_sample),
    "returns of the bars ahead": (mres, "lagged", ahead),
    "jumps measured by the returns after them": (regimes, "lagged", ahead),
    "shift(-k) of a sister": (xpair, "lagged", ahead),
    "shift(-k) of the dollar": (dollar, "lagged", ahead),
    "next value of another pair": (xpair, "join_exact", filled("next")),
    "last known value of another pair": (xpair, "join_exact", filled("last")),
}


def suite() -> None:
    """The checks that a mutant must not survive, on fewer cuts."""
    bars = currencies.market()
    assert_truncation(compute, bars, end(), [SUNDAY_OPEN + 333, SUNDAY_OPEN + 338, SUNDAY_OPEN + 344])
    assert_absent_is_null(across, bars, end(), "audusd", hole(), readers("audusd"))


def test_the_suite_passes_without_a_mutant():
    suite()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name, monkeypatch):
    readers("audusd"), hole()
    module, attribute, mutant = MUTANTS[name]
    monkeypatch.setattr(module, attribute, mutant)
    with pytest.raises(AssertionError, match=r"at row|at minute"):
        suite()
