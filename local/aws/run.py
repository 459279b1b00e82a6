"""One job until its end: a thread that starts its code, watches it and writes down its states."""

from __future__ import annotations

import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.aws import artefacts, channels, jobs
from local.aws.channels import InputError
from local.aws.container import HOST, Container
from local.aws.jobs import INTERRUPTED, TRAINING, UPLOADING
from local.aws.kinds import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING
from local.aws.logs import LogBook
from local.aws.settings import Settings
from local.aws.storage import Place, Storage
from local.aws.store import Document, Store
from local.aws.work import Work
from local.processes import Identity

POLL = 0.05  # seconds between two looks at a process
SYNC = 1.0  # seconds between two deliveries of log and checkpoints
PATIENCE = 20.0  # seconds for which S3 may not answer


@dataclass(frozen=True)
class Tools:
    """What all jobs share.

    Attributes:
        settings: of the server.
        endpoint: address of the server.
        slots: bounds the jobs whose code runs at once.
    """

    settings: Settings
    store: Store
    storage: Storage
    logs: LogBook
    endpoint: str
    slots: threading.Semaphore


class _Ended(Exception):
    """The job ends before its code runs; the argument is the secondary state."""


class _Closing(Exception):
    """The server stops: the job goes on at its next start."""


class Run(threading.Thread):
    """Runs a job of the store.

    Args:
        name: of the job.
        tools: shared.

    Attributes:
        stop: set when somebody asks for StopTrainingJob.
        closing: set when the server stops.
    """

    def __init__(self, name: str, tools: Tools) -> None:
        super().__init__(name=name, daemon=True)
        self._job_name, self._tools = name, tools
        self.stop, self.closing = threading.Event(), threading.Event()
        self._roots = tools.settings.roots / name
        self._work: Work | None = None

    def run(self) -> None:
        """Attempts, until one is not interrupted."""
        try:
            while self._attempt():
                pass
        except _Closing:
            return
        except Exception as error:
            if self.closing.is_set():  # S3 may have ended first
                return
            traceback.print_exc()
            reason = f"InternalServerError: We encountered an internal error. Please try again. ({error!r})"
            self._end(FAILED, FAILED, reason)
        shutil.rmtree(self._roots, ignore_errors=True)

    def _attempt(self) -> bool:
        """One instance for the job; True if it was taken away."""
        job = self._change(_begin)
        container = Container(self._root(job), job)
        self._patiently(lambda: self._rescue(job))
        try:
            with self._slot():
                self._check()
                self._enter(jobs.DOWNLOADING)
                self._patiently(lambda: self._download(container, job))
                started = time.monotonic()
                why, code = self._train(container, job)
                if why == INTERRUPTED:
                    self._change(lambda job: _interrupt(job, started))
                    return True
                self._finish(container, why, code, started)
        except InputError as error:
            self._end(FAILED, FAILED, str(error))
        except _Ended as ended:
            self._end(STOPPED, str(ended))
        return False

    def _patiently(self, work: Callable[[], None]) -> None:
        """Do what needs S3, which may be ending together with this server, or not answer for a while."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return work()
            except BotoCoreError:
                if self.closing.wait(0.2):
                    raise _Closing from None
                if time.monotonic() > deadline:
                    raise

    def _root(self, job: Document, back: int = 0) -> Path:
        """Private root of this attempt, or of one before; another job of the same name has others."""
        self._roots = self._tools.settings.roots / f"{self._job_name}@{job['CreationTime']:.6f}"
        return self._roots / str(job["attempt"] - back)

    def _rescue(self, job: Document) -> None:
        """Take what an attempt that ended with the server has left, then delete it."""
        before = self._root(job, 1)
        if before.exists():
            left = Container(before, job)
            if checkpoints := self._checkpoints(left, job):
                checkpoints.send()
            if job["TrainingJobStatus"] == STOPPING:
                self._upload(left, job, model=True)
            shutil.rmtree(before, ignore_errors=True)
        if job["TrainingJobStatus"] == STOPPING:
            self.stop.set()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        while not self._tools.slots.acquire(timeout=POLL):
            self._check()
        try:
            yield
        finally:
            self._tools.slots.release()

    def _check(self) -> None:
        if self.closing.is_set():
            raise _Closing
        if self.stop.is_set():
            raise _Ended(STOPPED)
        if self._waited_too_long(self._tools.store.get(self._job_name)):
            raise _Ended(jobs.MAX_WAIT)

    def _waited_too_long(self, job: Document) -> bool:
        limit = job["StoppingCondition"].get("MaxWaitTimeInSeconds")
        return limit is not None and time.time() - job["CreationTime"] > limit

    def _download(self, container: Container, job: Document) -> None:
        storage = self._tools.storage
        shutil.rmtree(container.root, ignore_errors=True)
        container.prepare()
        container.unpack(storage)
        for _ in channels.download(job, storage, container.data):
            self._check()
        if checkpoints := self._checkpoints(container, job):
            checkpoints.restore()
        self._check()

    def _checkpoints(self, container: Container, job: Document) -> artefacts.Checkpoints | None:
        folder = container.checkpoints
        if folder is None:
            return None
        return artefacts.Checkpoints(folder, Place.of(job["CheckpointConfig"]["S3Uri"]), self._tools.storage)

    def _train(self, container: Container, job: Document) -> tuple[str, int]:
        """Run the code; returns the secondary state it was ended for, or nothing, and its exit code."""
        work = self._work = self._start(container, job)
        checkpoints = self._checkpoints(container, job)
        try:
            self._change(lambda job: _training(job, work.pid))
            why = self._watch(work, checkpoints, job)
        finally:
            code = work.finish()
            self._note_objective(work, job)
        with suppress(BotoCoreError, ClientError, OSError):
            if checkpoints:
                checkpoints.send()
        return why, code

    def _start(self, container: Container, job: Document) -> Work:
        settings, algorithm = self._tools.settings, job["AlgorithmSpecification"]
        python = settings.python(algorithm["TrainingImage"])
        if python is None:
            raise InputError("ClientError: the server was started again without the image of this job")
        epoch = max(int(time.time()), job.get("stream", 0) + 1)  # two attempts have two streams
        self._change(lambda job: job.update(stream=epoch))
        logs, region, stream = self._tools.logs, str(job["region"]), f"{self._job_name}/{HOST}-{epoch}"
        return Work(
            container,
            python,
            container.environment(self._tools.endpoint, settings.s3, settings.key_id, settings.secret),
            algorithm.get("MetricDefinitions", ()),
            lambda lines: logs.write(region, stream, lines),
        )

    def _watch(self, work: Work, checkpoints: artefacts.Checkpoints | None, job: Document) -> str:
        started = synced = time.monotonic()
        why, patience = "", 0.0
        while work.is_running:
            now = time.monotonic()
            if self.closing.is_set():
                raise _Closing
            if not why and self._is_interrupted():
                return INTERRUPTED
            if not why and (why := self._due(job, now - started)):
                self._change(_stopping)
                work.signal(signal.SIGTERM)
                patience = now + self._tools.settings.grace
            elif why and now > patience:
                work.signal(signal.SIGKILL)
            if now - synced > SYNC:
                synced = now
                work.flush()
                self._note_objective(work, job)
                with suppress(BotoCoreError, ClientError, OSError):  # the next time
                    if checkpoints:
                        checkpoints.send()
            self.closing.wait(POLL)
        return why

    def _note_objective(self, work: Work, job: Document) -> None:
        """Write down what a trial has said of its objective, after what its earlier attempts said."""
        if "objective" in job:
            said = [value for value, _ in work.values[job["objective"]]]
            self._change(lambda now: now.update(history=job["history"] + said))

    def _due(self, job: Document, seconds: float) -> str:
        """Why the code has to end now; empty if it need not."""
        if self.stop.is_set():
            return STOPPED
        if job["trained"] + seconds > job["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400):
            return jobs.MAX_RUNTIME
        return jobs.MAX_WAIT if self._waited_too_long(job) else ""

    def _is_interrupted(self) -> bool:
        try:
            (self._tools.settings.interrupts / self._job_name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _finish(self, container: Container, why: str, code: int, started: float) -> None:
        self._change(lambda job: jobs.enter(job, UPLOADING))
        job = self._tools.store.get(self._job_name)
        failed = code != 0 and not why
        try:
            self._patiently(lambda: self._upload(container, job, model=not failed))
        except (BotoCoreError, ClientError) as error:
            self._end(FAILED, FAILED, f"ClientError: Artifact upload failed: {error}", started)
            return
        if failed:
            self._end(FAILED, FAILED, self._reason(container, code), started)
        elif why:
            self._end(STOPPED, why, "", started)
        else:
            self._end(COMPLETED, COMPLETED, "", started)

    def _upload(self, container: Container, job: Document, *, model: bool) -> None:
        folder = Place.of(job["OutputDataConfig"]["S3OutputPath"]).below(f"{self._job_name}/output")
        packed = container.root / "packed.tar.gz"
        if model:
            if artefacts.pack(container.model, packed):
                self._tools.storage.send(packed, folder.below("model.tar.gz"))
            told = {"S3ModelArtifacts": str(folder.below("model.tar.gz"))}
            self._change(lambda job: job.update(ModelArtifacts=told))
        if artefacts.pack(container.output_data, packed):
            self._tools.storage.send(packed, folder.below("output.tar.gz"))

    def _reason(self, container: Container, code: int) -> str:
        """As the toolkit tells it: the failure file, or the end of the output; its own exit code is 1."""
        command = " ".join(["python3", container.program, *container.arguments])
        said = "\n".join(self._work.tail)[-600:] if self._work else ""
        told = container.failure or (
            f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{said}"\nCommand "{command}"'
        )
        return f"AlgorithmError: {told[: jobs.LONGEST_REASON - 40]}, exit code: 1"

    def _enter(self, secondary: str) -> None:
        self._change(
            lambda job: jobs.enter(job, secondary) if job["TrainingJobStatus"] == IN_PROGRESS else None
        )

    def _end(self, status: str, secondary: str, reason: str = "", started: float | None = None) -> None:
        def end(job: Document) -> None:
            if started is not None:
                _spend(job, started)
            if self._work and self._work.values:
                job["FinalMetricDataList"] = [
                    {"MetricName": name, "Value": value, "Timestamp": moment}
                    for name, values in self._work.values.items()
                    for value, moment in values[-1:]
                ]
            if job["TrainingJobStatus"] == STOPPING and status != STOPPED:
                jobs.end(job, STOPPED, STOPPED)  # asked for in the last moment
            else:
                jobs.end(job, status, secondary, reason)

        self._change(end)

    def _change(self, change: Any) -> Document:
        """Change the job; returns it as it is then."""

        def changed(job: Document) -> Document:
            change(job)
            return job

        return self._tools.store.change(self._job_name, changed)


def _begin(job: Document) -> None:
    job["attempt"] += 1
    if job["attempt"] > 1 and job["TrainingJobStatus"] == IN_PROGRESS:
        jobs.enter(job, jobs.RESTARTING)


def _training(job: Document, pid: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended already
        job["process"] = Identity.of(pid)
    if job["TrainingJobStatus"] == IN_PROGRESS:
        jobs.enter(job, TRAINING)


def _stopping(job: Document) -> None:
    if job["TrainingJobStatus"] == IN_PROGRESS:
        job["TrainingJobStatus"] = STOPPING
        jobs.enter(job, STOPPING)


def _interrupt(job: Document, started: float) -> None:
    _spend(job, started)
    jobs.enter(job, INTERRUPTED)


def _spend(job: Document, started: float) -> None:
    job["trained"] += time.monotonic() - started
