"""How old the bars are, and how many feature values are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.dataset.profile import PairProfile
from include.errors import MissingInput
from include.features.arrays import Floats
from include.monitoring.sessions import open_minutes
from include.monitoring.values import Reading
from include.storage.bars import last_bar_before
from include.storage.connection import Connection

__all__ = ["data_age", "missing_features", "missing_in_training"]


def data_age(connection: Connection, pair: str, as_of: int) -> Reading:
    """Minutes that the market was open since the newest bar of a pair was over.

    Args:
        connection: a session.
        pair: for example ``eurusd``.
        as_of: epoch minute that counts as now.
    """
    try:
        bar = last_bar_before(connection, pair, as_of)
    except MissingInput:
        bar = None
    if bar is None:
        return Reading("data_age", None, pair, note="The pair has no bars.")
    return Reading("data_age", float(open_minutes(bar + 1, as_of)), pair)


def missing_in_training(profile: PairProfile, columns: Sequence[str]) -> Floats:
    """Share of grid rows of the data set's period in which each of some columns was NULL."""
    place = {name: number for number, name in enumerate(profile.columns)}
    known = profile.known[:, [place[name] for name in columns]]
    share: Floats = 1.0 - profile.grid_rows @ known / max(int(profile.grid_rows.sum()), 1)
    return share


def missing_features(pair: str, columns: Sequence[str], values: Floats, usual: Floats) -> Reading:
    """By how much the share of missing feature values exceeds that of training; 0 if it does not.

    After a break columns are NULL for a while by their definition: that share is no failure.

    Args:
        pair: for example ``eurusd``.
        columns: of the model.
        values: of every grid row of a window, shape (rows, columns), NaN = NULL.
        usual: from `missing_in_training`, shape (columns,).
    """
    if not values.size:
        return Reading("missing_features", None, pair, note="There are no rows in the window.")
    share = np.isnan(values).mean(axis=0)
    worst = int(np.argmax(share - usual))
    note = f"{columns[worst]} is missing in {share[worst]:.1%} of the rows, {usual[worst]:.1%} in training."
    return Reading("missing_features", max(0.0, float((share - usual).mean())), pair, note=note)
