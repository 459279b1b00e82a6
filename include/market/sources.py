"""Where bars come from: files with derived crosses, or tables that are already in the database."""

from __future__ import annotations

from typing import Protocol

from include.errors import BadParameter
from include.features.bars import Bars
from include.market.file_source import FileSource
from include.market.request import LoadRequest
from include.names import table
from include.storage.bars import close_at_or_after, range_of_bars, read_bars
from include.storage.connection import Connection
from include.storage.schema import columns_of

__all__ = ["DatabaseSource", "FileSource", "Source"]


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

    def price_side(self, pair: str) -> str:
        """Which price a pair's bars record."""


class DatabaseSource:
    """Tables of bars that exist already, in our layout or the origin's; they are only read."""

    def __init__(self, connection: Connection, request: LoadRequest) -> None:
        self._connection = connection
        self._price_side = request.price_side
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

    def price_side(self, pair: str) -> str:
        """Which price the tables record, as the request says."""
        return self._price_side
