"""Folders as people have them: several providers, companions, archives, overrides by file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from include.errors import BadInput
from include.features.bars import Bars
from include.market import file_source
from include.market.file_source import FileSource
from include.market.request import LoadRequest
from include.names import to_datetime
from tests.include.market import good_files as good
from tests.include.market.good_files import Lines, good_bars, write_lines

BARS = good_bars()
ZIP, CSV = "HISTDATA_COM_ASCII_EURUSD_M12024.zip", "DAT_ASCII_EURUSD_M1_2024.csv"
REPORT = "DAT_ASCII_EURUSD_M1_2024.txt"


def load(folder: Path, *pairs: str, timezone: str | None = None, side: str = "unknown") -> FileSource:
    source = FileSource(LoadRequest(str(folder), pairs=pairs, timezone=timezone, price_side=side))
    source.check()
    return source


def refused(folder: Path, code: str, *pairs: str, timezone: str | None = None) -> str:
    with pytest.raises(BadInput) as refusal:
        load(folder, *pairs, timezone=timezone)
    assert refusal.value.code == code, refusal.value
    return str(refusal.value)


def assert_twin(found: Bars, twin: Bars = BARS) -> None:
    for name in ("ts", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(found, name), getattr(twin, name), err_msg=name)


# The declared clock is for files that state none


@pytest.mark.parametrize("zone", ["histdata", "new-york"])
def test_histdata_lies_beside_parquet_in_utc(zone: str, tmp_path: Path) -> None:
    write_lines(tmp_path / CSV, good.histdata_lines(BARS))
    good.write_parquet(tmp_path / "gbpusd.parquet", good_bars(level=1.27))
    source = load(tmp_path, "eurusd", "gbpusd", timezone=zone)
    assert_twin(source.everything("eurusd"))
    assert_twin(source.everything("gbpusd"), good_bars(level=1.27))
    clocks = {pair: [told["clock"] for told in read] for pair, read in source.read.items()}
    assert clocks == {"eurusd": [zone], "gbpusd": ["utc as stated"]}
    assert "Declare the clock" in refused(tmp_path, "timezone-undeclared", "eurusd", "gbpusd")


def test_one_pair_of_two_providers_is_joined_where_they_agree(tmp_path: Path) -> None:
    write_lines(tmp_path / CSV, good.histdata_lines(BARS)[:200])
    first = 190
    columns = {name: getattr(BARS, name)[first:] for name in ("ts", "open", "high", "low", "close")}
    absent = np.full(len(BARS) - first, np.nan)
    good.write_parquet(tmp_path / "eurusd.parquet", Bars(**columns, volume=absent, spread=absent))
    source = load(tmp_path, "eurusd", timezone="histdata")
    assert_twin(source.everything("eurusd"))
    assert "10 rows stand in a file before it" in str(source.read)


@pytest.mark.parametrize(
    ("lines", "name", "says"),
    [
        (good.metatrader_table_lines, "EURUSD.csv", "clock: new-york+7"),
        (good.metatrader4_lines, "EURUSD1.csv", "clock: Europe/Athens"),
        (good.dukascopy_node_lines, "eurusd-m1-bid-2024-07-03-2024-07-04.csv", "clock: utc"),
    ],
)
def test_bars_yaml_says_the_clock_of_one_file(
    lines: Callable[[Bars], Lines], name: str, says: str, tmp_path: Path
) -> None:
    write_lines(tmp_path / name, lines(BARS))
    (tmp_path / "bars.yaml").write_text(f'"{name}": {{{says}, price_side: bid}}\n')
    source = load(tmp_path, "eurusd", timezone="Asia/Tokyo")
    assert_twin(source.everything("eurusd"))
    assert source.read["eurusd"][0]["clock"] == f"{says.removeprefix('clock: ')} by bars.yaml, line 1"
    assert source.price_side("eurusd") == "bid"


def test_seconds_are_doubted_if_another_clock_is_declared(tmp_path: Path) -> None:
    """MetaTrader's seconds under another name: read as UTC they would lie three hours off."""
    header, *rows = good.metatrader_table_lines(BARS)
    names = header.replace("tick_volume", "volume").replace(",real_volume", "").replace("time", "timestamp")
    write_lines(tmp_path / "eurusd.csv", [names, *(row.rpartition(",")[0] for row in rows)])
    said = refused(tmp_path, "timezone-doubtful", "eurusd", timezone="new-york+7")
    (tmp_path / "bars.yaml").write_text('"eurusd.csv": {clock: new-york+7}\n')
    assert '"eurusd.csv": {clock: new-york+7}' in said
    assert_twin(load(tmp_path, "eurusd", timezone="new-york+7").everything("eurusd"))


def test_a_stated_utc_can_be_overridden(tmp_path: Path) -> None:
    """A table that calls the clock of its server UTC, under our own name of the column."""
    ahead = Bars(**(vars(BARS) | {"ts": BARS.ts + 180}))
    good.write_parquet(tmp_path / "eurusd.parquet", ahead)
    assert_twin(load(tmp_path, "eurusd").everything("eurusd"), ahead)
    (tmp_path / "bars.yaml").write_text("eurusd.parquet: {clock: new-york+7}\n")
    assert_twin(load(tmp_path, "eurusd").everything("eurusd"))


def test_price_sides_may_differ_between_pairs_and_not_within_one(tmp_path: Path) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", BARS)
    good.write_parquet(tmp_path / "gbpusd.parquet", good_bars(level=1.27))
    (tmp_path / "bars.yaml").write_text("eur*: {price_side: ask}\n")
    source = load(tmp_path, "eurusd", "gbpusd", side="bid")
    assert [source.price_side(pair) for pair in ("eurusd", "gbpusd")] == ["ask", "bid"]
    write_lines(tmp_path / "eurusd_2.csv", good.plain_lines(BARS))
    (tmp_path / "bars.yaml").write_text("eurusd.parquet: {price_side: ask}\n")
    assert "eurusd.parquet ask" in refused(tmp_path, "mixed-files", "eurusd")


def test_a_line_for_no_file_is_refused(tmp_path: Path) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", BARS)
    (tmp_path / "bars.yaml").write_text("eurusd.csv: {clock: utc}\n")
    assert "line 1: no file fits 'eurusd.csv'" in refused(tmp_path, "declaration-wrong", "eurusd")


# Companions, several files, archives


def test_a_year_as_delivered_is_read(tmp_path: Path) -> None:
    """The archive, what was unpacked from it, and the report, all in one folder."""
    lines = good.histdata_lines(BARS)
    good.write_zip(tmp_path / ZIP, {CSV: lines[:120] + lines[60:], REPORT: good.gap_report_lines()})
    write_lines(tmp_path / CSV, lines)
    write_lines(tmp_path / REPORT, good.gap_report_lines())
    source = load(tmp_path, "eurusd", timezone="histdata")
    assert_twin(source.everything("eurusd"))
    assert sorted(source.left_out) == sorted([f"{tmp_path}/{REPORT}", f"{tmp_path}/{ZIP}/{REPORT}"])
    assert "60 rows stand twice" in str(source.read)


@pytest.mark.parametrize(
    "names",
    [
        ("eurusd-m1-bid-2024-01-01-2024-07-03.csv", "eurusd-m1-bid-2024-07-03-2025-01-01.csv"),
        ("EURUSD_M1_202407030000_202407031059.csv", "EURUSD_M1_202407031100_202407032359.csv"),
        ("EURUSD_Candlestick_1_M_BID_01.07.2024-02.07.2024.csv", "EURUSD_Candlestick_1_M_BID_03.07.2024.csv"),
        ("EURUSD_M1_b", "EURUSD_M1_a"),
        ("eurusd.2.csv", "eurusd.10.csv"),
    ],
)
@pytest.mark.parametrize("overlap", [0, 1, 30])
def test_files_of_any_names_come_in_the_order_of_their_rows(
    names: tuple[str, str], overlap: int, tmp_path: Path
) -> None:
    header, *rows = good.plain_lines(BARS)
    write_lines(tmp_path / names[0], [header, *rows[:120]])
    write_lines(tmp_path / names[1], [header, *rows[120 - overlap :]])
    assert_twin(load(tmp_path, "eurusd").everything("eurusd"))
    cells = rows[120 - overlap].split(",")
    cells[2] = "1.0899"
    write_lines(tmp_path / names[1], [header, ",".join(cells), *rows[121 - overlap :]])
    if overlap:
        said = refused(tmp_path, "files-overlap", "eurusd")
        assert "high 1.0899" in said
        assert all(name in said for name in names)


@pytest.mark.parametrize(
    "pack",
    [
        lambda folder, lines: write_gzip(folder / "gbpusd.csv.gz", lines),
        lambda folder, lines: write_gzip(folder / "GBPUSD_M1.txt.gz", lines),
        lambda folder, lines: good.write_zip(folder / "gbpusd.zip", {"bars.csv": lines}),
        lambda folder, lines: good.write_zip(
            folder / "x_GBPUSD.zip", {"deep/a.csv": lines, "read.me": ["x"]}
        ),
        lambda folder, lines: good.write_zip(
            folder / "gbpusd.csv.zip", {"1.csv": lines[:100], "2.csv": lines[:1] + lines[90:]}
        ),
    ],
)
def test_packed_files_are_read(pack: Callable[[Path, Lines], None], tmp_path: Path) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", BARS)
    pack(tmp_path, good.plain_lines(good_bars(level=1.27)))
    assert_twin(load(tmp_path, "eurusd", "gbpusd").everything("gbpusd"), good_bars(level=1.27))


def write_gzip(path: Path, lines: Lines) -> None:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


# Nothing that names a pair is left out in silence


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("GBPUSDT_M1.csv", "names gbpusd inside a longer word: call it gbpusd.csv"),
        ("gbpusd.xlsx", ".xlsx is not unpacked here: save bars as CSV"),
        ("GBPUSD.csv.zst", ".zst is not unpacked here"),
        ("gbpusd.tar.gz", ".gz is not unpacked here"),
        ("GBPUSD.hst", "its ending .hst is none of .parquet, .csv, .txt, .gz, .zip"),
        (".gbpusd.csv", "it is hidden"),
        ("all_pairs.zip", "it names no pair: unpack it, or name it after the pair that it holds"),
    ],
)
def test_a_pair_that_is_asked_for_and_not_read_fails_with_the_reason(
    name: str, why: str, tmp_path: Path
) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", BARS)
    (tmp_path / name).write_bytes(b"x")
    said = refused(tmp_path, "pair-missing", "eurusd", "gbpusd")
    assert "gbpusd was asked for and has no file" in said
    assert f"{name}: " in said
    assert why in said
    assert why in load(tmp_path, "eurusd").left_out[name]


def test_folders_and_pairs_that_nobody_asked_for_are_told(tmp_path: Path) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", BARS)
    good.write_parquet(tmp_path / "usdjpy.parquet", BARS)
    (tmp_path / "gbpusd").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert load(tmp_path, "eurusd").left_out == {
        "gbpusd": "it is a folder, and subfolders are not searched",
        "usdjpy.parquet": "usdjpy was not asked for",
    }
    assert "it is a folder" in refused(tmp_path, "pair-missing", "eurusd", "gbpusd")


@pytest.mark.parametrize("name", ["EURUSDm.csv", "EURUSD.pro_M1.csv", "FX-EURUSDecn.csv", "EUR.USD.csv"])
def test_a_broker_s_name_of_a_pair_is_the_pair(name: str, tmp_path: Path) -> None:
    write_lines(tmp_path / name, good.plain_lines(BARS))
    assert_twin(load(tmp_path, "eurusd").everything("eurusd"))


@pytest.mark.parametrize("symbol", ["EURUSDm", "EUR/USD", "OANDA:EUR_USD", "eurusd.raw"])
def test_a_broker_s_symbol_is_the_pair_too(symbol: str, tmp_path: Path) -> None:
    header, *rows = good.plain_lines(BARS)
    write_lines(tmp_path / "eurusd.csv", [f"{header},symbol", *(f"{row},{symbol}" for row in rows)])
    assert_twin(load(tmp_path, "eurusd").everything("eurusd"))


# A glance before anything is started


@pytest.mark.parametrize("most", [3000, 20_000])
def test_a_glance_reads_beginnings_and_refuses_as_the_load_does(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_source, "GLANCE", 2 * most)
    lines = good.plain_lines(BARS)
    write_lines(tmp_path / "eurusd.csv", lines)
    good.write_parquet(tmp_path / "gbpusd.parquet", good_bars(level=1.27))
    request = LoadRequest(str(tmp_path), pairs=("eurusd", "gbpusd"))
    FileSource(request).glance()
    write_lines(tmp_path / "eurusd.csv", [lines[0], lines[1].replace(":00,", ":30,"), *lines[2:]])
    with pytest.raises(BadInput) as glance:
        FileSource(request).glance()
    assert str(glance.value) == refused(tmp_path, "off-minute", "eurusd", "gbpusd")
    write_lines(tmp_path / "eurusd.csv", [*lines[:-1], lines[-1].replace(":00,", ":30,")])
    if most == 3000:
        FileSource(request).glance()  # the last row is not looked at
    refused(tmp_path, "off-minute", "eurusd", "gbpusd")


def test_what_the_beginning_leaves_open_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days up to the 12th cannot be told from months; the rest of the file settles it."""
    bars = good_bars(rows=1200, start=datetime(2024, 6, 12, 18, 0, tzinfo=UTC))
    rows = [
        f"{to_datetime(int(ts)):%d/%m/%Y %H:%M},{bars.open[i]:.5f},{bars.high[i]:.5f},{bars.low[i]:.5f},"
        f"{bars.close[i]:.5f}"
        for i, ts in enumerate(bars.ts)
    ]
    write_lines(tmp_path / "eurusd.csv", ["time,open,high,low,close", *rows])
    monkeypatch.setattr(file_source, "GLANCE", 4000)
    source = FileSource(LoadRequest(str(tmp_path), timezone="utc"))
    source.glance()
    assert_twin(source.everything("eurusd"), bars)
    write_lines(tmp_path / "eurusd.csv", ["time,open,high,low,close", *rows[:60]])
    assert "'12/06/2024 18:00' may name the day first or the month" in refused(
        tmp_path, "bad-time", "eurusd", timezone="utc"
    )
