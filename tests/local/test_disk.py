"""Needed disk is told before a run, and a run that would not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import BqxError
from local import disk
from local.disk import BASE, GIBIBYTE
from local.options import Options

WEEK = {"from": "2024-07-01", "to": "2024-07-08", "pairs": "eurusd,usdjpy"}


def options(tmp_path: Path, **given: str | None) -> Options:
    return Options.of({"state": str(tmp_path / "state"), **given})


def test_bars_are_counted_from_the_days(tmp_path: Path) -> None:
    assert disk.bars_of(options(tmp_path, **WEEK)) == 2 * 5 * 1_440


def test_without_days_the_files_tell(tmp_path: Path) -> None:
    bars = tmp_path / "bars"
    bars.mkdir()
    (bars / "eurusd.parquet").write_bytes(b"x" * 11_000)
    (bars / "usdjpy.csv").write_bytes(b"x" * 45_000)
    assert disk.bars_of(options(tmp_path, data=str(bars))) == 2_000


def test_derived_pairs_count_like_those_with_a_file(tmp_path: Path) -> None:
    bars = tmp_path / "bars"
    bars.mkdir()
    for pair in ("eurusd", "usdjpy"):
        (bars / f"{pair}.parquet").write_bytes(b"x" * 11_000)
    assert disk.bars_of(options(tmp_path, data=str(bars), crosses="derive")) == 3_000  # and eurjpy


def test_the_demo_needs_a_few_gibibytes(tmp_path: Path) -> None:
    assert 4 * GIBIBYTE < disk.needed(options(tmp_path)) < 9 * GIBIBYTE


def test_what_is_built_already_counts_as_there(tmp_path: Path) -> None:
    wanted = options(tmp_path)
    before = disk.needed(wanted)
    folder = wanted.state / "postgres"
    folder.mkdir(parents=True)
    with (folder / "table").open("wb") as stream:
        stream.truncate(GIBIBYTE)  # a hole, it takes no disk
    assert disk.needed(wanted) == before - GIBIBYTE
    with (folder / "table").open("wb") as stream:
        stream.truncate(100 * GIBIBYTE)
    dataset = round(disk.bars_of(wanted) * disk.BYTES_PER_ROW)
    assert disk.needed(wanted) == BASE + dataset, "each run writes a data set of its own"


def test_data_sets_of_earlier_runs_make_no_room_for_tables(tmp_path: Path) -> None:
    wanted = options(tmp_path)
    before = disk.needed(wanted)
    folder = wanted.state / "s3"
    folder.mkdir(parents=True)
    with (folder / "object").open("wb") as stream:
        stream.truncate(GIBIBYTE)
    assert disk.needed(wanted) == before


def test_enough_disk_is_one_line(tmp_path: Path) -> None:
    line = disk.check(options(tmp_path, **WEEK), available=50 * GIBIBYTE)
    assert "GiB needed, 50.0 GiB free" in line


def test_too_little_disk_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(BqxError, match=r"1\.0 GiB free.*STATE=.*PAIRS="):
        disk.check(options(tmp_path), available=GIBIBYTE)


def test_free_disk_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    assert disk.free(tmp_path / "not" / "yet" / "there") > 0
