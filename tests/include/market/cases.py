"""What is right for each small file that people really have; the files lie beside the project."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(os.environ.get("BQX_CASES", Path(__file__).parents[4] / "shared/cases")) / "bars"
NO_CASES = (
    f"reads files that the project does not carry: let BQX_CASES name their folder, not {FOLDER.parent}"
)

_SUMMER = datetime(2024, 7, 3, 9, 0, tzinfo=UTC)
_YEARS = datetime(2023, 12, 27, 9, 0, tzinfo=UTC)
SERVER, HISTDATA = "new-york+7", "histdata"


class Case(NamedTuple):
    """One way to load one folder, and what comes of it.

    Attributes:
        id: name of the folder.
        timezone: clock declared for the load.
        pairs: pairs asked for.
        code: why it is refused, empty if it is read.
        rows: bars of each pair.
        first: time of the first bar.
        spread: of the first bar, in price units; None if absent.
        says: what the message or the result holds.
        line: whether the refusal shows a line of ``bars.yaml`` after which the file is read.
    """

    id: str
    timezone: str | None = None
    pairs: tuple[str, ...] = ("eurusd",)
    code: str = ""
    rows: int = 240
    first: datetime = _SUMMER
    spread: float | None = None
    says: str = ""
    line: bool = False


_YEN = ("usdjpy",)
_TWO = ("eurusd", "gbpusd")
_2018 = datetime(2018, 1, 3, 9, 0, tzinfo=UTC)
_FRIDAY = datetime(2024, 7, 5, 16, 0, tzinfo=UTC)
_AUTUMN = datetime(2019, 10, 27, 21, 0, tzinfo=UTC)

CASES = (
    Case("B01", HISTDATA, first=_2018, says="a report of gaps holds no bars"),
    Case("B01b", HISTDATA, first=_2018, rows=480, says="a report of gaps holds no bars"),
    Case("B02", "utc"),
    Case("B02", code="timezone-undeclared"),
    Case("B02b"),
    Case("B02c", "Europe/Kiev"),
    Case("B02d"),
    Case("B03", first=_YEARS, rows=480),
    Case("B03b", first=_YEARS, rows=480),
    Case("B05", SERVER),
    Case("B06", "utc", rows=240),
    Case("B07b", SERVER, spread=0.00008),
    Case("B07c", SERVER, spread=0.00008),
    Case("B08", SERVER, spread=0.00008),
    Case("B08b", SERVER, spread=0.00008),
    Case("B09", code="timezone-doubtful", line=True, first=_FRIDAY, rows=480, spread=0.00008),
    Case("B09", SERVER, code="timezone-doubtful", line=True, first=_FRIDAY, rows=480, spread=0.00008),
    Case("B09", "utc", code="weekend-bars", line=True, first=_FRIDAY, rows=480, spread=0.00008),
    Case("B09b", code="timezone-doubtful", line=True, spread=0.00008),
    Case("B10", SERVER, _TWO, spread=0.00008),
    Case("B10b", SERVER, spread=0.00008),
    Case("B11", "utc", spread=0.00008, says="price units"),
    Case("B11b", "utc", spread=0.00008, says="pips of 0.0001"),
    Case("B12", SERVER, spread=0.0002, says="points of 0.0001"),
    Case("B12c", SERVER),
    Case("B13", SERVER, _TWO, spread=0.00008),
    Case("B14", HISTDATA, code="tick-data", says="Export 1-minute bars (M1)"),
    Case("B16", HISTDATA, first=_2018),
    Case("B20", first=datetime(2024, 10, 25, 18, 0, tzinfo=UTC), rows=420),
    Case("B21b", code="filler-bars", says="60 minutes from 2024-07-03 09:50 UTC on repeat the price 1.07999"),
    Case("B26"),
    Case("B26b", "utc"),
    Case("B27"),
    Case("B27b", "utc"),
    Case("B28b"),
    Case("B45"),
    Case("B47", "Europe/Athens", _YEN),
    Case("B55", SERVER, spread=0.00008),
    Case("B56", SERVER),
    Case("B57", SERVER, spread=0.00006, says="points of 0.00001"),
    Case("B60", HISTDATA, _YEN, first=_AUTUMN, rows=360, says="60 rows stand twice"),
    Case("B61", HISTDATA, _YEN, code="time-duplicate", says="stands in row"),
    *(Case(name) for name in ("P01", "P04", "P05", "P06", "P12", "P16", "P18", "P20", "P24", "P25")),
)
