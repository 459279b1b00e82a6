"""The one base of all rate indices: which bar is 100.

All pairs share ONE baseline time, or the triangles between their indices would not close. It is
chosen at the first load and never moved, also when older history is loaded later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce

import numpy as np

from include.errors import MissingInput
from include.market.sources import Source
from include.names import to_datetime, to_minute
from include.storage.log import Baseline

PREFERRED = to_minute(datetime(2024, 7, 1, tzinfo=UTC))
_WEEK = 7 * 24 * 60


def choose_baselines(source: Source, stored: Mapping[str, Baseline]) -> dict[str, Baseline]:
    """Baseline of every pair of a source: the stored one, or one at the common time.

    Raises:
        MissingInput: a pair has no bar to take its base from.
    """
    start = min((base.minute for base in stored.values()), default=None)
    if start is None:
        start = baseline_minute(source)
    return {pair: stored.get(pair) or _baseline(source, pair, start) for pair in source.pairs}


def baseline_minute(source: Source) -> int:
    """2024-07-01 00:00 UTC if every pair has a bar then or later, else the first common minute.

    Raises:
        MissingInput: no minute has a bar of every pair.
    """
    limits = [source.limits(pair) for pair in source.pairs]
    if all(last >= PREFERRED for _, last in limits):
        return PREFERRED
    first, end = max(first for first, _ in limits), min(last for _, last in limits) + 1
    for week in range(first, end, _WEEK):
        minutes = (source.bars(pair, week, min(week + _WEEK, end)).ts for pair in source.pairs)
        common = reduce(np.intersect1d, minutes)
        if len(common):
            return int(common[0])
    raise MissingInput(
        "No minute has a bar of every pair, so the rate indices would have no common base. "
        "Load pairs whose bars overlap in time."
    )


def _baseline(source: Source, pair: str, start: int) -> Baseline:
    bar = source.first_close(pair, start)
    if bar is None:
        raise MissingInput(
            f"{pair} has no bar at or after the baseline time {to_datetime(start):%Y-%m-%d %H:%M} UTC, which "
            f"was set at the first load and never moves. Load later bars of {pair}, or use another database."
        )
    return Baseline(*bar)
