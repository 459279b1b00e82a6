"""The jobs that run: started, stopped, and after a stop of the server run again."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

from local.aws import jobs, refusals
from local.aws.kinds import IN_PROGRESS
from local.aws.logs import LogBook
from local.aws.run import Run, Tools
from local.aws.settings import Settings
from local.aws.storage import Storage
from local.aws.store import Document, Store
from local.processes import Identity, wait_gone

PATIENCE = 5.0  # seconds for the threads to end when the server stops


class Runner:
    """Runs the active jobs of a store.

    Args:
        settings: of the server.
        store: of the jobs.
        storage: S3.
        logs: of the jobs.
        endpoint: address of the server, for the jobs.
    """

    def __init__(
        self, settings: Settings, store: Store, storage: Storage, logs: LogBook, endpoint: str
    ) -> None:
        slots = threading.Semaphore(settings.slots)
        self._tools = Tools(settings, store, storage, logs, endpoint, slots)
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    def add(self, job: Document) -> None:
        """Run a new job.

        Raises:
            ServiceError: its name is taken, or no more instances may be used.
        """
        quota = self._tools.settings.quota
        self._tools.store.add(job, lambda active: refusals.check_quota(job, active, quota))
        self.start(jobs.name_of(job))

    def start(self, name: str) -> None:
        """Run a job of the store."""
        with self._lock:
            self._runs = {name: run for name, run in self._runs.items() if run.is_alive()}
            run = self._runs[name] = Run(name, self._tools)
            run.start()

    def stop(self, name: str) -> None:
        """Let a job end before its time.

        Raises:
            ServiceError: it is not there, or has ended.
        """
        self._tools.store.change(name, jobs.stop)
        with self._lock:
            run = self._runs.get(name)
        if run is not None:
            run.stop.set()

    def recover(self) -> None:
        """Run the jobs again that were running when the server ended, as after a spot interruption."""
        for job in self._tools.store.active():
            _kill(job)
            name = jobs.name_of(job)
            if job["TrainingJobStatus"] == IN_PROGRESS:
                self._tools.store.change(name, lambda job: jobs.enter(job, jobs.INTERRUPTED))
            self.start(name)

    def close(self) -> None:
        """End every process. The jobs stay as they are, for `recover`."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.closing.set()
        for run in runs:
            run.join(PATIENCE)


def _kill(job: Document) -> None:
    """End what a server that was killed has left running."""
    process = Identity(*job.get("process", (0, "")))
    if process.alive:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        wait_gone([process], PATIENCE)
