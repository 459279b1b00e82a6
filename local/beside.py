"""Work that is done beside the start of Airflow: the simulated market, the compiled kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from include.errors import BqxError
from local.airflow import ROOT
from local.options import SEED, Options
from local.processes import tail
from local.state import State

DEADLINE = 1_800.0  # seconds


class Beside:
    """A Python module that runs while the caller does something else; it ends with the `with` block.

    Args:
        module: its name.
        arguments: its command line.
        log: where its output goes.
        variables: added to its environment.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path, variables: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._log = log
        self._variables = variables

    def __enter__(self) -> Beside:
        with self._log.open("w") as stream:
            self._child = subprocess.Popen(
                self._command, stdout=stream, stderr=stream, cwd=ROOT, env=os.environ | self._variables
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def wait(self) -> None:
        """Wait until it is done.

        Raises:
            BqxError: it failed or takes too long; carries the end of its log.
        """
        try:
            code = self._child.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired as error:
            raise self._problem(f"is not done after {DEADLINE:.0f} s") from error
        if code:
            raise self._problem("failed")

    def _problem(self, what: str) -> BqxError:
        return BqxError(f"{self._log.stem} {what}. The end of {self._log}:\n{tail(self._log)}")


class Market(Beside):
    """Simulates the market of a run; a folder that is there is complete."""

    def __init__(self, options: Options, state: State) -> None:
        self._folder = options.market(state.market)
        self._unfinished = self._folder.with_name(self._folder.name + ".new")
        arguments = ["--out", str(self._unfinished), "--seed", str(SEED), "--signal", "0"]
        arguments += ["--from", str(options.first_day), "--to", str(options.end_day)]
        super().__init__("include.market.synthetic", arguments, state.logs / "market.log", {})

    def wait(self) -> None:
        """Wait until the market is simulated, then give its folder the final name."""
        super().wait()
        self._unfinished.rename(self._folder)


class Kernels(Beside):
    """Compiles the numeric kernels once, so that the first builds do not all compile the same ones."""

    def __init__(self, state: State) -> None:
        variables = {"NUMBA_CACHE_DIR": str(state.numba), "NUMBA_NUM_THREADS": "1"}
        super().__init__("include.build.kernels", (), state.logs / "kernels.log", variables)
