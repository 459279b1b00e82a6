"""What time it is, said once: everything else is told the minute and never looks at a clock.

A deployment goes by the wall clock, the embedded stack by the last minute that all pairs have: its data ends
where the files do, and those of one pair may end before those that it is compared with. Moments are epoch
minutes (UTC); at a moment every bar whose minute is over is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from include.errors import BadParameter, MissingInput, StaleInput
from include.features.grid import MAX_FILL
from include.names import to_datetime
from include.storage.bars import last_bar_before, range_of_bars
from include.storage.connection import Connection
from include.storage.log import baselines, watermark

__all__ = ["LAST_BAR", "MODES", "NOW", "as_of", "newest_row"]

NOW, LAST_BAR = "now", "last_bar"
MODES = (NOW, LAST_BAR)


def as_of(
    connection: Connection,
    mode: str,
    wall: Callable[[], float] = time.time,
) -> int:
    """The moment that counts as now.

    Args:
        connection: a session.
        mode: ``now``, the last full minute of the wall clock, or ``last_bar``, the end of the last bar of the
            pair whose bars end first.
        wall: seconds since 1970 (UTC).

    Raises:
        BadParameter: there is no such mode.
        MissingInput: nothing was loaded, or the bars of a pair that was are gone.
    """
    if mode not in MODES:
        raise BadParameter(f"as_of can be {' or '.join(MODES)}, not {mode!r}. Set bqx_as_of to one of these.")
    if mode == NOW:
        return int(wall() // 60)
    newest = watermark(connection)
    for pair in baselines(connection):
        limits = range_of_bars(connection, pair)
        if limits is None:
            raise MissingInput(f"{pair} has no bars: load them again (DAG bqx_load).")
        newest = min(newest, limits[1])
    return newest + 1


def newest_row(connection: Connection, pair: str, moment: int, limit: int) -> int:
    """The newest row of a pair that is known at a moment: the minute of its label.

    It may be a filled one: up to five minutes after the last bar its price still counts.

    Args:
        connection: a session.
        pair: the currency pair.
        moment: epoch minute; see `as_of`.
        limit: how many minutes may have passed since the row was over.

    Raises:
        MissingInput: the pair has no row before that moment.
        StaleInput: its newest row is older than that.
    """
    known = min(moment - 1, watermark(connection))
    bar = last_bar_before(connection, pair, known + 1)
    if bar is None:
        raise MissingInput(f"{pair} has no bar before {_shown(moment)}: load its bars first (DAG bqx_load).")
    row = min(bar + MAX_FILL, known)
    if moment - (row + 1) > limit:
        raise StaleInput(
            f"{pair}: the newest row is that of {_shown(row)}. It was over {moment - row - 1:,} minutes "
            f"before {_shown(moment)}; at most {limit:,} are allowed. Load newer bars (DAG bqx_load)."
        )
    return row


def _shown(minute: int) -> str:
    return f"{to_datetime(minute):%Y-%m-%d %H:%M} UTC"
