"""A server that refuses to be root runs as somebody else, without a change to any folder above it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from include.errors import BqxError
from local import account
from local.account import NOBODY, wrapper
from local.postgres import Postgres, binaries

ONLY_ROOT = "becomes another account, as PostgreSQL does not run as root: only root can do that"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason=ONLY_ROOT)
PROGRAM = binaries() / "postgres"


def works(prefix: tuple[str, ...], tmp_path: Path) -> bool:
    folder = tmp_path / "probe"
    folder.mkdir()
    try:
        return wrapper(folder, PROGRAM, (prefix,)) == prefix
    except BqxError:
        return False


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder below one of mode 700."""
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    (parent / "server").mkdir()
    return parent / "server"


def test_a_normal_user_needs_no_wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account.os, "geteuid", lambda: NOBODY)  # whoever runs the tests
    assert wrapper(tmp_path, PROGRAM) == ()


@as_root
def test_root_becomes_somebody_else_and_can_still_write(private: Path) -> None:
    prefix = wrapper(private, PROGRAM)
    user = subprocess.run([*prefix, "id", "-u"], capture_output=True, text=True, check=True)
    assert user.stdout.strip() == str(NOBODY)
    subprocess.run([*prefix, "touch", str(private / "file")], check=True)


@as_root
def test_a_namespace_changes_no_owner(private: Path, tmp_path: Path) -> None:
    if not works(account._NAMESPACE, tmp_path):
        pytest.skip("user namespaces are forbidden here")
    assert wrapper(private, PROGRAM) == account._NAMESPACE
    assert private.stat().st_uid == 0


@as_root
def test_without_namespaces_a_server_starts_below_a_private_folder(private: Path, tmp_path: Path) -> None:
    if not works(account._CAPABLE, tmp_path):
        pytest.skip("this root lacks the capability to pass folders of mode 700")
    prefix = wrapper(private, PROGRAM, (("false",), account._CAPABLE))
    assert prefix == account._CAPABLE
    server = Postgres(private, durable=False)
    server.__dict__["_wrapper"] = prefix
    try:
        server.start()
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
    assert private.stat().st_uid == NOBODY
    assert private.parent.stat().st_uid == 0
    assert private.parent.stat().st_mode & 0o777 == 0o700
    again = Postgres(private, durable=False)  # a later run finds the folder given away
    try:
        again.start()
    finally:
        again.stop()


@as_root
def test_an_account_without_capabilities_may_pass_the_state_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders let nobody pass
        state, server = Path(folder), Path(folder) / "postgres"
        server.mkdir()
        assert state.stat().st_mode & 0o777 == 0o700
        assert wrapper(server, PROGRAM, (account._PLAIN,)) == account._PLAIN
        assert state.stat().st_mode & 0o777 == 0o711, "it can be passed, not listed"


@as_root
def test_where_nothing_works_the_message_says_what_to_do(private: Path) -> None:
    with pytest.raises(BqxError, match="STATE=/var/tmp/bqx"):
        wrapper(private, PROGRAM, (("no-such-program",), ("false",)))
