"""Recorded bars: every file is accepted as it is, and a wrong clock is found out."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from include.errors import BadInput
from include.features.bars import Bars
from include.market import crosses, readers
from include.market.checks import check_triangles
from include.names import to_datetime, to_minute
from include.pairs import PAIRS, usd_legs

DATA = Path(os.environ.get("BQX_REAL_DATA", Path(__file__).parents[4] / "shared/data/fx_m1"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

NO_BARS = (
    f"reads recorded bars, which the project does not carry: let BQX_REAL_DATA name their folder, not {DATA}"
)
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (DATA / "README.md").is_file(), reason=NO_BARS),
]


def documented() -> dict[str, int]:
    """Rows of each file by its path, from the tables of the README beside the data."""
    text = (DATA / "README.md").read_text(encoding="utf-8") if DATA.is_dir() else ""
    main = {
        f"{pair.lower()}.parquet": int(rows)
        for pair, rows in re.findall(r"^\| ([A-Z]{6}) \|.*?\| (\d{6}) \|", text, re.M)
    }
    extra = {name: int(rows) for name, rows in re.findall(r"^\| (extra/\S+) \| (\d+) \|", text, re.M)}
    return main | extra


def read(name: str) -> Bars:
    path = DATA / name
    return readers.read_pair([path], path.stem, timezone=None, now=NOW)


@pytest.fixture(scope="module")
def main_bars() -> dict[str, Bars]:
    found = readers.find_files(DATA, PAIRS)
    return {pair: readers.read_pair(files, pair, timezone=None, now=NOW) for pair, files in found.items()}


def test_the_readme_lists_every_file() -> None:
    files = {str(path.relative_to(DATA)) for path in DATA.rglob("*.parquet")}
    assert set(documented()) == files
    assert len(files) == 26


def test_main_files_are_read_whole(main_bars: dict[str, Bars]) -> None:
    rows = documented()
    assert len(main_bars) == 10
    for pair, bars in main_bars.items():
        assert len(bars) == rows[f"{pair}.parquet"]
        assert np.isnan(bars.volume).all()
        assert np.isnan(bars.spread).all()


@pytest.mark.parametrize("name", sorted(name for name in documented() if name.startswith("extra/")))
def test_extra_files_are_read_whole(name: str) -> None:
    bars = read(name)
    assert len(bars) == documented()[name]
    assert np.isnan(bars.volume).all() == ("volume" not in name)
    assert np.isnan(bars.spread).all() == ("spread" not in name)


def test_negative_spreads_are_kept_as_recorded() -> None:
    assert (read("extra/spread_2012/gbpusd.parquet").spread < 0).sum() == 347
    assert (read("extra/spread_2013/usdjpy.parquet").spread < 0).sum() == 683


def test_pairs_agree_and_so_do_derived_crosses(main_bars: dict[str, Bars]) -> None:
    pairs = dict(main_bars)
    for pair in crosses.missing(main_bars):
        first, second = usd_legs(pair)
        pairs[pair] = crosses.derive(pair, main_bars[first.pair], main_bars[second.pair])
    assert tuple(sorted(pairs)) == PAIRS
    check_triangles(pairs, dict.fromkeys(pairs, "x"))


def test_derived_cross_resembles_the_recorded_one(main_bars: dict[str, Bars]) -> None:
    """EURGBP is recorded and derivable: the closes differ by a fraction of a basis point."""
    got = crosses.derive("eurgbp", main_bars["eurusd"], main_bars["gbpusd"])
    recorded = main_bars["eurgbp"]
    common, at_derived, at_recorded = np.intersect1d(got.ts, recorded.ts, return_indices=True)
    error = np.abs(got.close[at_derived] / recorded.close[at_recorded] - 1.0)
    assert len(common) > 260_000
    assert np.median(error) < 0.5e-4
    spans = (got.high - got.low)[at_derived], (recorded.high - recorded.low)[at_recorded]
    assert np.mean(spans[0]) < np.mean(spans[1]), "a lower bound of the range"


def histdata_clock(minute: int) -> datetime:
    """File clock of HistData as measured: UTC-5, UTC-4 in summer by the dates of 2018 and 2019."""
    moment = to_datetime(minute)
    summer = moment < datetime(2018, 11, 4, tzinfo=UTC) or moment >= datetime(2019, 3, 31, tzinfo=UTC)
    return to_datetime(minute - (240 if summer else 300))


@pytest.fixture(scope="module")
def histdata_file(main_bars: dict[str, Bars], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bars]:
    """USDJPY around the clock changes, written back the way HistData published it."""
    bars = main_bars["usdjpy"]
    near = np.zeros(len(bars), dtype=bool)
    for day in (
        datetime(2018, 11, 4, tzinfo=UTC),
        datetime(2019, 3, 10, tzinfo=UTC),
        datetime(2019, 3, 17, tzinfo=UTC),
        datetime(2019, 3, 31, tzinfo=UTC),
    ):
        near |= np.abs(bars.ts - to_minute(day)) < 4 * 1440
    part = Bars(*(column[near] for column in vars(bars).values()))
    lines = [
        f"{histdata_clock(int(ts)):%Y%m%d %H%M%S};{o:.3f};{h:.3f};{low:.3f};{c:.3f};0"
        for ts, o, h, low, c in zip(part.ts, part.open, part.high, part.low, part.close, strict=True)
    ]
    path = tmp_path_factory.mktemp("histdata") / "DAT_ASCII_USDJPY_M1_2018.csv"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="ascii")
    return path, part


def test_histdata_clock_is_undone_exactly(histdata_file: tuple[Path, Bars]) -> None:
    path, part = histdata_file
    got = readers.read_pair([path], "usdjpy", timezone="histdata", now=NOW)
    np.testing.assert_array_equal(got.ts, part.ts)
    np.testing.assert_array_equal(got.close, part.close)


@pytest.mark.parametrize("clock", ["est-fixed", "new-york", "utc", "Europe/London", "new-york+7"])
def test_wrong_clock_is_found_out_by_its_weekends(clock: str, histdata_file: tuple[Path, Bars]) -> None:
    with pytest.raises(BadInput, match=r"DAT_ASCII_USDJPY_M1_2018\.csv, row .*\[weekend-bars\]"):
        readers.read_pair([histdata_file[0]], "usdjpy", timezone=clock, now=NOW)
