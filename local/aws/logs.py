"""Output of the jobs: a bounded end on disk, which moto's CloudWatch Logs is given when it is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from local.aws.small import Line, SmallServices

LARGEST = 1 << 20  # bytes of a file; the one before it is kept too
LONGEST = 200_000  # characters of a line; CloudWatch takes 256 KiB
LATEST = 500  # streams that are given to moto when it is loaded
FLUSH = 1.0  # seconds between two deliveries


class LogBook:
    """The logs of all jobs.

    Args:
        folder: where they are, ``region/job/algo-1-epoch.log``; each line ``milliseconds TAB text``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.services = SmallServices(self._replay)

    def write(self, region: str, stream: str, lines: Sequence[Line]) -> None:
        """Add lines to a stream, on disk and where clients read."""
        path = self._folder / region / f"{stream}.log"
        with self.services.lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > LARGEST:
                path.replace(_older(path))
            with path.open("a") as file:
                file.writelines(f"{line.moment}\t{line.text}\n" for line in lines)
            if self.services.is_loaded:
                self.services.put_log(region, stream, lines)

    def _replay(self, services: SmallServices) -> None:
        paths = sorted(self._folder.glob("*/*/*.log"), key=lambda path: path.stat().st_mtime)
        for path in paths[-LATEST:]:
            region, job = path.parts[-3:-1]
            services.put_log(region, f"{job}/{path.stem}", [*_lines(_older(path)), *_lines(path)])


def _older(path: Path) -> Path:
    return path.with_suffix(".log-before")


def _lines(path: Path) -> list[Line]:
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(errors="replace").splitlines():
        moment, _, text = line.partition("\t")
        if moment.isdecimal():  # else the disk was full in the middle of it
            lines.append(Line(int(moment), text))
    return lines


class Output:
    """Reads what a job says, in a thread of its own, until the job ends.

    Args:
        pipe: its stdout and stderr.
        deliver: takes the lines, about every second.
        watch: is told each line.
    """

    def __init__(
        self, pipe: IO[bytes], deliver: Callable[[Sequence[Line]], None], watch: Callable[[str], None]
    ) -> None:
        self._pipe, self._deliver, self._watch = pipe, deliver, watch
        self._waiting: list[Line] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while raw := self._pipe.readline(LONGEST):
                text = raw.decode(errors="replace").rstrip("\r\n").replace("\r", " ")
                if text:  # CloudWatch takes no empty message
                    self._watch(text)
                    with self._lock:
                        self._waiting.append(Line(time.time_ns() // 1_000_000, text))

    def flush(self) -> None:
        """Deliver what has been read."""
        with self._lock:
            lines, self._waiting = self._waiting, []
        if lines:
            self._deliver(lines)

    def finish(self, seconds: float = 5.0) -> None:
        """Wait for the end of the output and deliver the rest."""
        self._thread.join(seconds)
        self.flush()
