"""A state folder is made once, belongs to one command at a time, and is the only thing ever deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.errors import BqxError
from local.airflow import ROOT
from local.processes import Identity
from local.state import MARKER, Locked, State

HOLD = """
import sys
from local.state import Path, State
with State(Path(sys.argv[1])).locked():
    print("held", flush=True)
    input()
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    return state


def test_it_is_made_with_missing_parents_and_may_be_made_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    state = State(tmp_path / "a" / "b")
    state.create()
    state.create()
    assert state.exists
    assert state.root.stat().st_mode & 0o777 == 0o700, "nobody else may look into it"
    assert state.logs.is_dir()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    State(tmp_path).create()
    assert (tmp_path / MARKER).exists()


def test_a_folder_with_other_things_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BqxError, match="not empty and was not made by make run"):
        State(tmp_path).create()
    with pytest.raises(BqxError, match="so it is not deleted"):
        State(tmp_path).delete()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BqxError, match="Choose one of your own"):
        State(tmp_path / "file" / "state").create()


def test_a_folder_of_somebody_else_is_refused(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    with pytest.raises(BqxError, match="belongs to another account"):
        state.create()


def test_delete_takes_all_of_it(state: State) -> None:
    (state.market / "bars").write_text("x")
    state.delete()
    assert not state.root.exists()
    state.delete()  # nothing there: nothing to do


def test_two_commands_cannot_hold_it(state: State) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin
    assert holder.stdout
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match=f"process {holder.pid}") as refusal, state.locked():
            pass
        assert refusal.value.holder is not None
        assert refusal.value.holder.pid == holder.pid
        holder.kill()  # a killed holder leaves its lock file behind
    with state.locked():
        assert state.holder() == Identity.of(os.getpid())


@pytest.mark.parametrize("content", ["", "{}", "[1, 2, 3]", "not json"])
def test_a_damaged_holder_file_is_no_holder(state: State, content: str) -> None:
    (state.run / "holder.json").write_text(content)
    assert state.holder() is None


def test_a_holder_whose_number_was_recycled_is_no_holder(state: State) -> None:
    (state.run / "holder.json").write_text(json.dumps([os.getpid(), "another boot:1"]))
    assert state.holder() is None


def test_secrets_are_made_once_and_kept_private(state: State) -> None:
    secret = state.secret("jwt")
    assert state.secret("jwt") == secret != state.secret("api")
    assert (state.run / "jwt.secret").stat().st_mode & 0o777 == 0o600
    Fernet(state.secret("fernet", 32))


def test_env_survives_a_shell(state: State) -> None:
    value = 'postgresql://u:it\'s $HOME "here"@h/db'
    state.write_env({"BQX_DATABASE_URL": value})
    shell = subprocess.run(
        ["sh", "-c", '. "$1"; printf %s "$BQX_DATABASE_URL"', "sh", str(state.env)],
        capture_output=True,
        text=True,
    )
    assert shell.stdout == value
    assert state.env.stat().st_mode & 0o777 == 0o600


STRANGER = 4_711  # a user id that nobody has


def of_a_stranger(state: State) -> None:
    os.chown(state.root, STRANGER, STRANGER)


def open_to_all(state: State) -> None:
    state.root.chmod(0o777)


def with_an_open_room(state: State) -> None:
    state.run.chmod(0o775)


def with_open_orders(state: State) -> None:
    (state.run / "processes.json").write_text("{}")
    (state.run / "processes.json").chmod(0o666)


def with_a_linked_room(state: State) -> None:
    state.run.rmdir()
    state.run.symlink_to(state.root.parent)


def with_linked_orders(state: State) -> None:
    (state.root.parent / "elsewhere").write_text("{}")
    (state.run / "processes.json.new").symlink_to(state.root.parent / "elsewhere")


def with_orders_of_a_stranger(state: State) -> None:
    (state.run / "processes.json").write_text("{}")
    os.chown(state.run / "processes.json", STRANGER, STRANGER)


PREPARED = [of_a_stranger, open_to_all, with_an_open_room, with_open_orders, with_a_linked_room,
            with_linked_orders, with_orders_of_a_stranger]  # fmt: skip


@pytest.mark.parametrize("prepare", PREPARED)
@pytest.mark.parametrize("command", ["stop", "clean", "status", "up"])
def test_a_folder_that_somebody_else_prepared_is_refused_by_every_command(
    state: State, prepare: Callable[[State], None], command: str
) -> None:
    """What it says would be obeyed: here it names a process to kill and a file to write."""
    if prepare in (of_a_stranger, with_orders_of_a_stranger) and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    with subprocess.Popen(["sleep", "60"]) as victim:
        orders = {"components": {"api-server": Identity.of(victim.pid)}, "port": 8080}
        (state.run / "processes.json").write_text(json.dumps(orders))
        if prepare is with_a_linked_room:
            (state.run / "processes.json").unlink()
        prepare(state)
        before = sorted(path.name for path in state.root.parent.rglob("*"))
        done = subprocess.run(
            [sys.executable, "-m", "local", command, f"--state={state.root}"],
            capture_output=True, text=True, cwd=ROOT, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout
        assert "is not trusted" in done.stderr or "belongs to another account" in done.stderr
        assert victim.poll() is None
        assert sorted(path.name for path in state.root.parent.rglob("*")) == before
        victim.kill()


def test_a_link_is_no_state_folder(state: State, tmp_path: Path) -> None:
    """The message names the folder behind it, which is accepted."""
    link = State(tmp_path / "link")
    link.root.symlink_to(state.root)
    for use in (link.create, link.delete, link.verify, lambda: link.locked().__enter__()):
        with pytest.raises(BqxError, match=f"is a link to .*STATE={state.root}"):
            use()
    state.verify()
    link.root.unlink()
    link.root.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BqxError, match="is a link"):
        link.create()
    assert not (tmp_path / "nowhere").exists()


def test_what_is_made_under_a_lenient_umask_is_trusted_later(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        state = State(tmp_path / "state")
        state.create()
        state.secret("jwt")
        state.create()
        state.verify()
    finally:
        os.umask(before)
    state.delete()


def test_a_folder_that_was_lenient_is_accepted_after_the_remedy(state: State) -> None:
    state.logs.chmod(0o775)
    with pytest.raises(BqxError, match="may be written by others") as refused:
        state.verify()
    remedy = str(refused.value).partition("yours: ")[2].partition(". Otherwise")[0]
    subprocess.run(["sh", "-c", remedy], check=True)
    state.verify()
