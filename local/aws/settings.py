"""What the embedded AWS is told when it starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from local.s3.server import KEY_ID, SECRET

HOST = "127.0.0.1"
ACCOUNT = "123456789012"  # the account of moto
QUOTA = 8  # instances of one type that training jobs may have at once
RATE = 10  # calls a second of one operation of SageMaker, before it throttles
MODEL_MEMORY = 2 << 30  # bytes of unpacked models that an instance of an endpoint holds
MINUTE = 60.0  # seconds
GRACE = 120.0  # seconds between SIGTERM and SIGKILL, as the API of SageMaker says


@dataclass(frozen=True)
class Settings:
    """Options of one server.

    Attributes:
        folder: where jobs, logs, faults and the log of requests are kept.
        s3: address of the S3 stand-in, ``http://host:port``.
        images: pattern of a training image and the Python that stands for it; the first that fits counts.
        key_id, secret: AWS access key that clients sign with.
        quota: instances of one type that may be in use at once; on-demand and spot count separately.
        rate: calls a second of one operation before SageMaker throttles.
        grace: seconds a stopped job has until it is killed.
        slots: jobs whose code runs at once; the others wait in Starting, as for capacity of EC2.
        model_memory: bytes of unpacked models that an instance of an endpoint holds in memory.
        minute: seconds that count as a minute in the scaling of endpoints; tests have less time.
        clock: says what time it is for CloudWatch, in seconds since the epoch; tests turn it.
        topics: ARN of topics of SNS that are there from the start, each with a queue of the same name.
    """

    folder: Path
    s3: str
    images: tuple[tuple[str, str], ...] = ()
    key_id: str = KEY_ID
    secret: str = field(default=SECRET, repr=False)
    quota: int = QUOTA
    rate: int = RATE
    grace: float = GRACE
    slots: int = field(default_factory=lambda: os.cpu_count() or 1)
    model_memory: int = MODEL_MEMORY
    minute: float = MINUTE
    clock: Callable[[], float] = time.time
    topics: tuple[str, ...] = ()

    def python(self, image: str) -> str | None:
        """The interpreter that stands for an image; None for an image nobody has."""
        for pattern, python in self.images:
            if fnmatchcase(image, pattern):
                return python
        return None

    @property
    def faults(self) -> Path:
        """Rules of faults, read at each request."""
        return self.folder / "faults.json"

    @property
    def requests(self) -> Path:
        """One JSON document per request that was answered."""
        return self.folder / "requests.jsonl"

    @property
    def interrupts(self) -> Path:
        """A file named after a job interrupts it as EC2 interrupts spot instances."""
        return self.folder / "interrupts"

    @property
    def roots(self) -> Path:
        """Private roots of the jobs that run."""
        return self.folder / "roots"

    @property
    def hosting(self) -> Path:
        """Private roots of the instances of endpoints."""
        return self.folder / "hosting"

    @property
    def hosting_logs(self) -> Path:
        """Output of the instances of endpoints."""
        return self.folder / "hosting-logs"

    @property
    def scaling(self) -> Path:
        """What Application Auto Scaling was told of endpoints."""
        return self.folder / "scaling.json"

    @property
    def logs(self) -> Path:
        """The end of each job's output."""
        return self.folder / "logs"
