"""The instances of a production variant: started, asked, scaled, replaced when they die."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local.aws.channels import InputError
from local.aws.hosting.instance import Gone, Instance, Invocation
from local.aws.hosting.metrics import Metrics, Place
from local.aws.hosting.usage import Usage
from local.aws.rules import Rules
from local.aws.settings import Settings
from local.aws.small import SmallServices
from local.aws.storage import Storage
from local.aws.store import Store

CROWD = 4  # requests at one instance; then a model is also asked for elsewhere
HEALTH = 60  # seconds for a container to become healthy, unless the variant says otherwise
DRAIN = 10.0  # seconds for requests to end before their instance is taken away

_serial = itertools.count(time.time_ns() // 1_000_000)  # names no folder twice


class Failure(Exception):
    """Instances cannot be had; the text is the FailureReason."""


@dataclass(frozen=True)
class Tools:
    """What all endpoints share.

    Attributes:
        settings: of the server.
        endpoints: their documents.
        storage: S3.
        rules: of faults.
        metrics: of the endpoints.
        services: moto.
        alarm_state: says the state of an alarm of CloudWatch, by region and name.
    """

    settings: Settings
    endpoints: Store
    storage: Storage
    rules: Rules
    metrics: Metrics
    services: SmallServices
    alarm_state: Callable[[str, str], str]


class Fleet:
    """The instances of a variant. Threads may ask it at once; one thread changes it.

    Args:
        endpoint: its name.
        region: of AWS.
        variant: ProductionVariant, and ``container``, the ContainerDefinition of its model.
        tools: shared.

    Attributes:
        name: of the variant.
        place: what its metrics are about.
    """

    def __init__(self, endpoint: str, region: str, variant: Mapping[str, Any], tools: Tools) -> None:
        self._endpoint, self._region, self._variant, self._tools = endpoint, region, variant, tools
        self.name = str(variant["VariantName"])
        self.place = Place(region, endpoint, self.name)
        self._instances: list[Instance] = []
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many instances there are."""
        return len(self._instances)

    @property
    def loaded(self) -> int:
        """How many models are in the memory of all instances together."""
        return sum(instance.loaded for instance in self._instances)

    @property
    def processes(self) -> list[int]:
        """Process numbers of the instances."""
        return [instance.pid for instance in self._instances]

    def used(self) -> list[tuple[float, float]]:
        """Processor and memory that each instance has used since the last look, in percent."""
        return self._usage.of(self.processes)

    def scale(self, count: int) -> None:
        """Have so many instances.

        Raises:
            Failure: they cannot be started; those that were there stay.
        """
        with self._lock:
            more, less = count - len(self._instances), self._instances[count:]
            self._instances = self._instances[:count]
        if more > 0:
            new = self._start(more)
            with self._lock:
                self._instances = [*self._instances, *new]
        for instance in less:
            _drain(instance)

    def heal(self) -> None:
        """Replace the instances whose process has ended."""
        for dead in [instance for instance in self._instances if not instance.is_alive]:
            dead.stop()
            new = self._start(1)
            with self._lock:
                self._instances = [*(each for each in self._instances if each is not dead), *new]

    def close(self) -> None:
        """End all instances, each when its requests have been answered."""
        self.scale(0)

    def kill(self) -> None:
        """End all instances at once."""
        with self._lock:
            instances, self._instances = self._instances, []
        for instance in instances:
            instance.stop()

    def invoke(self, target: str, body: bytes, headers: Mapping[str, str]) -> Invocation:
        """Ask a model at the instance that it belongs to, or at another one if that has too much to do.

        Raises:
            Gone: no instance answers.
            ServiceError: the archive cannot be had.
        """
        gone: Gone | None = None
        for instance in self._order(target):
            try:
                return instance.invoke(target, body, headers)
            except Gone as error:
                gone = error
        raise gone or Gone("the variant has no instance")

    def _order(self, target: str) -> list[Instance]:
        """The instances in the order in which a model is asked for at them.

        Every model has an order of its own, which changes little when instances come or go.
        """
        with self._lock:
            instances = list(enumerate(self._instances))
        known = sorted(instances, key=lambda each: hashlib.sha256(f"{target} {each[0]}".encode()).digest())
        return sorted((each for _, each in known), key=lambda each: each.in_flight // CROWD)

    def _start(self, count: int) -> list[Instance]:
        with ThreadPoolExecutor(count) as pool:
            started = [pool.submit(self._one) for _ in range(count)]
        try:
            return [each.result() for each in started]
        except Failure:
            for each in started:
                if each.exception() is None:
                    each.result().stop()
            raise

    def _one(self) -> Instance:
        settings, container = self._tools.settings, self._variant["container"]
        python = settings.python(container["Image"])
        if python is None:
            raise Failure("The server was started again without the image of this endpoint.")
        name = f"{self.name}-{next(_serial)}"
        instance = Instance(
            settings.hosting / self._endpoint / name,
            container,
            python,
            self._region,
            self._tools.storage,
            settings.model_memory,
            settings.hosting_logs / self._endpoint / f"{name}.log",
        )
        try:
            instance.start(self._variant.get("ContainerStartupHealthCheckTimeoutInSeconds", HEALTH))
        except Gone as error:
            instance.stop()
            raise Failure(
                f"The primary container for production variant {self.name} did not pass the ping health "
                "check. Please check CloudWatch logs for this endpoint."
            ) from error
        except InputError as error:
            instance.stop()
            raise Failure(str(error)) from error
        return instance


def _drain(instance: Instance) -> None:
    deadline = time.monotonic() + DRAIN
    while instance.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    instance.stop()


def clean(settings: Settings) -> None:
    """Remove what an earlier server has left of its instances."""
    shutil.rmtree(settings.hosting, ignore_errors=True)
