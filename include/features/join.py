"""The join rule: another pair's row of exactly the same minute, or NULL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial, reduce

import numpy as np

from include.features.arrays import Columns, Floats, Minutes

__all__ = ["common_minutes", "join_exact"]


def join_exact(ts: Minutes, source_ts: Minutes, columns: Mapping[str, Floats]) -> Columns:
    """Columns of other rows, brought to the rows of a pair.

    Nothing is carried forward (the grid itself carries a price at most five minutes) and nothing is
    differenced across the join.

    Args:
        ts: minutes of the rows wanted.
        source_ts: strictly increasing minutes of the rows there are.
        columns: one value per row of ``source_ts``.

    Returns:
        The columns at ``ts`` in memory of their own, NaN where ``source_ts`` lacks the minute.
    """
    if not source_ts.size:
        return {name: np.full(ts.size, np.nan) for name in columns}
    row = np.minimum(np.searchsorted(source_ts, ts), source_ts.size - 1)
    absent = source_ts[row] != ts
    joined = {name: values[row] for name, values in columns.items()}
    for values in joined.values():
        values[absent] = np.nan
    return joined


def common_minutes(grids: Iterable[Minutes]) -> Minutes:
    """Minutes at which all of one or more pairs have a row; of the seven USD majors: the dollar grid.

    Args:
        grids: strictly increasing minutes of each.
    """
    return reduce(partial(np.intersect1d, assume_unique=True), grids)
