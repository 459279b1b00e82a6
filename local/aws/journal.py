"""The log of requests: one JSON document a line, for whoever counts what was asked."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from local.aws.call import Call
from local.processes import keep_last

LARGEST = 32 << 20  # bytes; then it begins anew, and the one before is kept


class Journal:
    """Writes the log. Threads may use it at once.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def note(self, call: Call, status: int, *, fault: bool) -> None:
        """Note a request that is answered now.

        Args:
            call: what was asked for.
            status: of HTTP.
            fault: a rule made it so.
        """
        line = json.dumps(
            {
                "time": time.time(),
                "service": call.service,
                "operation": call.operation,
                "name": call.name,
                "status": status,
                "fault": fault,
            }
        )
        with self._lock:
            if self._path.exists() and self._path.stat().st_size > LARGEST:
                keep_last(self._path)
            with self._path.open("a") as stream:
                stream.write(line + "\n")
