"""Tuning jobs that run: each launches its trials, stops bad ones, and goes on after a stop of the server."""

from __future__ import annotations

import threading
import traceback
from contextlib import suppress

from local.aws import tuning
from local.aws.errors import ServiceError
from local.aws.jobs import name_of
from local.aws.kinds import IN_PROGRESS, STOPPING, TRAINING_JOB, TUNING_JOB
from local.aws.runner import Runner
from local.aws.store import Document, Store

POLL = 0.1  # seconds between two looks at the trials
PATIENCE = 5.0  # seconds for the threads to end when the server stops


class Tuner:
    """Runs the active tuning jobs of a store.

    Args:
        store: of the tuning jobs.
        trainings: store of the training jobs.
        runner: of the training jobs.
    """

    def __init__(self, store: Store, trainings: Store, runner: Runner) -> None:
        self._store, self._trainings, self._runner = store, trainings, runner
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, name: str) -> None:
        """Run a tuning job of the store."""
        thread = threading.Thread(target=self._run, args=(name,), name=name, daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def recover(self) -> None:
        """Go on with the tuning jobs that were running when the server ended."""
        for job in self._store.active():
            self.start(TUNING_JOB.name(job))

    def close(self) -> None:
        """Launch nothing any more. The tuning jobs stay as they are, for `recover`."""
        self._closing.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _run(self, name: str) -> None:
        try:
            while TUNING_JOB.is_active(job := self._store.get(name)):
                self._step(job, self._trainings.some(tuning.trial_names(job)))
                if self._closing.wait(POLL):
                    return
        except Exception as error:
            traceback.print_exc()
            reason = f"InternalServerError: We encountered an internal error. Please try again. ({error!r})"
            self._store.change(name, lambda job: tuning.end(job, reason))

    def _step(self, job: Document, trials: list[Document]) -> None:
        over = TUNING_JOB.status(job) == STOPPING or "FailureReason" in job
        if not over and (reason := tuning.problem(job, trials)):
            self._store.change(TUNING_JOB.name(job), lambda job: job.update(FailureReason=reason))
            return
        active = [trial for trial in trials if TRAINING_JOB.is_active(trial)]
        self._stop([trial for trial in active if over or tuning.is_bad(job, trial, trials)])
        if over or job["launched"] == tuning.most(job):
            if not active:
                self._store.change(TUNING_JOB.name(job), tuning.end)
        elif len(active) < tuning.parallel(job):
            self._launch(job, job["launched"] + 1)

    def _launch(self, job: Document, number: int) -> None:
        """Start a trial, unless a server that ended before it noted so has done it."""
        try:
            self._runner.add(tuning.trial(job, number))
        except ServiceError as error:
            if error.code == "ResourceLimitExceeded":
                return  # others use the instances; it is tried again
            if error.code != "ResourceInUse":
                raise
        self._store.change(TUNING_JOB.name(job), lambda job: job.update(launched=number))

    def _stop(self, trials: list[Document]) -> None:
        for trial in trials:
            if TRAINING_JOB.status(trial) == IN_PROGRESS:
                with suppress(ServiceError):  # it has ended meanwhile
                    self._runner.stop(name_of(trial))
