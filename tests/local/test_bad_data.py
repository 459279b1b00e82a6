"""`make run` refuses bad DATA before it starts anything, within two seconds of this machine's time."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.pairs import PAIRS
from local.airflow import ROOT

HEAD = "ts_utc,open,high,low,close\n"
MOST = 2.0  # seconds of processor time: what a quiet machine takes, and a busy one is not blamed for


def nowhere(folder: Path) -> None:
    folder.rmdir()


def empty(folder: Path) -> None:
    """Nothing in it."""


def one_bad_price(folder: Path) -> None:
    (folder / "eurusd.csv").write_text(f"{HEAD}2024-07-01T00:00:00Z,1.1,1.2,1.0,x\n")


def no_time(folder: Path) -> None:
    (folder / "eurusd.csv").write_text("open,high,low,close\n1.1,1.2,1.0,1.1\n")


def no_bars_at_all(folder: Path) -> None:
    (folder / "eurusd.parquet").write_bytes(b"PAR1 and then something else")


def the_last_of_many(folder: Path) -> None:
    start = datetime(2024, 7, 1, tzinfo=UTC)
    rows = "".join(
        f"{start + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},1.1,1.2,1.0,1.1\n" for n in range(20_000)
    )
    for pair in PAIRS:
        (folder / f"{pair}.csv").write_text(HEAD + rows)
    (folder / f"{PAIRS[-1]}.csv").write_text("open,high,low,close\n1.1,1.2,1.0,1.1\n")


@pytest.mark.parametrize(
    "prepare", [nowhere, empty, one_bad_price, no_time, no_bars_at_all, the_last_of_many]
)
def test_bad_data_is_refused_at_once_and_nothing_is_left(
    tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    prepare(data)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "local", "run", f"--state={state}", f"--data={data}"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("Error:")
    assert not state.exists()
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < MOST
