"""Where bars come from: files with derived crosses, or tables that are already in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from include.errors import BadParameter
from include.features.bars import Bars
from include.market import crosses, readers
from include.market.checks import check_triangles
from include.market.request import LoadRequest
from include.names import table
from include.objects import ObjectStore
from include.pairs import PAIRS, usd_legs
from include.storage.bars import close_at_or_after, range_of_bars, read_bars
from include.storage.connection import Connection
from include.storage.schema import columns_of


class Source(Protocol):
    """Bars by pair, whatever holds them. Times are epoch minutes."""

    @property
    def pairs(self) -> list[str]:
        """Pairs wanted that this source can give."""

    def limits(self, pair: str) -> tuple[int, int]:
        """First and last bar of a pair."""

    def bars(self, pair: str, first: int, end: int) -> Bars:
        """Bars of a pair with first <= ts < end."""

    def first_close(self, pair: str, minute: int) -> tuple[int, float] | None:
        """The pair's bar at a minute or its first one after it: label and close."""


class FileSource:
    """A folder, or a place in a bucket, with the files of each pair; each file is read and checked once.

    Args:
        request: what to load.
        place: the place in a bucket that the source names; None if it is a folder.
    """

    def __init__(self, request: LoadRequest, place: ObjectStore | None = None) -> None:
        assert request.source is not None
        self._request = request
        self._files = readers.find_files(place or Path(request.source), PAIRS)
        self._read: dict[str, Bars] = {}

    @cached_property
    def pairs(self) -> list[str]:
        """Pairs wanted that have a file or, if asked for, two dollar legs."""
        derivable = crosses.missing(self._files) if self._request.crosses == "derive" else ()
        found = [pair for pair in self._request.pairs if pair in self._files or pair in derivable]
        if not found:
            raise BadParameter(
                f"{self._request.source} has files for {', '.join(self._files)}, but none of these was asked "
                f"for: {', '.join(self._request.pairs)}. Ask for other pairs, or derive crosses."
            )
        return found

    def is_derived(self, pair: str) -> bool:
        """Whether the pair has no file of its own."""
        return pair not in self._files

    def check(self) -> None:
        """Read every pair and check that the recorded ones agree with each other.

        Raises:
            BadInput: a file is bad, or contradicts the others.
        """
        bars = {pair: self.everything(pair) for pair in self.pairs}
        recorded = {pair: one for pair, one in bars.items() if not self.is_derived(pair)}
        check_triangles(recorded, {pair: str(self._files[pair][0]) for pair in recorded})

    def everything(self, pair: str) -> Bars:
        """All bars of a pair inside the days asked for.

        Raises:
            BadInput: the file, or that of a leg, is bad.
            BadParameter: no bar lies in the days asked for.
        """
        if pair not in self._read:
            bars = self._derive(pair) if self.is_derived(pair) else self._from_file(pair)
            bars = bars.slice(*self._request.limits)
            if not len(bars):
                raise BadParameter(
                    f"{pair} has no bar from {self._request.first_day} up to {self._request.end_day}: "
                    "widen the range of days."
                )
            self._read[pair] = bars
        return self._read[pair]

    def _from_file(self, pair: str) -> Bars:
        return readers.read_pair(
            self._files[pair], pair, timezone=self._request.timezone, now=datetime.now(UTC)
        )

    def _derive(self, pair: str) -> Bars:
        first, second = usd_legs(pair)
        return crosses.derive(pair, self.everything(first.pair), self.everything(second.pair))

    def limits(self, pair: str) -> tuple[int, int]:
        """First and last bar of a pair."""
        bars = self.everything(pair)
        return int(bars.ts[0]), int(bars.ts[-1])

    def bars(self, pair: str, first: int, end: int) -> Bars:
        """Bars of a pair with first <= ts < end."""
        return self.everything(pair).slice(first, end)

    def first_close(self, pair: str, minute: int) -> tuple[int, float] | None:
        """The pair's bar at a minute or its first one after it."""
        bars = self.everything(pair)
        row = int(np.searchsorted(bars.ts, minute))
        return None if row == len(bars) else (int(bars.ts[row]), float(bars.close[row]))


class DatabaseSource:
    """Tables of bars that exist already, in our layout or the origin's; they are only read."""

    def __init__(self, connection: Connection, request: LoadRequest) -> None:
        self._connection = connection
        self.pairs = [pair for pair in request.pairs if columns_of(connection, table("m1", pair))]
        if not self.pairs:
            raise BadParameter(
                "No table m1_{pair} exists for the pairs asked for, so there is nothing to register. "
                "Give the folder of the bar files as source."
            )

    def limits(self, pair: str) -> tuple[int, int]:
        """First and last bar of a pair.

        Raises:
            BadParameter: the table is empty.
        """
        limits = range_of_bars(self._connection, pair)
        if limits is None:
            raise BadParameter(f"Table m1_{pair} is empty: fill it, or leave {pair} out.")
        return limits

    def bars(self, pair: str, first: int, end: int) -> Bars:
        """Bars of a pair with first <= ts < end."""
        return read_bars(self._connection, pair, first, end)

    def first_close(self, pair: str, minute: int) -> tuple[int, float] | None:
        """The pair's bar at a minute or its first one after it."""
        return close_at_or_after(self._connection, pair, minute)
