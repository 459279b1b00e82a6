"""A model's columns at any minute, from the minute bars alone and by the engine of the builds.

A row is computed as if its month began with it: in front of it lie the rows that the catalogue asks for and
few more, and no stored feature table is read. So a row equals that of the stored matrix to 1e-9, and no bar
after it can change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from include.dataset import targets
from include.errors import BadParameter, MissingInput
from include.features.arrays import Columns, Floats, Minutes
from include.features.engine import compute
from include.features.series import WINDOWS, Series
from include.features.shared import Shared, compute_shared
from include.features.xpair import Related
from include.names import to_datetime
from include.pairs import PAIRS
from include.serving.inputs import Inputs, cut, read_inputs
from include.serving.needs import ACROSS, Needs, needs_of
from include.storage.connection import Connection
from include.storage.log import watermark

__all__ = ["Row", "Rows", "many", "rows"]

# Rows in front of the first one are rounded up to one of these, so that families share what they derive.
STEPS = (128, 512, 1024, 2560)


class Row(NamedTuple):
    """One pair at one minute.

    Attributes:
        pair: for example ``eurusd``.
        minute: epoch minute of the bar's OPEN; the row is known when it is over.
        features: in the order of the columns that were asked for, NaN = NULL.
        q: w{w}_bqx_return by window, NaN = NULL.
        s: its volatility by window, see `include.dataset.targets.volatility`.
    """

    pair: str
    minute: int
    features: Floats
    q: Mapping[int, float]
    s: Mapping[int, float]


class Rows(NamedTuple):
    """Every grid row of one pair in some minutes.

    Attributes:
        ts: epoch minutes, shape (rows,).
        features: shape (rows, columns), NaN = NULL.
        q, s: as in `Row`, each of shape (rows,).
    """

    pair: str
    ts: Minutes
    features: Floats
    q: Mapping[int, Floats]
    s: Mapping[int, Floats]


def rows(
    connection: Connection,
    pairs: Sequence[str],
    minute: int,
    columns: Sequence[str],
    windows: Mapping[int, int],
) -> dict[str, Row]:
    """One minute of some pairs; what they share is read and computed once.

    Args:
        connection: a session outside of a transaction.
        pairs: which pairs.
        minute: epoch minute of the row, the OPEN of its bar.
        columns: features wanted, as ``table__column``, in the order of the model.
        windows: window of the target by horizon in minutes; q and s are given for what these need.

    Raises:
        BadParameter: there is no such pair, feature or window.
        MissingInput: a pair has no row at that minute, or was never loaded.
    """
    found = many(connection, pairs, minute, minute + 1, columns, windows)
    if absent := [pair for pair, one in found.items() if not len(one.ts)]:
        raise MissingInput(
            f"{', '.join(absent)}: no row at {_shown(minute)}. There was no bar in the five minutes before, "
            f"or the minute is behind the watermark of the last load, {_shown(watermark(connection))} "
            "(DAG bqx_load)."
        )
    return {
        pair: Row(
            pair,
            minute,
            one.features[-1],
            {w: float(values[-1]) for w, values in one.q.items()},
            {w: float(values[-1]) for w, values in one.s.items()},
        )
        for pair, one in found.items()
    }


def many(
    connection: Connection,
    pairs: Sequence[str],
    first: int,
    end: int,
    columns: Sequence[str],
    windows: Mapping[int, int],
) -> dict[str, Rows]:
    """All rows of some pairs in [first, end), for example of a day; otherwise as `rows`.

    Minutes behind the watermark have no rows, and where the bars pause for long there are none.

    Raises:
        BadParameter, MissingInput: as `rows`, but a pair without a row in these minutes is no error.
    """
    _check(pairs, first, end, windows)
    needs = needs_of(tuple(columns))
    with _one_moment(connection):
        end = min(end, watermark(connection) + 1)
        if first >= end:
            return {pair: _no_rows(pair, len(columns), windows) for pair in pairs}
        inputs = read_inputs(connection, pairs, first, end, needs)
    shared = _shared(inputs, needs)
    return {pair: _rows_of(pair, first, inputs, shared, needs, columns, windows) for pair in pairs}


def _check(pairs: Sequence[str], first: int, end: int, windows: Mapping[int, int]) -> None:
    if unknown := [pair for pair in pairs if pair not in PAIRS]:
        raise BadParameter(f"There is no pair {', '.join(unknown)}; choose from {', '.join(PAIRS)}.")
    if first >= end:
        raise BadParameter(f"The first minute {first} must lie before the end {end}.")
    if unknown_windows := sorted({*_q_windows(windows), *windows.values()} - set(WINDOWS)):
        raise BadParameter(f"BQX has windows {WINDOWS}, not {unknown_windows} (windows {dict(windows)}).")


def _q_windows(windows: Mapping[int, int]) -> list[int]:
    """The window w of every horizon h, and w - h where h < w: the no-skill forecast is made of it."""
    return sorted({*windows.values(), *(w - h for h, w in windows.items() if h < w)})


@contextmanager
def _one_moment(connection: Connection) -> Iterator[None]:
    """What is read inside is of one moment, whatever a load writes meanwhile."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _shared(inputs: Inputs, needs: Needs) -> Shared | None:
    """What the correlation families of all pairs read, from as few pairs as the wanted columns ask for."""
    if not any(name.startswith("correlation_") for name in needs.families):
        return None
    return compute_shared(inputs.across)


def _rows_of(
    pair: str,
    first: int,
    inputs: Inputs,
    shared: Shared | None,
    needs: Needs,
    columns: Sequence[str],
    windows: Mapping[int, int],
) -> Rows:
    series = inputs.own[pair]
    start = int(np.searchsorted(series.ts, first))
    if start == len(series):
        return _no_rows(pair, len(columns), windows)
    cuts = _Cuts(series, start)
    found: Columns = {}
    for family, names in needs.families.items():
        part = cuts.of(family, needs.lookback[family])
        computed = compute(family, part, pair=pair, shared=shared, related=Related(inputs.across))
        found |= {f"{family}__{name}": computed[name][start - len(series) :] for name in names}
    part = cuts.at_least(targets.LOOKBACK)
    own = slice(start - len(series), None)
    return Rows(
        pair,
        series.ts[start:],
        np.column_stack([found[name] for name in columns]) if columns else np.empty((len(series) - start, 0)),
        {w: part.q[w][own] for w in _q_windows(windows)},
        {w: targets.volatility(part.q[w])[own] for w in sorted(set(windows.values()))},
    )


class _Cuts:
    """A series with more or fewer rows in front of its first own row; what was cut once is kept."""

    def __init__(self, series: Series, start: int) -> None:
        self._series, self._start = series, start
        self._kept: dict[int, Series] = {}

    def of(self, family: str, lookback: int) -> Series:
        """What a family is computed from."""
        if family == "mres":  # its bars of several minutes were counted over the whole series
            return self._series
        return self.exactly(lookback) if family in ACROSS else self.at_least(lookback)

    def at_least(self, rows: int) -> Series:
        """With that many rows in front, or some more, or all there are."""
        return self.exactly(min((step for step in STEPS if step >= rows), default=len(self._series)))

    def exactly(self, rows: int) -> Series:
        """With that many rows in front, or all there are."""
        first = max(0, self._start - rows)
        if first not in self._kept:
            self._kept[first] = cut(self._series, first)
        return self._kept[first]


def _no_rows(pair: str, columns: int, windows: Mapping[int, int]) -> Rows:
    none = np.empty(0)
    return Rows(
        pair,
        np.empty(0, np.int64),
        np.empty((0, columns)),
        dict.fromkeys(_q_windows(windows), none),
        dict.fromkeys(sorted(set(windows.values())), none),
    )


def _shown(minute: int) -> str:
    return f"{to_datetime(minute):%Y-%m-%d %H:%M} UTC"
