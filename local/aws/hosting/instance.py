"""One instance of an endpoint: its process, the models that are on its disk and in its memory."""

from __future__ import annotations

import hashlib
import http.client
import json
import queue
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from local.aws.container import bare, unpack
from local.aws.errors import ServiceError
from local.aws.hosting import host
from local.aws.settings import HOST
from local.aws.storage import Place, Storage

INVOCATION = 60.0  # seconds in which a model has to answer
ROOM = 5.0  # seconds to wait for a model that is busy, to unload it
FULL, LOADED_ALREADY = 507, 409


class Gone(Exception):
    """The instance does not answer any more; nothing was answered."""


class Reply(NamedTuple):
    """What a container answered.

    Attributes:
        status, body, kind: of HTTP; the kind is the content type.
    """

    status: int
    body: bytes
    kind: str


class Invocation(NamedTuple):
    """An answer, and what it took.

    Attributes:
        reply: of the container.
        times: by metric, in microseconds: ``ModelLatency``, and what loading took if the model was not there.
        hit: the model was loaded already.
    """

    reply: Reply
    times: dict[str, float]
    hit: bool


@dataclass
class _Model:
    """A model that somebody has asked for.

    Attributes:
        name: in the container.
        lock: held while it is loaded or unloaded.
        users: requests that need it now.
        is_loaded: in memory.
    """

    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    is_loaded: bool = False


class Instance:
    """An instance: it is started, asked and stopped. Threads may use it at once.

    Args:
        root: its private folder, made anew.
        container: ContainerDefinition of the model.
        python: interpreter that stands for the image.
        region: of AWS.
        storage: S3.
        memory: bytes for models.
        log: file that its output is added to.

    Attributes:
        port: where its process listens.
        in_flight: requests that it has to answer.
    """

    def __init__(
        self,
        root: Path,
        container: Mapping[str, Any],
        python: str,
        region: str,
        storage: Storage,
        memory: int,
        log: Path,
    ) -> None:
        self._root, self._container, self._python = root, container, python
        self._region, self._storage, self._memory, self._log = region, storage, memory, log
        self._prefix = Place.of(container["ModelDataUrl"])
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._connections: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self._models: OrderedDict[str, _Model] = OrderedDict()  # the one that was used last comes last
        self._lock = threading.Lock()
        self.in_flight = 0

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def loaded(self) -> int:
        """How many models are in memory."""
        with self._lock:
            return sum(model.is_loaded for model in self._models.values())

    def start(self, patience: float) -> None:
        """Start the container and wait until it is healthy.

        Args:
            patience: seconds.

        Raises:
            InputError: its code cannot be had.
            Gone: it does not become healthy.
        """
        shutil.rmtree(self._root, ignore_errors=True)
        code, temporary = self._root / "code", self._root / "tmp"
        for folder in (code, temporary, self._log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        environment = dict(self._container.get("Environment", {}))
        unpack(
            environment.get("SAGEMAKER_SUBMIT_DIRECTORY", ""),
            "SAGEMAKER_SUBMIT_DIRECTORY",
            self._storage,
            code,
        )
        command = [self._python, "-P", host.__file__, "--program", environment.get("SAGEMAKER_PROGRAM", "")]
        more = {"SAGEMAKER_MULTI_MODEL": "true", "OMP_NUM_THREADS": "1"}
        with socket.create_server((HOST, 0), backlog=128) as listener, self._log.open("ab") as log:
            self.port = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [*command, "--memory", str(self._memory), "--listener", str(listener.fileno())],
                cwd=code,
                env=bare(temporary, code, self._region) | more | environment,
                stdin=subprocess.PIPE,  # its end is the end of the process
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(listener.fileno(),),
                process_group=0,
            )
        self._wait_healthy(patience)

    def stop(self) -> None:
        """End the process and remove its folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
        with suppress(queue.Empty):
            while True:
                self._connections.get_nowait().close()
        shutil.rmtree(self._root, ignore_errors=True)

    def has(self, target: str) -> bool:
        """Whether a model is in memory."""
        model = self._models.get(target)
        return model is not None and model.is_loaded

    def invoke(self, target: str, body: bytes, headers: Mapping[str, str]) -> Invocation:
        """Ask a model; it is loaded first if it is not there.

        Args:
            target: TargetModel.
            body: of the request.
            headers: content type and what is accepted.

        Raises:
            Gone: the process does not answer.
            ServiceError: the archive cannot be had.
        """
        times: dict[str, float] = {}
        with self._used(target) as model:
            hit = self._load(target, model, times)
            if isinstance(hit, Reply):
                return Invocation(hit, times, hit=False)
            with _timed(times, "ModelLatency"):
                reply = self._ask("POST", f"/models/{model.name}/invoke", body, headers)
        return Invocation(reply, times, hit)

    @contextmanager
    def _used(self, target: str) -> Any:
        with self._lock:
            model = self._models.setdefault(target, _Model(hashlib.sha256(target.encode()).hexdigest()))
            self._models.move_to_end(target)
            model.users += 1
            self.in_flight += 1
        try:
            yield model
        finally:
            with self._lock:
                model.users -= 1
                self.in_flight -= 1
                if not model.users and not model.is_loaded:
                    self._models.pop(target, None)

    def _load(self, target: str, model: _Model, times: dict[str, float]) -> bool | Reply:
        """Load a model; True if it was there, and the container's answer if it refuses."""
        with model.lock:
            if model.is_loaded:
                return True
            with _timed(times, "ModelLoadingWaitTime"):
                folder = self._root / "models" / model.name / "model"
                if not folder.exists():
                    with _timed(times, "ModelDownloadingTime"):
                        self._download(target, folder)
                with _timed(times, "ModelLoadingTime"):
                    reply = self._ask_to_load(model, folder, times)
            model.is_loaded = reply.status in (200, LOADED_ALREADY)
            return False if model.is_loaded else reply

    def _ask_to_load(self, model: _Model, folder: Path, times: dict[str, float]) -> Reply:
        """Ask the container to load a model, and unload others as long as it has no memory for it."""
        asked = json.dumps({"model_name": model.name, "url": str(folder)}).encode()
        deadline = time.monotonic() + ROOM
        while True:
            reply = self._ask("POST", "/models", asked, {"Content-Type": "application/json"})
            if reply.status != FULL:
                return reply
            oldest = self._oldest()
            if oldest is not None:
                with _timed(times, "ModelUnloadingTime"):
                    self._unload(oldest)
            elif self.loaded == 0 or time.monotonic() > deadline:
                return reply
            else:
                time.sleep(0.005)  # all of them are busy

    def _oldest(self) -> _Model | None:
        """The model in memory that has not been used for longest, and is not used now; it is held then."""
        with self._lock:
            for model in self._models.values():
                if model.is_loaded and not model.users:
                    model.users += 1
                    return model
        return None

    def _unload(self, model: _Model) -> None:
        try:
            with model.lock:
                if model.is_loaded:
                    self._ask("DELETE", f"/models/{model.name}", b"", {})
                    model.is_loaded = False
        finally:
            with self._lock:
                model.users -= 1

    def _download(self, target: str, folder: Path) -> None:
        """Fetch an archive. What was fetched stays on the disk: a key that is overwritten is not seen."""
        place = Place(self._prefix.bucket, f"{self._prefix.folder.key}{target}")
        packed, unpacked = folder.with_name("packed"), folder.with_name("unpacked")
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not self._storage.fetch(place, packed):
                raise ServiceError(
                    "ValidationError",
                    f"Failed to download model data(bucket: {place.bucket}, key: {place.key}). Please ensure "
                    "that there is an object located at the URL and that the role passed to CreateModel has "
                    "permissions to download the model.",
                )
            shutil.rmtree(unpacked, ignore_errors=True)
            with packed.open("rb") as stream:
                _extract(stream, unpacked, place)
            unpacked.rename(folder)
        finally:
            packed.unlink(missing_ok=True)

    def _wait_healthy(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                if self._ask("GET", "/ping", b"", {}, deadline - time.monotonic()).status == 200:
                    return
            except Gone:
                if not self.is_alive or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float = INVOCATION
    ) -> Reply:
        try:
            connection = self._connections.get_nowait()
        except queue.Empty:
            connection = http.client.HTTPConnection(HOST, self.port)
        connection.timeout = max(patience, 0.1)
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.read(), answer.getheader("Content-Type", ""))
        except TimeoutError as error:
            connection.close()
            if path == "/ping":
                raise Gone(str(error)) from error
            return Reply(0, _TOO_SLOW.encode(), "text/plain")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Gone(f"{type(error).__name__}: {error}") from error
        self._connections.put(connection)
        return reply


_TOO_SLOW = (
    "Your invocation timed out while waiting for a response from container model. Review the latency metrics "
    "for each container in Amazon CloudWatch, resolve the issue, and try again."
)


@contextmanager
def _timed(times: dict[str, float], name: str) -> Any:
    began = time.perf_counter()
    try:
        yield
    finally:
        times[name] = times.get(name, 0.0) + (time.perf_counter() - began) * 1e6


def _extract(stream: IO[bytes], folder: Path, place: Place) -> None:
    try:
        with tarfile.open(fileobj=stream, mode="r:gz") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ServiceError(
            "ValidationError",
            f'Failed to extract model data archive from URL "{place}". Please ensure that the object located '
            f"at the URL is a valid tar.gz archive. ({error})",
        ) from error
