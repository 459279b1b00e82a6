"""The command line: messages instead of tracebacks, exit codes a script can use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.airflow import ROOT
from local.state import State
from tests.include.market.good_files import good_bars, histdata_lines, write_lines


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pairs", "eurxyz"], "Error: PAIRS=eurxyz"),
        (["--workers", "0"], "Error: WORKERS=0"),
        (["--from", "2024-07-02", "--to", "2024-07-01"], "is not before TO"),
        (["--from", "1990-01-01"], "GiB needed"),
    ],
)
def test_a_bad_request_is_one_message_and_code_1(options: list[str], message: str, tmp_path: Path) -> None:
    done = call("run", "--state", str(tmp_path / "state"), *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state" / "postgres").exists()


def test_bad_bars_are_refused_before_anything_is_made_or_imported_for_a_stack(tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    write_lines(tmp_path / "bars/eurusd.csv", histdata_lines(good_bars()))
    script = """
import sys
from local.__main__ import main
late = ("local.job", "local.stack", "psycopg", "httpx")
print(main(sys.argv[1:]), [name for name in late if name in sys.modules])
"""
    asked = ["run", "--data", str(tmp_path / "bars"), "--state", str(tmp_path / "state")]
    done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True, cwd=ROOT)
    assert "eurusd.csv" in done.stderr
    assert "[timezone-undeclared]" in done.stderr
    assert done.stdout.splitlines()[-1] == "1 []"
    assert not (tmp_path / "state").exists()


def test_a_state_folder_in_use_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.create()
    with state.locked():
        done = call("run", "--state", str(state.root))
    assert done.returncode == 1
    assert "Another make run (process" in done.stderr


def test_a_foreign_folder_is_not_cleaned(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = call("clean", "--state", str(tmp_path))
    assert done.returncode == 1
    assert "not deleted" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_an_interrupt_is_code_130_wherever_it_hits(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text("""
import os, signal, sys
from local import __main__ as program, job
at_work = "os.kill(os.getpid(), signal.SIGINT); [None for _ in range(1_000)]"
job.run = lambda *_: exec(at_work)  # as the body of a dataclass is, in a module imported late
sys.exit(program.main(["run", "--state", sys.argv[1]]))
""")
    command = [sys.executable, "-m", "interrupted", str(tmp_path / "state")]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    assert subprocess.run(command, cwd=tmp_path, env=environment, timeout=60).returncode == 130


def test_stop_and_status_without_a_stack(tmp_path: Path) -> None:
    stopped, status = (
        call("stop", "--state", str(tmp_path / "none")),
        call("status", "--state", str(tmp_path / "none")),
    )
    assert (stopped.returncode, status.returncode) == (0, 0)
    assert "Nothing to stop" in stopped.stdout
    assert "postgres: not running" in status.stdout
    assert not (tmp_path / "none").exists()


def test_clean_takes_what_was_made(tmp_path: Path) -> None:
    State(tmp_path / "state").create()
    assert call("clean", "--state", str(tmp_path / "state")).returncode == 0
    assert not (tmp_path / "state").exists()
