"""Whoever does what a refusal says gets his file read: every remedy is followed to its end."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.errors import BadInput
from include.market.file_source import FileSource
from include.market.naming import pairs_in
from include.market.request import LoadRequest
from tests.include.market.bad_files import FILES, BadFile
from tests.include.market.good_files import Lines, good_bars, write_lines

# Letters next to a pair would make another word of it; a slash and a zero byte cannot be in a name.
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), max_size=30).map(
    lambda text: text.encode()[:60].decode(errors="ignore")
)
Remedy = Callable[[Path, BadInput], None]


def _lines(change: Callable[[Lines, int], Lines]) -> Remedy:
    """Edit the lines of the file; the row that the message names is given."""

    def follow(path: Path, refusal: BadInput) -> None:
        write_lines(path, change(path.read_text(encoding="utf-8").splitlines(), refusal.row or 0))

    return follow


def _without(row: int, lines: Lines) -> Lines:
    at = row - (0 if lines[0][0].isalpha() else 1)
    return [*lines[:at], *lines[at + 1 :]]


def _drop_column(path: Path, refusal: BadInput) -> None:
    """Take the last column with the name in the message out of the table."""
    found = re.search(r"column '(\w+)'", str(refusal))
    assert found, refusal
    rows = [line.split(",") for line in path.read_text().splitlines()]
    at = len(rows[0]) - 1 - rows[0][::-1].index(found[1])
    write_lines(path, [",".join(row[:at] + row[at + 1 :]) for row in rows])


def _rename(ending: str) -> Remedy:
    def follow(path: Path, refusal: BadInput) -> None:
        assert ending in str(refusal)
        path.rename(path.with_suffix(ending))

    return follow


def _say_in_bars_yaml(path: Path, refusal: BadInput) -> None:
    found = re.search(r'A line of bars\.yaml for it: (".*": \{.*\})', str(refusal))
    assert found, refusal
    (path.parent / "bars.yaml").write_text(f"{found[1]}\n", encoding="utf-8")


def _write_header(path: Path, refusal: BadInput) -> None:
    found = re.search(r"such as (time,[a-z,]*)\.", str(refusal))
    assert found, refusal
    lines = path.read_text().splitlines()
    names = found[1].split(",")[: lines[0].count(",") + 1]
    write_lines(path, [",".join(names), *lines])


def _as_utf8(path: Path, _: BadInput) -> None:
    path.write_text(path.read_bytes().decode("utf-16"), encoding="utf-8")


def _with_zone(path: Path, refusal: BadInput) -> None:
    table = pq.read_table(path)
    kind = pa.timestamp("us", tz="UTC")
    assert "timestamp[us, UTC]" in str(refusal)
    pq.write_table(table.set_column(0, "ts_utc", table["ts_utc"].cast(kind)), path)


_OLDEST_FIRST = _lines(lambda lines, _: lines[:1] + sorted(lines[1:]))
REMEDIES: dict[str, Remedy] = {
    "archive": _rename(".csv.gz"),
    "wrong-extension": _rename(".csv"),
    "utf16": _as_utf8,
    "header-missing": _write_header,
    "header-repeated": _lines(lambda lines, row: _without(row, lines)),
    "blank-line": _lines(lambda lines, row: _without(row, lines)),
    "column-unknown": _drop_column,
    "column-duplicate": _drop_column,
    "time-naive": _with_zone,
    "time-descending": _OLDEST_FIRST,
    "time-unsorted": _OLDEST_FIRST,
    "time-duplicate": _lines(lambda lines, row: _without(row, lines)),
    "timezone-doubtful": _say_in_bars_yaml,
    "spread-unit-unknown": _say_in_bars_yaml,
    "timezone-contradicted": lambda path, _: (path.parent / "bars.yaml").unlink(),
}
FOLLOWED = {
    ("archive", "gzip"),
    ("wrong-extension", "csv named parquet"),
    ("utf16", "with mark"),
    ("header-missing", "plain"),
    ("header-missing", "Dukascopy"),
    ("header-repeated", "joined files"),
    ("blank-line", "in the middle"),
    ("column-unknown", "CSV"),
    ("column-duplicate", "CSV"),
    ("time-naive", "no zone"),
    ("time-descending", "newest first"),
    ("time-unsorted", "two rows swapped"),
    ("time-duplicate", "other prices"),
    ("timezone-undeclared", "HistData"),
    ("timezone-undeclared", "MetaTrader 4"),
    ("timezone-undeclared", "MetaTrader 5"),
    ("timezone-undeclared", "MetaTrader table"),
    ("timezone-contradicted", "CSV"),
    ("timezone-contradicted", "Parquet"),
    ("timezone-doubtful", "pandas"),
    ("spread-unit-unknown", "points"),
}
# The clock of each of these files; what a person declares when he is asked for it.
CLOCKS = {"HistData": "new-york", "plain": "utc", "Dukascopy": "utc"}


def _load(folder: Path, timezone: str | None) -> FileSource:
    source = FileSource(LoadRequest(str(folder), pairs=("eurusd",), timezone=timezone))
    source.check()
    return source


def _follow(folder: Path, refusal: BadInput, bad: BadFile) -> str | None:
    """Do what the message says; returns the clock if it asks for one."""
    if refusal.code == "timezone-undeclared":
        assert "new-york+7" in str(refusal)
        return CLOCKS.get(bad.what, "new-york+7")
    (path,) = (path for path in folder.iterdir() if path.name != "bars.yaml")
    REMEDIES[refusal.code](path, refusal)
    return None


@pytest.mark.parametrize(
    "bad",
    [bad for bad in FILES if (bad.code, bad.what) in FOLLOWED],
    ids=lambda bad: f"{bad.code}: {bad.what}",
)
def test_a_file_is_read_when_its_refusals_are_followed(bad: BadFile, tmp_path: Path) -> None:
    bad.build(tmp_path / bad.name)
    if bad.declares:
        (tmp_path / "bars.yaml").write_text(bad.declares)
    timezone = bad.timezone
    followed: list[str] = []
    for _ in range(5):
        try:
            source = _load(tmp_path, timezone)
        except BadInput as refusal:
            followed.append(refusal.code)
            timezone = _follow(tmp_path, refusal, bad) or timezone
        else:
            break
    else:
        pytest.fail(f"the remedies of {followed} lead nowhere")
    assert followed[0] == bad.code
    twin, bars = good_bars(), source.everything("eurusd")
    at = np.searchsorted(bars.ts, twin.ts[: len(bars)])
    assert len(bars) >= len(twin) - 1, "a remedy took more than the offending row"
    if bad.code not in ("time-duplicate", "spread-unit-unknown") and bad.timezone is None:
        np.testing.assert_array_equal(bars.ts, twin.ts)
        np.testing.assert_array_equal(bars.close[at], twin.close)


def test_everything_that_can_be_followed_is() -> None:
    assert {(bad.code, bad.what) for bad in FILES} >= FOLLOWED


def test_bars_in_a_weekend_of_a_stated_utc_lead_to_the_clock_of_the_server(tmp_path: Path) -> None:
    bars = good_bars(start=datetime(2024, 7, 5, 17, 0, tzinfo=UTC))  # four hours before the close
    lines = ["time,open,high,low,close"]
    lines += [f"{np.datetime64(int(ts) + 180, 'm')}:00Z,{bars.open[i]:.5f},{bars.high[i]:.5f},"
              f"{bars.low[i]:.5f},{bars.close[i]:.5f}" for i, ts in enumerate(bars.ts)]  # fmt: skip
    write_lines(tmp_path / "eurusd.csv", lines)
    with pytest.raises(BadInput) as refusal:
        _load(tmp_path, None)
    assert refusal.value.code == "weekend-bars"
    _say_in_bars_yaml(tmp_path / "eurusd.csv", refusal.value)
    np.testing.assert_array_equal(_load(tmp_path, None).everything("eurusd").ts, bars.ts)


def test_the_name_in_a_message_may_hold_anything(tmp_path: Path) -> None:
    name = "EURUSD [x] {1}: 'a', \"b\" #ä*.csv"
    (bad,) = (bad for bad in FILES if bad.code == "timezone-doubtful")
    bad.build(tmp_path / name)
    with pytest.raises(BadInput) as refusal:
        _load(tmp_path, None)
    _say_in_bars_yaml(tmp_path / name, refusal.value)
    np.testing.assert_array_equal(_load(tmp_path, None).everything("eurusd").ts, good_bars().ts)


@given(before=NAMES, after=NAMES)
@settings(max_examples=80, deadline=None)
def test_the_line_of_a_refusal_can_be_pasted_whatever_the_name(before: str, after: str) -> None:
    assume(pairs_in(f"x{before} eurusd {after}") == ["eurusd"])
    (bad,) = (bad for bad in FILES if bad.code == "timezone-doubtful")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{before} eurusd {after}.csv"
        bad.build(path)
        with pytest.raises(BadInput) as refusal:
            _load(Path(folder), None)
        assert refusal.value.code == "timezone-doubtful"
        _say_in_bars_yaml(path, refusal.value)
        assert len(_load(Path(folder), None).everything("eurusd")) == len(good_bars())


def test_packed_and_named_so_it_is_read(tmp_path: Path) -> None:
    """What `archive` says: .csv.gz is read under this ending."""
    (bad,) = (bad for bad in FILES if (bad.code, bad.what) == ("archive", "gzip"))
    bad.build(tmp_path / "eurusd.csv")
    assert gzip.decompress((tmp_path / "eurusd.csv").read_bytes()).startswith(b"ts_utc")
    (tmp_path / "eurusd.csv").rename(tmp_path / "eurusd.csv.gz")
    assert len(_load(tmp_path, None).everything("eurusd")) == len(good_bars())
