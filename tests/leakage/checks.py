"""Proofs of temporal causality for anything that turns the bars of pairs into columns.

A `Compute` takes the bars of one or more pairs and a watermark and returns the columns of one pair.
Every check compares two computations and reports the first offending column, row and value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from include.features.bars import Bars
from tests.oracles.compare import relative_error

Market = Mapping[str, Bars]

PRICES = ("open", "high", "low", "close")


class Table(NamedTuple):
    """Columns of one pair by name, and the epoch minutes of their rows."""

    ts: np.ndarray
    columns: Mapping[str, np.ndarray]

    def between(self, first: int, last: int) -> Table:
        """The rows of the closed range of minutes."""
        rows = slice(*np.searchsorted(self.ts, [first, last + 1]))
        return Table(self.ts[rows], {name: values[rows] for name, values in self.columns.items()})


Compute = Callable[[Market, int], Table]


def offence(values: Table, reference: Table, tolerance: Mapping[str, float] | float = 0.0) -> str | None:
    """The first difference between two tables in words, or None.

    A tolerance of 0 asks for the same bits; another one is relative, see `relative_error`.
    """
    if not np.array_equal(values.ts, reference.ts):
        odd = np.setxor1d(values.ts, reference.ts)
        return f"the rows differ: minute {odd[0]} is in one table only ({odd.size} such minutes)"
    if values.columns.keys() != reference.columns.keys():
        return f"the columns differ: {sorted(values.columns.keys() ^ reference.columns.keys())}"
    for name, expected in reference.columns.items():
        limit = tolerance.get(name, 0.0) if isinstance(tolerance, Mapping) else tolerance
        wrong = _differing(values.columns[name], expected, limit)
        if wrong.any():
            row = int(wrong.argmax())
            return (
                f"{name} at row {row} (minute {reference.ts[row]}): {values.columns[name][row]!r} "
                f"instead of {expected[row]!r}, {int(wrong.sum())} such rows"
            )
    return None


def _differing(values: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    if tolerance:
        return relative_error(values, expected) > tolerance
    return values.astype(np.float64).view(np.int64) != expected.astype(np.float64).view(np.int64)


def cut(market: Market, minute: int, pairs: Collection[str] | None = None) -> Market:
    """The bars up to and including a minute (of some pairs only: the others stay whole)."""
    return {
        pair: bars.slice(np.iinfo(np.int64).min, minute + 1) if pairs is None or pair in pairs else bars
        for pair, bars in market.items()
    }


def assert_truncation(
    compute: Compute,
    market: Market,
    watermark: int,
    cuts: Iterable[int],
    tolerance: Mapping[str, float] | float = 0.0,
) -> None:
    """Columns of the bars up to T equal, up to T, those of all bars; so do the sets of rows."""
    whole = compute(market, watermark)
    for minute in cuts:
        found = offence(compute(cut(market, minute), minute), whole.between(whole.ts[0], minute), tolerance)
        assert found is None, f"cut at minute {minute}: {found}"


def assert_blind_to_future(
    compute: Compute,
    market: Market,
    watermark: int,
    minute: int,
    *,
    seed: int = 0,
    pairs: Collection[str] | None = None,
    tolerance: Mapping[str, float] | float = 0.0,
) -> None:
    """Noise, NULL and holes in the bars after T (of some pairs only) leave the rows up to T alone."""
    rng = np.random.default_rng(seed)
    before = compute(market, watermark).between(np.iinfo(np.int64).min, minute)
    for name, disturb in {"noise": _noise, "NULL": _null, "holes": _holes}.items():
        changed = {
            pair: disturb(bars, bars.ts > minute, rng) if pairs is None or pair in pairs else bars
            for pair, bars in market.items()
        }
        after = compute(changed, watermark).between(np.iinfo(np.int64).min, minute)
        found = offence(after, before, tolerance)
        assert found is None, f"{name} after minute {minute}: {found}"


def assert_known_somewhere(table: Table) -> None:
    """A column without a single value in the test data would pass every other check."""
    unknown = [name for name, values in table.columns.items() if np.isnan(values).all()]
    assert not unknown, f"no value at all in {unknown}"


def assert_absent_is_null(
    compute: Compute, market: Market, watermark: int, pair: str, minute: int, readers: Collection[str]
) -> None:
    """While a pair has no grid row, every column that reads it is NULL: nothing older is carried on.

    The pair loses its bars of 40 minutes; of those the grid fills the first five.
    """
    keep = (market[pair].ts <= minute) | (market[pair].ts > minute + 40)
    holed = Bars(*(getattr(market[pair], name)[keep] for name in market[pair].__dataclass_fields__))
    gap = compute({**market, pair: holed}, watermark).between(minute + 6, minute + 40)
    before = compute(market, watermark).between(minute + 6, minute + 40)
    assert len(gap.ts), f"no rows after minute {minute}"
    for name in readers:
        assert not np.isnan(before.columns[name]).all(), f"{name} is NULL with or without {pair}"
        row = int((~np.isnan(gap.columns[name])).argmax())
        assert np.isnan(gap.columns[name]).all(), (
            f"{name} at minute {gap.ts[row]}: {gap.columns[name][row]!r} without a row of {pair}"
        )


def _noise(bars: Bars, late: np.ndarray, rng: np.random.Generator) -> Bars:
    close = np.where(late, np.nanmean(bars.close) * np.exp(rng.normal(0, 0.05, len(bars))), bars.close)
    width = np.where(late, np.abs(rng.normal(0, 0.01, len(bars))) * close, 0.0)
    return Bars(
        ts=bars.ts,
        open=np.where(late, close + width * rng.uniform(-1, 1, len(bars)), bars.open),
        high=np.where(late, close + width, bars.high),
        low=np.where(late, close - width, bars.low),
        close=close,
        volume=np.where(late, rng.poisson(1000, len(bars)), bars.volume),
        spread=np.where(late, rng.normal(1e-4, 1e-4, len(bars)), bars.spread),
    )


def _null(bars: Bars, late: np.ndarray, rng: np.random.Generator) -> Bars:
    values = {name: np.where(late, np.nan, getattr(bars, name)) for name in (*PRICES, "volume", "spread")}
    return Bars(ts=bars.ts, **values)


def _holes(bars: Bars, late: np.ndarray, rng: np.random.Generator) -> Bars:
    keep = ~late | (rng.random(len(bars)) < 0.5)
    return Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))


def assert_chunks(
    compute: Compute,
    market: Market,
    watermark: int,
    starts: Iterable[int],
    lookback: int,
    *,
    rows: int = 300,
    tolerance: Mapping[str, float] | float = 1e-9,
) -> None:
    """A chunk that starts at a minute, computed with `lookback` grid rows before it, equals one pass.

    The bars are loaded as a build loads them: 16 rows more than the look-back, for the differences
    and the first BQX, and every bar counts as at least one row of the grid.
    """
    whole = compute(market, watermark)
    for start in starts:
        chunk = whole.between(start, np.iinfo(np.int64).max - 1)
        end = int(chunk.ts[min(rows, len(chunk.ts)) - 1])
        loaded = {}
        for pair, bars in market.items():
            first = max(0, int(np.searchsorted(bars.ts, start)) - lookback - 16)
            loaded[pair] = bars.slice(int(bars.ts[first]), end + 1)
        found = offence(compute(loaded, end).between(start, end), whole.between(start, end), tolerance)
        assert found is None, f"chunk from minute {start}: {found}"
