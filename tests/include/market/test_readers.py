"""Good files are read exactly; every kind of bad file is refused with file, row and remedy."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import BadInput, BadParameter
from include.features.bars import Bars
from include.market import files, problems, readers
from include.market.declared import Declarations
from tests.include.market import good_files as good
from tests.include.market.bad_files import FILES, PARQUET, BadFile
from tests.include.market.good_files import NOW, Lines, good_bars, write_lines

PRICES = ("open", "high", "low", "close")
ELSEWHERE = {  # codes of several files together, tested below and in test_checks.py
    "no-folder",
    "no-files",
    "not-readable",
    "ambiguous-name",
    "declaration-wrong",
    "mixed-files",
    "pair-missing",
    "years-not-consecutive",
    "files-overlap",
    "triangle-broken",
}


def read(path: Path, pair: str = "eurusd", timezone: str | None = None, declares: str = "") -> Bars:
    declarations = Declarations.read(declares.encode(), "bars.yaml")
    return readers.read_pair([path], pair, timezone=timezone, now=NOW, declarations=declarations)


def assert_same(got: Bars, expected: Bars, *extra: str) -> None:
    for name in ("ts", *PRICES, *extra):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: f"{bad.code}: {bad.what}")
def test_bad_file_is_refused_with_file_row_and_remedy(bad: BadFile, tmp_path: Path) -> None:
    path = tmp_path / bad.name
    bad.build(path)
    with pytest.raises(BadInput) as caught:
        read(path, bad.pair, bad.timezone, bad.declares)
    error = caught.value
    assert error.code == bad.code, error
    assert error.row == bad.row, error
    assert error.file.startswith(str(path))
    message = str(error)
    assert message.startswith(str(path))
    assert problems.PROBLEMS[bad.code].remedy in message
    if bad.row is not None:
        assert f"row {bad.row:,}" in message


def test_every_code_has_a_bad_file() -> None:
    tested = {bad.code for bad in FILES}
    assert tested | ELSEWHERE == set(problems.PROBLEMS)
    assert not tested & ELSEWHERE
    assert len(tested) >= 60


@pytest.mark.parametrize(
    ("lines", "timezone", "columns"),
    [
        (good.plain_lines, None, ("volume", "spread")),
        (good.plain_lines, "utc", ("volume", "spread")),
        (good.histdata_lines, "histdata", ()),
        (good.histdata_lines, "new-york", ()),
        (good.metatrader4_lines, "Europe/Athens", ("volume",)),
        (good.metatrader4_lines, "new-york+7", ("volume",)),
        (good.metatrader5_lines, "Europe/Athens", ("volume", "spread")),
        (good.metatrader_table_lines, "new-york+7", ("volume", "spread")),
        (good.dukascopy_lines, None, ()),
        (good.dukascopy_local_lines, None, ("volume",)),
        (good.dukascopy_node_lines, None, ("volume",)),
    ],
)
def test_good_text_of_every_format_is_read_exactly(
    lines: Callable[[Bars], Lines], timezone: str | None, columns: tuple[str, ...], tmp_path: Path
) -> None:
    bars = good_bars()
    write_lines(tmp_path / "EURUSD.csv", lines(bars))
    got = read(tmp_path / "EURUSD.csv", timezone=timezone)
    assert_same(got, bars, *(name for name in columns if name != "spread"))
    if "spread" in columns:
        np.testing.assert_allclose(got.spread, bars.spread, rtol=1e-12)
    for absent in (
        {"volume", "spread"} - set(columns) - ({"volume"} if lines is good.dukascopy_lines else set())
    ):
        assert np.isnan(getattr(got, absent)).all()


def test_dukascopy_volume_is_an_amount_and_may_be_a_fraction(tmp_path: Path) -> None:
    write_lines(tmp_path / "eurusd.csv", good.dukascopy_lines(good_bars()))
    np.testing.assert_array_equal(read(tmp_path / "eurusd.csv").volume, good_bars().volume + 0.25)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table,
        lambda table: table.drop_columns(["volume", "spread"]),
        lambda table: table.set_column(5, "volume", pa.nulls(len(table))),
        lambda table: table.set_column(5, "volume", table["volume"].cast(pa.int64())),
        lambda table: table.set_column(0, "ts_utc", table["ts_utc"].cast(pa.timestamp("s", tz="UTC"))),
        lambda table: table.set_column(
            0, "ts_utc", table["ts_utc"].cast(pa.timestamp("ns", tz="Asia/Tokyo"))
        ),
        lambda table: table.append_column("symbol", pa.array(["EUR/USD"] * len(table))),
        lambda table: table.select(["close", "open", "ts_utc", "low", "high"]),
    ],
    ids=[
        "ours",
        "no volume",
        "null volume",
        "whole volume",
        "seconds",
        "instants of Tokyo",
        "symbol",
        "reordered",
    ],
)
def test_good_parquet_is_read_exactly(change: Callable[[pa.Table], pa.Table], tmp_path: Path) -> None:
    path = tmp_path / PARQUET
    pq.write_table(change(good.table_of(good_bars())), path)
    assert_same(read(path), good_bars())


def _server(table: pa.Table, kind: pa.DataType) -> pa.Table:
    """On a clock three hours ahead, as MetaTrader's Python package gives it."""
    ahead = pa.array(table["ts_utc"].cast(pa.int64()).to_numpy() // 1_000_000 + 3 * 3600, pa.int64())
    time = ahead if kind == pa.int64() else ahead.cast(pa.timestamp("s")).cast(kind)
    points = pa.array(np.round(table["spread"].to_numpy() * 1e5).astype(np.int32))
    names = ("open", "high", "low", "close")
    more = {"tick_volume": table["volume"].cast(pa.uint64()), "spread": points, "real_volume": points}
    return pa.table({"time": time} | {name: table[name] for name in names} | more)


@pytest.mark.parametrize(
    ("change", "timezone"),
    [
        (lambda table: table.rename_columns(["timestamp", *table.column_names[1:]]), None),
        (lambda table: table.rename_columns(["__index_level_0__", *table.column_names[1:]]), None),
        (lambda table: table.rename_columns([name.title() for name in table.column_names]), None),
        (lambda table: table.set_column(0, "time", table["ts_utc"].cast(pa.timestamp("us"))), "utc"),
        (lambda table: table.set_column(0, "date", table["ts_utc"].cast(pa.string())), None),
        (lambda table: table.set_column(0, "timestamp", table["ts_utc"].cast(pa.int64())), None),
        (lambda table: _server(table, pa.int64()), "new-york+7"),
        (lambda table: _server(table, pa.timestamp("ns")), "Europe/Athens"),
    ],
    ids=["timestamp", "index", "capitals", "declared", "text", "microseconds", "seconds", "server's clock"],
)
def test_parquet_of_pandas_is_read_exactly(
    change: Callable[[pa.Table], pa.Table], timezone: str | None, tmp_path: Path
) -> None:
    pq.write_table(change(good.table_of(good_bars())), tmp_path / PARQUET)
    got = read(tmp_path / PARQUET, timezone=timezone)
    assert_same(got, good_bars(), "volume")
    np.testing.assert_allclose(got.spread, good_bars().spread, rtol=1e-12)


def test_parquet_in_which_pandas_calls_the_server_utc_is_doubted(tmp_path: Path) -> None:
    pq.write_table(_server(good.table_of(good_bars()), pa.timestamp("ns", tz="UTC")), tmp_path / PARQUET)
    with pytest.raises(BadInput, match=r'"eurusd\.parquet": \{clock: new-york\+7\} \[timezone-doubtful\]'):
        read(tmp_path / PARQUET)
    assert_same(read(tmp_path / PARQUET, declares="eurusd.parquet: {clock: new-york+7}"), good_bars())


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text + b"\n\n",
        lambda text: text.rstrip(b"\n"),
        lambda text: text.replace(b",", b";"),
        lambda text: text.replace(b",", b" , "),
        lambda text: text.replace(b":00,", b":00+00:00,"),
        lambda text: text.replace(b":00,", b":00.000Z,"),
        lambda text: text.replace(b"ts_utc,open", b"TS_UTC,Open"),
    ],
    ids=[
        "mark",
        "Windows",
        "old Mac",
        "empty end",
        "no end",
        "semicolons",
        "blanks",
        "+00:00",
        "Z",
        "capitals",
    ],
)
def test_harmless_differences_are_accepted(edit: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "eurusd.csv"
    path.write_bytes(edit(("\n".join(good.plain_lines(good_bars())) + "\n").encode()))
    assert_same(read(path), good_bars(), "volume")


def test_rows_that_are_equal_in_every_value_count_once(tmp_path: Path) -> None:
    """HistData repeats the hour of the autumn clock change: it goes back in time and forward again."""
    lines = good.histdata_lines(good_bars())
    write_lines(tmp_path / "eurusd.csv", lines[:120] + lines[60:120] + lines[120:])
    found = readers.read_files([tmp_path / "eurusd.csv"], "eurusd", timezone="histdata", now=NOW)
    assert_same(found.bars, good_bars())
    (told,) = found.read
    assert told["repeated"].startswith(
        "60 rows stand twice with the same values and count once, from 2024-07-03 10:00"
    )
    lines[130] = lines[130].replace(";0", ";7")
    write_lines(tmp_path / "eurusd.csv", lines[:131] + good.histdata_lines(good_bars())[130:])
    with pytest.raises(
        BadInput, match=r"row 132: .* stands in row 131 .*volume 7 and .*volume 0.*\[time-duplicate\]"
    ):
        read(tmp_path / "eurusd.csv", timezone="histdata")


def test_negative_spread_and_empty_cells_are_kept(tmp_path: Path) -> None:
    lines = good.plain_lines(good_bars())
    lines[3] = ",".join([*lines[3].split(",")[:5], "", "-0.00002"])
    write_lines(tmp_path / "eurusd.csv", lines)
    got = read(tmp_path / "eurusd.csv")
    assert got.spread[2] == -0.00002
    assert np.isnan(got.volume[2])
    assert not np.isnan(np.delete(got.volume, 2)).any()


def test_number_of_offending_rows_is_told(tmp_path: Path) -> None:
    lines = good.plain_lines(good_bars())
    for row in (10, 20, 30):
        lines[row] = lines[row].replace(lines[row].split(",")[1], "0")
    write_lines(tmp_path / "eurusd.csv", lines)
    with pytest.raises(BadInput, match=r"row 10: .*\(3 rows in all\)"):
        read(tmp_path / "eurusd.csv")


def test_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, whom no permission stops: the refusal of the system is played."""

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "eurusd.csv"
    write_lines(path, good.plain_lines(good_bars()))
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput, match="Permission denied") as caught:
        read(path)
    assert caught.value.code == "not-readable"


def test_unknown_pair_is_a_wrong_parameter(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="usdeur"):
        read(tmp_path / "x.csv", pair="usdeur")


@pytest.mark.parametrize("lines", [good.plain_lines, good.histdata_lines, good.metatrader5_lines, None])
def test_damage_anywhere_is_refused_or_harmless_never_a_crash(
    lines: Callable[[Bars], Lines] | None, tmp_path: Path
) -> None:
    """Bytes overwritten, lost or inserted at random: bars come out, or BadInput, nothing else."""
    random = np.random.default_rng(5)
    path = tmp_path / (PARQUET if lines is None else "eurusd.csv")
    if lines is None:
        good.write_parquet(path, good_bars())
        content = path.read_bytes()
    else:
        content = "\n".join(lines(good_bars())).encode()
    refused = 0
    for _ in range(150):
        at, length = int(random.integers(len(content))), int(random.integers(1, 9))
        noise = random.bytes(length)
        kind = random.integers(3)
        rest = content[at + length :] if kind == 0 else content[at:] if kind == 1 else b""
        path.write_bytes(content[:at] + (noise if kind < 2 else b"") + rest)
        try:
            assert len(read(path, timezone="histdata" if lines is good.histdata_lines else None)) > 0
        except BadInput:
            refused += 1
    assert refused > 100


# One file per pair, or one per year


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("x")


def test_files_are_found_by_the_names_of_their_providers(tmp_path: Path) -> None:
    names = {
        "eurusd": "eurusd.parquet",
        "gbpusd": "DAT_ASCII_GBPUSD_M1_2018.csv",
        "usdjpy": "USDJPY1.csv",
        "audusd": "AUDUSD_M1_202101250000_202102262159.csv",
        "usdcad": "USDCAD_Candlestick_1_M_BID_01.01.2018-31.12.2018.csv",
        "usdchf": "usd-chf.TXT",
    }
    touch(tmp_path, *names.values(), "README.md", "market.json", ".eurusd.csv", "notes.csv")
    (tmp_path / "extra").mkdir()
    touch(tmp_path / "extra", "eurjpy.parquet")
    found = readers.find_files(tmp_path, tuple(names))
    assert found == {pair: [tmp_path / name] for pair, name in names.items()}
    assert list(readers.find_files(tmp_path, ["usdchf", "eurjpy"])) == ["usdchf"]


def test_years_and_months_are_put_in_order(tmp_path: Path) -> None:
    names = [f"DAT_ASCII_EURUSD_M1_{period}.csv" for period in ("2018", "2019", "202001", "202002")]
    touch(tmp_path, *reversed(names))
    assert readers.find_files(tmp_path, ["eurusd"]) == {"eurusd": [tmp_path / name for name in names]}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ((), "no-files"),
        (("notes.csv",), "no-files"),
        (("gbpusd.csv",), "no-files"),
        (("eurusd.xlsx", "EURUSDT.csv", "bars.zip"), "no-files"),
        (("eurusd_gbpusd.csv",), "ambiguous-name"),
        (("eurusd-m1-bid-2023.csv", "eurusd-m1-ask-2024.csv"), "mixed-files"),
        (("DAT_ASCII_EURUSD_M1_2017.csv", "DAT_ASCII_EURUSD_M1_2019.csv"), "years-not-consecutive"),
    ],
)
def test_folders_that_cannot_be_understood_are_refused(
    names: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(BadInput, match=rf"\[{code}\]"):
        readers.find_files(tmp_path, ["eurusd"])


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere.*\[no-folder\]"):
        readers.find_files(tmp_path / "nowhere", ["eurusd"])


@pytest.mark.parametrize("cut", [120, 100, 0])
def test_years_are_joined_if_they_agree_where_they_overlap(cut: int, tmp_path: Path) -> None:
    lines = good.histdata_lines(good_bars())
    paths = [tmp_path / f"DAT_ASCII_EURUSD_M1_{year}.csv" for year in (2023, 2024)]
    write_lines(paths[0], lines[:120])
    write_lines(paths[1], lines[cut:])
    found = readers.read_files(paths[::-1], "eurusd", timezone="histdata", now=NOW)
    assert_same(found.bars, good_bars())
    shared = [told["shared"] for told in found.read if "shared" in told]
    assert shared == (
        [f"{120 - cut} rows stand in a file before it as well and count once"] if cut < 120 else []
    )


def test_years_that_contradict_each_other_are_refused_with_both_rows(tmp_path: Path) -> None:
    lines = good.histdata_lines(good_bars())
    paths = [tmp_path / f"DAT_ASCII_EURUSD_M1_{year}.csv" for year in (2023, 2024)]
    write_lines(paths[0], lines[:120])
    cells = lines[110].split(";")
    write_lines(paths[1], [*lines[100:110], ";".join([*cells[:2], "1.09", *cells[3:]]), *lines[111:]])
    with pytest.raises(BadInput) as refusal:
        readers.read_pair(paths, "eurusd", timezone="histdata", now=NOW)
    assert (refusal.value.code, refusal.value.row) == ("files-overlap", 11)
    told = f"2024-07-03 10:50 UTC differs, {paths[0].name}, row 111: open {float(cells[1]):.10g} high"
    assert told in str(refusal.value)
    assert f"{paths[1].name}, row 11: open {float(cells[1]):.10g} high 1.09" in str(refusal.value)


def test_gzip_by_another_name_is_an_archive(tmp_path: Path) -> None:
    path = tmp_path / PARQUET
    path.write_bytes(gzip.compress(b"bars"))
    with pytest.raises(BadInput, match=r"\[archive\]"):
        files.read_bytes(path)
