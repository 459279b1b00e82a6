"""The process of a job's code: how it is started, what it says, how it is ended with all it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from local.aws.container import Container
from local.aws.logs import Output
from local.aws.small import Line

TAIL = 20  # lines of output that are kept, for the reason of a failure


class Work:
    """Starts the code of a container.

    Args:
        container: prepared.
        python: interpreter.
        environment: all of its variables.
        metrics: the MetricDefinitions of the job.
        deliver: takes the lines of its output, about every second.

    Attributes:
        pid: of the process, which leads a group.
        values: of each metric, all that were said and when.
        tail: the last lines.
    """

    def __init__(
        self,
        container: Container,
        python: str,
        environment: Mapping[str, str],
        metrics: Sequence[Mapping[str, str]],
        deliver: Callable[[Sequence[Line]], None],
    ) -> None:
        self.values: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._patterns = [(one["Name"], re.compile(one["Regex"])) for one in metrics]
        self._process = subprocess.Popen(
            [python, container.program, *container.arguments],
            cwd=container.code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # signals reach what it starts; the session stays the server's, for `make stop`
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._output = Output(self._process.stdout, deliver, self._observe)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended; what it started may live longer."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and whatever it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def flush(self) -> None:
        """Deliver what it has said."""
        self._output.flush()

    def finish(self) -> int:
        """Kill what is left of it and deliver the rest of its output; returns the exit code."""
        self.signal(signal.SIGKILL)
        code = self._process.wait()
        self._output.finish()
        return code

    def _observe(self, line: str) -> None:
        self.tail.append(line)
        for name, pattern in self._patterns:
            if match := pattern.search(line):
                with suppress(ValueError, IndexError):
                    self.values[name].append((float(match[1]), time.time()))
