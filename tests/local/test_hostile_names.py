"""Paths and values that a person gives are data: to make, shells, argparse, rich, Airflow and PostgreSQL."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from include.errors import BadParameter, BqxError
from local.airflow import ROOT
from local.options import Options
from local.postgres import Postgres
from local.state import State

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="/\x7f"), min_size=1,
                max_size=30).filter(lambda name: name.strip() == name and name.isprintable())  # fmt: skip
HOSTILE = ("it's", 'say "x"', "$HOME", "$(touch x)", "%(home)s", "100%", "[/y]", "[bold]b", "-x", "--state=y",
           "a;b&c|d", "`touch x`", "$(shell touch x)", "a\\", "#a", "~a", "*", "é ü", "a,b")  # fmt: skip

PRINT_ARGUMENTS = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile with a Python that only says what it was called with."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "Makefile").write_text((ROOT / "Makefile").read_text())
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{PRINT_ARGUMENTS}' \"$@\"\n")
    python.chmod(0o755)
    for name in ("requirements-local.txt", ".venv/.runtime"):
        (folder / name).touch()
    return folder


def made(workshop: Path, target: str, *given: str) -> list[str]:
    """The arguments that Python gets."""
    before = sorted(workshop.iterdir())
    done = subprocess.run(["make", "-s", target, *given], cwd=workshop, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(workshop.iterdir()) == before, "something was carried out"
    return [one for one in json.loads(done.stdout) if one not in ("-m", "local", "local.predict", target)]


@pytest.mark.parametrize("target", ["run", "up", "stop", "status", "clean", "predict"])
@pytest.mark.parametrize("name", HOSTILE)
def test_make_and_the_shell_hand_over_what_was_given(workshop: Path, target: str, name: str) -> None:
    wanted = {"STATE": f"--state={name}"} | ({"DATA": f"--data={name}"} if target == "run" else {})
    assert made(workshop, target, f"STATE={name}", f"DATA={name}") == list(wanted.values())


@settings(max_examples=40, deadline=None)
@given(NAMES)
@example("$(shell touch x)")
def test_any_name_passes_make(workshop: Path, name: str) -> None:
    assert made(workshop, "run", f"STATE=s/{name}", f"DATA={name}/d") == [
        f"--state=s/{name}",
        f"--data={name}/d",
    ]


def test_what_is_not_given_is_not_handed_over(workshop: Path) -> None:
    assert made(workshop, "run") == ["--state=.local"]
    assert made(workshop, "run", "PAIRS=eurusd gbpusd", "LEGACY=demo") == [
        "--state=.local", "--pairs=eurusd gbpusd", "--legacy=demo",
    ]  # fmt: skip


@given(NAMES)
@example("[/y]")
@example("$HOME")
def test_any_state_is_that_folder_or_refused(name: str) -> None:
    given = {"state": f"/nowhere/{name}"}
    if "$" in name or "%" in name:
        with pytest.raises(BadParameter, match="reads as more than a name and cannot be told not to"):
            Options.of(given)
    else:
        state = Options.of(given).state
        assert str(state) == os.path.expandvars(str(state)) == str(Path(f"/nowhere/{name}"))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_printed_as_they_are_and_commands_can_be_pasted(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    data.mkdir(parents=True)
    (data / "eurusd.csv").touch()
    console = Console(file=io.StringIO(), width=500)
    console.print(Options.of({"data": str(data)}).headline)
    assert f"Bars: {data}, crosses" in console.file.getvalue()
    done = subprocess.run(
        [sys.executable, "-m", "local", "stop", f"--state={data / 'none'}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"Nothing to stop: there is no stack in {data / 'none'}.\n")
    refused = subprocess.run(
        [sys.executable, "-m", "local", "up", f"--state={data}"], cwd=ROOT, capture_output=True, text=True
    )
    assert f"Error: {data} is not empty" in refused.stderr
    assert [path.name for path in data.iterdir()] == ["eurusd.csv"], "nothing may be written there"


def test_the_remedy_for_a_link_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "it's [/y] here").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "it's [/y] here")
    with pytest.raises(BqxError) as refused:
        State(tmp_path / "link").create()
    word = str(refused.value).rpartition("Name the folder itself: ")[2]
    assert shlex.split(word) == [f"STATE={tmp_path / 'it'}'s [/y] here"]


def test_a_server_works_in_a_folder_of_any_name(tmp_path: Path) -> None:
    server = Postgres(tmp_path / 'it\'s -x "[/y]" é;b' / "postgres", durable=False)
    server.folder.parent.mkdir(parents=True)
    server.start()
    try:
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
