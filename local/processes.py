"""Processes that are started once, recognised later and ended without ever hitting a stranger.

A process number alone is no identity: the kernel gives it out again. An `Identity` adds the
moment of birth, so that a recorded process which is gone is never mistaken for the unrelated one
that got its number.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from include.errors import BqxError

POLL = 0.05  # seconds between two looks at a process
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a polite kill, a closed terminal


class Identity(NamedTuple):
    """One process, for ever: its number and its moment of birth."""

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Identity of a process that is alive now.

        Raises:
            ProcessLookupError: there is no such process.
        """
        birth = _birth(pid)
        if birth is None:
            raise ProcessLookupError(f"there is no process {pid}")
        return cls(pid, birth)

    @property
    def alive(self) -> bool:
        """True while this very process runs; a zombie waiting for its parent does not count."""
        return _birth(self.pid) == self.birth and not _is_zombie(self.pid)


def _birth(pid: int) -> str | None:
    """Moment of birth, unchanged when the clock is set; None if there is no such process."""
    if pid <= 0:
        return None
    if not sys.platform.startswith("linux"):
        return f"{psutil.Process(pid).create_time():.2f}" if psutil.pid_exists(pid) else None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return f"{boot}:{stat.rpartition(')')[2].split()[19]}"  # field 22 of proc(5): ticks since boot


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def launch(command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path) -> Identity:
    """Start a process that lives on when this one ends: a session of its own, output to a log.

    Args:
        command: program and arguments.
        log: file that what it says is appended to.
        environment: all of its environment.
        folder: its working directory.
    """
    with log.open("a") as stream:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    identity = Identity.of(child.pid)
    child.returncode = 0  # from here on the Identity follows it; Popen would complain that it still runs
    return identity


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold an interrupt back until the block is done; for the main thread.

    A process that was started and not yet recorded would never be found again.
    """
    late: list[int] = []
    before = {number: signal.signal(number, lambda number, _: late.append(number)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if late:
            signal.raise_signal(late[0])


def end(leaders: Sequence[Identity], *, patience: float) -> None:
    """End processes and everything they started.

    The leaders are asked first and may finish what they do, then every member of their sessions is
    asked, then killed.

    Args:
        leaders: processes started by `launch`.
        patience: seconds each of the two polite rounds may take.

    Raises:
        BqxError: something is still there.
    """
    for leader in leaders:
        send(leader, signal.SIGTERM)
    wait_gone(leaders, patience)
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        members = [member for leader in leaders for member in session_members(leader)]
        for member in members:
            send(member, number)
        if not wait_gone(members, seconds):
            return
    raise BqxError(f"Some processes do not end: {', '.join(str(member.pid) for member in members)}.")


def reap(pid: int) -> None:
    """Collect an ended child of this process; of no effect on anything else."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def wait_gone(processes: Iterable[Identity], seconds: float) -> list[Identity]:
    """Wait until all have ended; returns those that have not after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        left = [process for process in processes if process.alive]
        for process in processes:
            reap(process.pid)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(POLL)


def send(process: Identity, number: signal.Signals) -> None:
    """Signal a process if it is still the same one."""
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def session_members(leader: Identity) -> list[Identity]:
    """Every process of the session that `leader` opened, also when it is gone itself.

    Airflow puts each task in a process group of its own, but never leaves the session. A session
    keeps its number from being given out again; if a stranger has it, the session is over.
    """
    if _birth(leader.pid) not in (None, leader.birth):
        return []
    members = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader.pid:
                members.append(Identity.of(pid))
        except (ProcessLookupError, PermissionError):
            continue
    return members


def keep_last(log: Path) -> None:
    """Keep what was said before the start that comes now, beside the log."""
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for error messages; empty if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 64_000))
        text = stream.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
