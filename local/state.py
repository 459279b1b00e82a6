"""The folder that holds everything a run writes: databases, logs, secrets, the simulated market."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from include.errors import BqxError
from local.account import NOBODY
from local.processes import Identity

MARKER = ".bqx-state"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# What would lead a client that sourced `env` away from the stack: another account or endpoint, a proxy.
_STRAIGHT = """\
unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN
unset AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
for bqx_name in $(env | sed -n 's/^\\(AWS_ENDPOINT_URL_[A-Z0-9_]*\\)=.*/\\1/p'); do unset "$bqx_name"; done
export NO_PROXY="127.0.0.1,localhost,${NO_PROXY:-${no_proxy:-}}"
export no_proxy="$NO_PROXY"
"""


class Locked(BqxError):
    """Another command works on this folder right now.

    Attributes:
        holder: that command's process, None if it could not be told.
    """

    def __init__(self, root: Path, holder: Identity | None) -> None:
        self.holder = holder
        who = f" (process {holder.pid})" if holder else ""
        super().__init__(
            f"Another make run{who} is working on {root}. Wait for it, press Ctrl-C there, "
            "or choose another folder: make run STATE=..."
        )


@dataclass(frozen=True)
class State:
    """Layout of a state folder. Nothing outside it is written, no folder above it is changed."""

    root: Path

    @property
    def airflow(self) -> Path:
        """``AIRFLOW_HOME``."""
        return self.root / "airflow"

    @property
    def logs(self) -> Path:
        """One log per component."""
        return self.root / "logs"

    @property
    def market(self) -> Path:
        """Simulated markets."""
        return self.root / "market"

    @property
    def numba(self) -> Path:
        """Compiled kernels."""
        return self.root / "numba"

    @property
    def postgres(self) -> Path:
        """The database server."""
        return self.root / "postgres"

    @property
    def run(self) -> Path:
        """What is running: lock and process list."""
        return self.root / "run"

    @property
    def env(self) -> Path:
        """Shell exports for clients of the stack."""
        return self.root / "env"

    @property
    def exists(self) -> bool:
        """True if `create` made this folder."""
        return (self.root / MARKER).is_file()

    def verify(self) -> None:
        """Refuse a folder that somebody else could have prepared or changed; to be called before it is used.

        What it says is obeyed: which processes to end, which files to write, what to delete.

        Raises:
            BqxError: it, or what stands in it, is a link, belongs to another account, or may be written by
                others.
        """
        if self.root.is_symlink():
            raise BqxError(
                f"{self.root} is a link to {os.path.realpath(self.root)}. Name the folder itself: "
                f"STATE={shlex.quote(os.path.realpath(self.root))}"
            )
        inside = self.run.iterdir() if self.run.is_dir() and not self.run.is_symlink() else ()
        for path in (self.root, *_listed(self.root), *inside):
            if why := _untrusted(path):
                raise BqxError(
                    f"{path} {why}, so {self.root} is not trusted: nothing in it is used or deleted. If all "
                    f"of it is yours: chmod -R go-w {shlex.quote(str(self.root))}. Otherwise choose another "
                    "folder: make run STATE=..."
                )

    def create(self) -> None:
        """Make the folder and its rooms; of no effect if they are there.

        Raises:
            BqxError: the folder belongs to something or somebody else.
        """
        if self.root.is_symlink() or self.exists:
            self.verify()
        elif self.root.exists():
            self._refuse_foreign()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK) or self.root.stat().st_uid != os.geteuid():
                raise PermissionError
            self.root.chmod(0o700)
            (self.root / MARKER).touch(mode=0o644)
            for folder in (self.airflow, self.logs, self.market, self.numba, self.run):
                folder.mkdir(exist_ok=True)
                folder.chmod(folder.stat().st_mode & ~OTHERS_WRITE)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise BqxError(
                f"{self.root} cannot be used: it, or a folder above it, belongs to another account or is no "
                "folder. Choose one of your own: make run STATE=$HOME/bqx"
            ) from error

    def _refuse_foreign(self) -> None:
        try:
            empty = self.root.is_dir() and not any(self.root.iterdir())
        except PermissionError:
            empty = True  # `create` says what is wrong
        if not empty:
            raise BqxError(
                f"{self.root} is not empty and was not made by make run, so nothing is written there. "
                "Choose a new folder: make run STATE=..."
            )

    def delete(self) -> None:
        """Delete the folder with everything in it.

        Raises:
            BqxError: make run did not make it.
        """
        if not os.path.lexists(self.root):
            return
        if not self.exists and not self.root.is_symlink():
            raise BqxError(
                f"{self.root} was not made by make run (it has no {MARKER}), so it is not deleted."
            )
        self.verify()
        shutil.rmtree(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this folder for one command. A lock left by a killed command does not count.

        Raises:
            Locked: another command holds it.
            BqxError: it could have been prepared by somebody else, see `verify`.
        """
        self.verify()
        self.run.mkdir(exist_ok=True)
        with (self.run / "lock").open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Locked(self.root, self.holder()) from error
            with suppress(OSError):  # stop must work on a full disk
                write_private(self.run / "holder.json", json.dumps(Identity.of(os.getpid())))
            yield

    def holder(self) -> Identity | None:
        """The process that took the lock last, if it is still alive."""
        try:
            holder = Identity(*json.loads((self.run / "holder.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return holder if holder.alive else None

    def secret(self, name: str, size: int = 64) -> str:
        """A random secret of so many bytes (a Fernet key has 32), made once per folder."""
        path = self.run / f"{name}.secret"
        if not path.exists():
            write_private(path, base64.urlsafe_b64encode(secrets.token_bytes(size)).decode())
        return path.read_text()

    def write_env(self, exports: Mapping[str, str]) -> None:
        """Write `env`: ``source`` it and every client finds the stack."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
        write_private(self.env, _STRAIGHT + "".join(lines))


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _untrusted(path: Path) -> str:
    """Why what stands at a path may be somebody else's; empty if it is not."""
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        return "is a link"
    ours = {os.geteuid()} | ({NOBODY} if os.geteuid() == 0 and path.name == "postgres" else set())
    if info.st_uid not in ours:
        return f"belongs to another account ({info.st_uid})"
    if info.st_mode & OTHERS_WRITE:
        return "may be written by others"
    return ""


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    unfinished.replace(path)
