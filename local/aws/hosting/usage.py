"""How much processor and memory the processes of instances use, as SageMaker measures it: in percent."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psutil


class Usage:
    """Usage of processes since the last look. One thread uses it."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def of(self, pids: Iterable[int]) -> list[tuple[float, float]]:
        """Percent of a core, and of this machine's memory, of each process that was there at the last look.

        Args:
            pids: of the instances.
        """
        before, self._known, found = self._known, {}, []
        for pid in pids:
            with suppress(psutil.Error):  # it has ended
                process = before.get(pid) or psutil.Process(pid)
                cpu, memory = process.cpu_percent(), process.memory_percent()
                self._known[pid] = process
                if pid in before:  # psutil knows no use before the first look
                    found.append((cpu, memory))
        return found
