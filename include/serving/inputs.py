"""The bars that rows of some pairs are made of: as few as the look-back allows, and none after the last row.

What must lie in front of the first row is counted in rows of the pair's own grid, in complete 15-minute bars,
or in rows of the dollar grid. How many minutes that is depends on breaks, so bars are read, counted, and read
again further back where they were not enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from include.build.chunks import MARGIN, MID_OFFSET
from include.errors import MissingInput
from include.features.arrays import Minutes
from include.features.grid import Grid, make_grid
from include.features.join import common_minutes
from include.features.resample import complete
from include.features.series import Series
from include.names import SCHEMA, Month
from include.pairs import USD_MAJORS
from include.serving.needs import FIFTEEN, Needs
from include.storage.bars import price_side_of
from include.storage.connection import Connection
from include.storage.log import Baseline, baselines
from include.storage.recent import Asked, Found, read_newest

__all__ = ["Inputs", "cut", "read_inputs"]


PER_ROW = ("ts", "S", "O", "H", "L", "V", "p", "is_filled")  # of a series


class Inputs(NamedTuple):
    """Series of pairs.

    Attributes:
        own: of the pairs that are asked about, with their look-back.
        across: of every pair that these read, each back to where it is read, `MARGIN` rows in front.
    """

    own: Mapping[str, Series]
    across: Mapping[str, Series]


def read_inputs(connection: Connection, pairs: Sequence[str], first: int, end: int, needs: Needs) -> Inputs:
    """Read what the rows of some pairs follow from.

    Args:
        connection: a session.
        pairs: the pairs that are asked about.
        first: epoch minute of the first row.
        end: epoch minute just after the last row; it is at most one after the watermark.
        needs: what is wanted of each.

    Raises:
        MissingInput: a pair was never loaded, or the bars of one that was are gone.
    """
    bases = baselines(connection)
    if absent := [pair for pair in pairs if pair not in bases]:
        raise MissingInput(
            f"{', '.join(absent)}: no row in {SCHEMA}.baseline_rates. Load the bars first (DAG bqx_load)."
        )
    others = {pair: {o: rows for o, rows in needs.others(pair).items() if o in bases} for pair in pairs}
    grids, since = _read(connection, others, first, end, needs)
    own = {
        pair: _series(grids[pair], bases[pair], _mid_offset(connection, pair, end, needs)) for pair in pairs
    }
    across = {other: _series(_back_to(grids[other], minute), bases[other]) for other, minute in since.items()}
    return Inputs(own, across)


def cut(series: Series, first: int) -> Series:
    """The series without the rows before one of them."""
    if first <= 0:
        return series
    return replace(series, **{name: getattr(series, name)[first:] for name in PER_ROW})


def _series(grid: Grid, base: Baseline, mid_offset: float = MID_OFFSET["unknown"]) -> Series:
    return Series.of(grid, base.rate, mid_offset)


def _mid_offset(connection: Connection, pair: str, end: int, needs: Needs) -> float:
    """Of the price side of the month so far: bars that come later do not change an answer."""
    if not needs.spread_side:
        return MID_OFFSET["unknown"]
    return MID_OFFSET[price_side_of(connection, pair, Month.of_minute(end - 1), end)]


def _back_to(grid: Grid, minute: int) -> Grid:
    first = max(0, int(np.searchsorted(grid.ts, minute)) - MARGIN)
    return Grid(*(getattr(grid, name)[first:] for name in Grid.__dataclass_fields__))


def _read(
    connection: Connection, others: Mapping[str, Mapping[str, int]], first: int, end: int, needs: Needs
) -> tuple[dict[str, Grid], dict[str, int]]:
    """Grids of all pairs that take part, and the minute from which each of the others is read."""
    rows = _first_guess(others, end - first, needs)
    missing, found, grids = set(rows), dict[str, Found](), dict[str, Grid]()
    while missing:
        asked = {pair: Asked(rows[pair], closes_only=pair not in others) for pair in sorted(missing)}
        found |= read_newest(connection, asked, end)
        grids |= {pair: make_grid(found[pair].bars, end - 1) for pair in missing}
        since = _since(others, grids, first, needs)
        short = {pair for pair in others if _lacks_bars(grids[pair], first, needs)}
        short |= {pair for pair, minute in since.items() if np.searchsorted(grids[pair].ts, minute) < MARGIN}
        missing = {pair for pair in short if not found[pair].all_there_are}
        rows |= {pair: 2 * rows[pair] for pair in missing}
    return grids, since


def _first_guess(others: Mapping[str, Mapping[str, int]], span: int, needs: Needs) -> dict[str, int]:
    rows: dict[str, int] = {}
    for used in others.values():
        for other, dollar in used.items():
            rows[other] = max(rows.get(other, 0), max(dollar, needs.across) + MARGIN + span)
    return rows | {pair: max(rows.get(pair, 0), needs.own + span) for pair in others}


def _lacks_bars(grid: Grid, first: int, needs: Needs) -> bool:
    """Whether breaks left too few complete 15-minute bars; those of the first rows have no BQX yet."""
    before = grid.ts[MARGIN : np.searchsorted(grid.ts, first)]
    return len(complete(before, FIFTEEN)) < needs.fifteen


def _since(
    others: Mapping[str, Mapping[str, int]], grids: Mapping[str, Grid], first: int, needs: Needs
) -> dict[str, int]:
    """The minute from which each pair is read beside others."""
    common = _dollar_rows(grids, first) if needs.dollar else None
    since: dict[str, int] = {}
    for pair, used in others.items():
        ts = grids[pair].ts
        row = max(0, int(np.searchsorted(ts, first)) - needs.across)
        start = int(ts[row]) if row < len(ts) else first
        for other, dollar in used.items():
            back = start if common is None else min(start, _counted_back(common, dollar, first))
            since[other] = min(since.get(other, back), back)
    return since


def _dollar_rows(grids: Mapping[str, Grid], first: int) -> Minutes | None:
    """Rows of the dollar grid in front of the first row; None where a major was never loaded."""
    if any(major not in grids for major in USD_MAJORS):
        return None
    rows = common_minutes(grids[major].ts for major in USD_MAJORS)
    return rows[: np.searchsorted(rows, first)]


def _counted_back(common: Minutes, rows: int, first: int) -> int:
    """The minute so many rows of the dollar grid back, or before all that was read if there are too few."""
    if rows == 0:
        return first
    return int(common[-rows]) if len(common) >= rows else -1
