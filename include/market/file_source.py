"""The bars of a folder or a bucket: files with what is said of them, and crosses derived from them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from include.errors import BadInput, BadParameter
from include.features.bars import Bars
from include.market import crosses, readers
from include.market.checks import check_triangles
from include.market.folder import look
from include.market.problems import bad
from include.market.request import LoadRequest
from include.objects import ObjectStore
from include.pairs import PAIRS, usd_legs

log = logging.getLogger(__name__)

GLANCE = 24 << 20  # bytes that are read in a second


class FileSource:
    """A folder, or a place in a bucket, with the files of each pair; each file is read and checked once.

    Args:
        request: what to load.
        place: the place in a bucket that the source names; None if it is a folder.
    """

    def __init__(self, request: LoadRequest, place: ObjectStore | None = None) -> None:
        assert request.source is not None
        self._request = request
        self._folder = look(place or Path(request.source), PAIRS)
        self._files = self._folder.files
        self._read: dict[str, Bars] = {}
        self._decided: dict[str, readers.PairRead] = {}

    @cached_property
    def pairs(self) -> list[str]:
        """Pairs wanted that have a file or, if asked for, two dollar legs.

        Raises:
            BadParameter: none has.
            BadInput: some were asked for by name and have not (``pair-missing``).
        """
        derivable = crosses.missing(self._files) if self._request.crosses == "derive" else ()
        found = [pair for pair in self._request.pairs if pair in self._files or pair in derivable]
        if not found:
            raise BadParameter(
                f"{self._request.source} has files for {', '.join(self._files)}, but none of these was asked "
                f"for: {', '.join(self._request.pairs)}. Ask for other pairs, or derive crosses."
            )
        missing = [pair for pair in self._request.pairs if pair not in found]
        if missing and not self._request.takes_all:
            more = "".join(f"; {name}: {why}" for name, why in self._folder.left_out.items())
            text = f"{', '.join(missing)} was asked for and has no file{more}"
            raise bad("pair-missing", self._folder.name, text)
        return found

    @property
    def left_out(self) -> dict[str, str]:
        """Files that name a pair and are not read, with why."""
        legs = {leg.pair for pair in self.pairs if self.is_derived(pair) for leg in usd_legs(pair)}
        unasked = {
            path.name: f"{pair} was not asked for"
            for pair, paths in self._files.items()
            for path in paths
            if pair not in self.pairs and pair not in legs
        }
        beside = {name: why for one in self._decided.values() for name, why in one.passed_over.items()}
        return self._folder.left_out | unasked | beside

    @property
    def read(self) -> dict[str, list[dict[str, Any]]]:
        """What was decided on reading each file, by pair: see `readers.PairRead`."""
        return {pair: one.read for pair, one in self._decided.items()}

    def price_side(self, pair: str) -> str:
        """Which price the files of a pair record: what ``bars.yaml`` says of them, or the request.

        Raises:
            BadInput: it differs between the files of the pair (``mixed-files``).
        """
        self.everything(pair)
        if self.is_derived(pair):
            sides = {self.price_side(leg.pair) for leg in usd_legs(pair)}
            # a product or quotient of two bids is no bid
            return "mid" if sides == {"mid"} else "unknown"
        by_file = {file: side or self._request.price_side for file, side in self._decided[pair].sides.items()}
        if len(set(by_file.values())) > 1:
            said = ", ".join(f"{file} {side}" for file, side in by_file.items())
            raise bad("mixed-files", next(iter(by_file)), f"{pair} has files of different prices: {said}")
        return next(iter(by_file.values()))

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
        for pair in self.pairs:
            self.price_side(pair)
        for name, why in self._folder.left_out.items():
            log.warning("%s is not read: %s", name, why)

    def glance(self) -> int:
        """Refuse at once what `check` would refuse later: reads no more than `GLANCE` bytes in all.

        A refusal is that of the whole files: what the beginning of a file leaves open, its rest may settle.

        Returns:
            The first bar of any pair.

        Raises:
            BadInput: a file is bad.
        """
        wanted = {pair: paths for pair, paths in self._files.items() if pair in self.pairs}
        most = GLANCE // sum(len(paths) for paths in wanted.values())
        first = []
        for pair in wanted:
            try:
                found = self._read_files(pair, most)
            except BadInput:
                found = self._read_files(pair)
            first.append(int(found.bars.ts[0]))
        return min(first)

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
        self._decided[pair] = self._read_files(pair)
        return self._decided[pair].bars

    def _read_files(self, pair: str, most_bytes: int | None = None) -> readers.PairRead:
        return readers.read_files(
            self._files[pair],
            pair,
            timezone=self._request.timezone,
            now=datetime.now(UTC),
            declarations=self._folder.declarations,
            most_bytes=most_bytes,
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
