"""No column of the 15 stored families looks ahead, in time or across pairs; mutants that do are caught.

Everything that is stored for three pairs, and the columns they share, is laid out in one table by the
minute, with a column that tells which rows exist: one computation serves all checks.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from include.features import correlation, dollar, engine, shared, spread, volume
from include.features.catalogue import FAMILIES, STORED
from include.features.grid import make_grid
from include.features.join import join_exact
from include.features.kernels import pairwise, rolling
from include.features.series import Series
from include.pairs import PAIRS, USD_MAJORS
from tests.include.features import currencies
from tests.include.features.currencies import FRIDAY_CLOSE, SUNDAY_OPEN, TARGETS
from tests.include.features.markets import series_of
from tests.leakage.checks import (
    Table,
    assert_absent_is_null,
    assert_blind_to_future,
    assert_known_somewhere,
    assert_truncation,
    cut,
    offence,
)

ACROSS = ("correlation_idx", "correlation_bqx")

GLOBAL = [f.name for name in ACROSS for f in FAMILIES[name].columns if f.grid == "dollar"]


def compute(market, watermark, families=STORED) -> Table:
    """Families of the targets and the shared columns, on every minute at which one of them has a row."""
    series = currencies.all_series(market, watermark)
    common = shared.compute_shared(series)
    present = [pair for pair in TARGETS if pair in series]
    ts = np.unique(np.concatenate([common.ts, *(series[pair].ts for pair in present)]))
    columns = join_exact(ts, common.ts, {f"shared__{name}": v for name, v in common.columns.items()})
    for pair in present:
        own = {"row": np.ones(len(series[pair]))}
        for family in families:
            values = engine.compute(family, series[pair], pair=pair, shared=common)
            own |= {f"{family}__{name}": column for name, column in values.items()}
        columns |= join_exact(ts, series[pair].ts, {f"{pair}:{name}": v for name, v in own.items()})
    return Table(ts, columns)


def across(market, watermark) -> Table:
    """Only what reads other pairs: faster."""
    return compute(market, watermark, ACROSS)


@cache
def end() -> int:
    return currencies.end_of(currencies.market())


@cache
def whole() -> Table:
    return compute(currencies.market(), end())


def boundaries() -> list[int]:
    """Edges of bars, hours, days, the weekend; minutes inside warm-ups and inside gaps of one pair."""
    bars = currencies.market()
    usdjpy = bars["usdjpy"].ts
    outage = int(usdjpy[np.argmax((np.diff(usdjpy) > 30) & (np.diff(usdjpy) < 100))])
    day = (currencies.THURSDAY // 1440 + 1) * 1440
    warm_up = [currencies.THURSDAY + minutes for minutes in (10, 61, 137, 154, currencies.LATE + 21)]
    gaps = [outage + minutes for minutes in (0, 1, 5, 6, 30, 45)]
    gaps += [int(bars[pair].ts[np.flatnonzero(np.diff(bars[pair].ts) > 1)[3]]) + 1 for pair in TARGETS]
    week = [FRIDAY_CLOSE - 1, FRIDAY_CLOSE + 3, FRIDAY_CLOSE + 700, SUNDAY_OPEN, SUNDAY_OPEN + 1]
    edges = [day - 1, day, day + 59, day + 60]
    rng = np.random.default_rng(13)
    return warm_up + gaps + week + edges + rng.integers(currencies.THURSDAY + 1600, end(), 4).tolist()


def test_every_column_has_values():
    assert_known_somewhere(whole())
    assert len([name for name in whole().columns if name.startswith("audcad:")]) == 378 + 1


def test_truncation():
    """The same bits, at 27 cuts; the cut data has the cut as its watermark."""
    cuts = boundaries()
    assert len(cuts) >= 20
    for minute in cuts:
        found = offence(compute(cut(currencies.market(), minute), minute), whole().between(0, minute))
        assert found is None, f"cut at minute {minute}: {found}"


@pytest.mark.parametrize("minute", [SUNDAY_OPEN + 200, FRIDAY_CLOSE - 30])
def test_future_bars_change_nothing(minute):
    assert_blind_to_future(compute, currencies.market(), end(), minute, seed=minute)


@pytest.mark.parametrize("others", [set(PAIRS) - set(TARGETS), {"usdjpy"}, {"eurgbp", "audjpy"}])
def test_future_bars_of_other_pairs_change_nothing(others):
    minute = SUNDAY_OPEN + 200
    assert_blind_to_future(across, currencies.market(), end(), minute, seed=3, pairs=others)


def test_future_noise_reaches_every_column_later():
    """Else the test above would prove nothing: the noise does get into all columns after T."""
    minute = SUNDAY_OPEN + 200
    after = compute(currencies.noisy(minute), end())
    rows = slice(np.searchsorted(after.ts, minute + 1), None)
    same = [
        name
        for name, values in after.columns.items()
        if not name.endswith(":row")
        and np.array_equal(values[rows], whole().columns[name][rows], equal_nan=True)
    ]
    assert not same


def chunk_of_shared(start: int, lookback: int) -> shared.Shared:
    """Shared columns of a chunk: `lookback` dollar rows before it, 17 bars more for r, b, db and fills."""
    series = currencies.all_series(currencies.market())
    grid = np.array(sorted(set.intersection(*(set(series[pair].ts.tolist()) for pair in USD_MAJORS))))
    first = grid[max(0, np.searchsorted(grid, start) - lookback)]
    loaded = {}
    for pair, bars in currencies.market().items():
        row = max(0, int(np.searchsorted(bars.ts, first)) - 17)
        loaded[pair] = bars.slice(int(bars.ts[row]), start + 300)
    return shared.compute_shared(currencies.all_series(loaded, start + 299))


STARTS = [SUNDAY_OPEN, SUNDAY_OPEN + 120, SUNDAY_OPEN + 420, FRIDAY_CLOSE - 400]


@pytest.mark.parametrize("start", STARTS)
def test_shared_chunk_with_warm_up_equals_one_pass(start):
    found = shared_offence(start, shared.SHARED_LOOKBACK)
    assert found is None, found


def shared_offence(start: int, lookback: int) -> str | None:
    found = chunk_of_shared(start, lookback)
    chunk = Table(found.ts, {f"shared__{name}": v for name, v in found.columns.items()})
    one_pass = Table(whole().ts, {name: whole().columns[name] for name in chunk.columns})
    return offence(chunk.between(start, start + 299), one_pass.between(start, start + 299))


def test_a_shared_warm_up_that_is_too_short_is_noticed():
    """By the rows that are loaded on top for r, b and the fills, and one."""
    assert any(
        "corr_regime_20" in str(shared_offence(start, shared.SHARED_LOOKBACK - 18)) for start in STARTS
    )


@pytest.mark.parametrize("pair", TARGETS)
@pytest.mark.parametrize("start", STARTS[1:])
@pytest.mark.parametrize("family", ["spread_idx", "volume_idx", "volume_bqx", *ACROSS])
def test_chunk_with_warm_up_equals_one_pass(pair, start, family):
    """Each with the look-back of its own columns; what is shared reaches back as far as the pair does."""
    lookback = max(f.lookback for f in FAMILIES[family].columns if f.grid == "pair")
    bars = currencies.market()[pair]
    row = max(0, int(np.searchsorted(bars.ts, start)) - lookback - 1)
    series = Series.of(
        make_grid(bars.slice(int(bars.ts[row]), start + 300), start + 299), currencies.base_of(pair)
    )
    common = shared.compute_shared(currencies.all_series(currencies.market()))
    columns = engine.compute(family, series, pair=pair, shared=since(common, int(series.ts[0])))
    chunk = Table(series.ts, {f"{pair}:{family}__{name}": values for name, values in columns.items()})
    there = ~np.isnan(whole().columns[f"{pair}:row"])
    one_pass = Table(whole().ts[there], {name: whole().columns[name][there] for name in chunk.columns})
    found = offence(chunk.between(start, start + 299), one_pass.between(start, start + 299))
    assert found is None, found


def since(common: shared.Shared, minute: int) -> shared.Shared:
    rows = common.ts >= minute
    return shared.Shared(common.ts[rows], {name: values[rows] for name, values in common.columns.items()})


INPUTS = ("S", "O", "H", "L", "V", "p", "is_filled")


def late(series: Series, inputs=INPUTS) -> Series:
    """Inputs of a pair one row late."""
    values = {field.name: getattr(series, field.name) for field in dataclasses.fields(series)}
    return Series(**values | {name: np.concatenate([values[name][:1], values[name][:-1]]) for name in inputs})


@cache
def even() -> dict[str, Series]:
    """All pairs with a row at every minute, so that a row late is a minute late."""
    series = {}
    for number, pair in enumerate(PAIRS):
        rng = np.random.default_rng(number)
        close = 100 + np.cumsum(rng.normal(0, 1e-2, 2000))
        one = series_of(close, close + rng.uniform(0, 0.02, 2000), close - rng.uniform(0, 0.02, 2000))
        values = {name: getattr(one, name) for name in one.__dataclass_fields__}
        inputs = {"V": rng.poisson(20, 2000) * 1.0, "p": rng.uniform(0.001, 0.02, 2000)}
        series[pair] = Series(**values | inputs)
    return series


@pytest.mark.parametrize("family", ["spread_idx", "volume_idx", "volume_bqx"])
@pytest.mark.parametrize(
    "delayed", [{"V"}, {"p"}, {"S"}, {"p", "S"}, {"V", "S"}, {"V", "is_filled"}, set("VSHL")]
)
def test_one_input_late_makes_late_what_reads_only_that(family, delayed):
    before = engine.compute(family, even()["eurusd"])
    after = engine.compute(family, late(even()["eurusd"], delayed))
    rows = slice(1600, None)
    for feature in FAMILIES[family].columns:
        inputs = {{"r": "S", "b": "S"}.get(name, name) for name in feature.inputs}
        if inputs <= delayed:
            expected = np.roll(before[feature.name], 1)
        elif not inputs & delayed:
            expected = before[feature.name]
        else:
            continue
        np.testing.assert_array_equal(after[feature.name][rows], expected[rows], err_msg=feature.name)


@pytest.mark.parametrize("pair", ["eurusd", "audcad"])
def test_all_inputs_late_make_all_columns_late(pair):
    delayed = {name: late(one) for name, one in even().items()}
    before, after = shared.compute_shared(even()), shared.compute_shared(delayed)
    rows = slice(1600, None)
    for family in STORED:
        values = engine.compute(family, delayed[pair], pair=pair, shared=after)
        for name, wanted in engine.compute(family, even()[pair], pair=pair, shared=before).items():
            table, reference = (
                Table(before.ts[rows], {name: x[rows]}) for x in (values[name], np.roll(wanted, 1))
            )
            found = offence(table, reference, 1e-9)
            assert found is None, f"{family}: {found}"


def reads(name: str, pair: str, target: str) -> bool:
    """Whether a column of `target` reads a major; taken from the definitions, not from the code."""
    table, column = name.split("__")
    if table == "shared":
        return column.endswith(pair) if "usd" in column[-6:] and column[0] in "rbd" else column in GLOBAL
    if table not in ACROSS or column.startswith(("term_", "bqx_corr_w")):
        return False
    slot = f"corr_{pair[:3]}_{pair[3:]}"
    own_slot = f"corr_{target[:3]}_{target[3:]}" in column
    return slot in column or own_slot or column in GLOBAL or "_var_" in column


@pytest.mark.parametrize("pair", ["usdjpy", "gbpusd"])
def test_one_pair_late_changes_what_reads_it_and_nothing_else(pair):
    target = "audcad"
    before = shared.compute_shared(even())
    after = shared.compute_shared(even() | {pair: late(even()[pair])})
    rows = slice(1600, None)
    for symbol in ("r", "b", "db"):
        moved = after.columns[f"{symbol}_{pair}"][rows]
        np.testing.assert_array_equal(moved, np.roll(before.columns[f"{symbol}_{pair}"], 1)[rows])
    columns = {f"shared__{name}": (values, after.columns[name]) for name, values in before.columns.items()}
    for family in STORED:
        old, new = (engine.compute(family, even()[target], pair=target, shared=s) for s in (before, after))
        columns |= {f"{family}__{name}": (old[name], new[name]) for name in old}
    for name, (old, new) in columns.items():
        same = np.array_equal(old[rows], new[rows])
        quiet = name.split("__")[1] in ONLY_SOME_PAIRS
        assert quiet or same != reads(name, pair, target), name
    other = join_exact(even()[target].ts, after.ts, {"x": after.columns[f"r_{pair}"]})["x"]
    wanted = pairwise.correlation(even()[target].r, other, 20, 1e-12, 1e-12)
    np.testing.assert_array_equal(columns[f"correlation_idx__corr_{pair[:3]}_{pair[3:]}_20"][1], wanted)


# Global columns made of a few pairs, which may or may not be the one that is late.
ONLY_SOME_PAIRS = (
    "bqx_eur_leads_gbp_flag", "bqx_eur_gbp_lag_corr_5", "bqx_eur_gbp_lag_corr_15", "momentum_regime_cluster",
    "bqx_tri_resid_eurusd", "bqx_tri_resid_z_20",
)  # fmt: skip


def readers(pair: str) -> list[str]:
    """Columns of audcad and shared ones that are NULL while the major has no row."""
    names = [f"{family}__{f.name}" for family in ACROSS for f in FAMILIES[family].columns]
    shared_names = [f"shared__{name}" for name in shared.SHARED_COLUMNS]
    chosen = [f"audcad:{name}" for name in names if reads(name, pair, "audcad")]
    return chosen + [name for name in shared_names if reads(name, pair, "audcad")]


def hole() -> int:
    """A minute after which every column of audcad is known for 46 minutes."""
    known = ~np.isnan([v for name, v in whole().columns.items() if name.startswith("audcad:corr")]).any(
        axis=0
    )
    run = np.convolve(known, np.ones(46))[45:] == 46
    return int(whole().ts[int(run.argmax())])


@pytest.mark.parametrize("pair", ["usdjpy", "eurusd"])
def test_absent_rows_of_another_pair_are_null(pair):
    assert len(readers(pair)) >= 17 * 2 + 3 + 3
    assert_absent_is_null(across, currencies.market(), end(), pair, hole(), readers(pair))


def ahead(x, rows):
    return np.concatenate([x[rows:], np.full(min(rows, len(x)), np.nan)])


def centred(x, y, n, eps_x, eps_y):
    return ahead(pairwise.correlation(x, y, n, eps_x, eps_y), n // 2)


def of_full_sample(x, n, eps):
    order = np.searchsorted(np.sort(x[~np.isnan(x)]), x) / max(np.sum(~np.isnan(x)), 1)
    return np.where(np.isnan(x), np.nan, np.minimum(order, 0.9999))


LEVEL = rolling.level


def scaled_on_all(x, n, flat):
    z = (x - np.nanmean(x)) / np.nanstd(x) if np.isfinite(x).any() else x
    return LEVEL(x, n, flat)._replace(z=z)


def carried(direction):
    """A join that takes another minute's value where there is none: the last, the next, the nearest."""

    def join(ts, source_ts, columns):
        if not source_ts.size:
            return join_exact(ts, source_ts, columns)
        last = np.searchsorted(source_ts, ts, side="right") - 1
        following = np.minimum(np.searchsorted(source_ts, ts), source_ts.size - 1)
        if direction == "last":
            row = np.maximum(last, 0)
        elif direction == "next":
            row = following
        else:
            closer = np.abs(source_ts[following] - ts) < np.abs(ts - source_ts[np.maximum(last, 0)])
            row = np.where(closer, following, np.maximum(last, 0))
        return {name: values[row] for name, values in columns.items()}

    return join


def filled(direction):
    """An exact join whose NULLs are filled from the rows before or after them."""

    def join(ts, source_ts, columns):
        joined = pd.DataFrame(join_exact(ts, source_ts, columns))
        joined = joined.ffill() if direction == "last" else joined.bfill()
        return {name: joined[name].to_numpy(copy=True) for name in columns}

    return join


MUTANTS = {
    "shift(-1) of the returns": (shared, "FROM_SERIES", None),
    "shift(-5) in the lead": (dollar, "lagged", ahead),
    "shift(-5) in volume": (volume, "lagged", ahead),
    "centred window": (correlation, "correlation", centred),
    "centred window in R": (dollar, "correlation", centred),
    "full-sample rank of the spread": (spread, "mid_rank", of_full_sample),
    "full-sample rank of the regime": (dollar, "mid_rank", of_full_sample),
    "full-sample scaling": (volume.rolling, "level", scaled_on_all),
    "backward fill of another pair": (correlation, "join_exact", filled("next")),
    "next value of another pair": (shared, "join_exact", carried("next")),
    "nearest value of another pair": (shared, "join_exact", carried("nearest")),
    "last known value of another pair": (correlation, "join_exact", filled("last")),
    "last known value on the dollar grid": (shared, "join_exact", carried("last")),
}


def suite() -> None:
    """The checks that a mutant must not survive, on fewer cuts."""
    bars = currencies.market()
    gap = boundaries()[7]
    assert_truncation(compute, bars, end(), [gap, SUNDAY_OPEN + 333])
    assert_absent_is_null(across, bars, end(), "usdjpy", hole(), readers("usdjpy"))


def test_the_suite_passes_without_a_mutant():
    suite()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name, monkeypatch):
    module, attribute, mutant = MUTANTS[name]
    if mutant is None:
        monkeypatch.setattr(
            Series, "r", property(lambda series: ahead(np.log(series.S), 1) - np.log(series.S))
        )
    else:
        monkeypatch.setattr(module, attribute, mutant)
    with pytest.raises(AssertionError, match=r"at row|at minute"):
        suite()
