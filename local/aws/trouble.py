"""Trouble that tests and people ask for while the embedded AWS runs; also ``python -m local.aws.trouble``."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.errors import BqxError
from local.aws.rules import Rule
from local.aws.settings import Settings


class Trouble:
    """The door to a running server, through its folder. One process at a time may set faults.

    Args:
        folder: of the server.
    """

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(folder, "")

    def add(self, service: str, operation: str = "*", **rule: Any) -> None:
        """Let requests meet a fault from now on.

        Args:
            service: pattern, for example ``sagemaker``; ``hosting`` for the steps of an endpoint, see
                `local.aws.hosting.endpoint`.
            operation: pattern, for example ``CreateTrainingJob``.
            rule: the other fields of `local.aws.rules.Rule`; without ``status`` requests are only delayed.
        """
        told = {"service": service, "operation": operation, "id": secrets.token_hex(4)} | rule
        Rule.of(told)
        self._write([*self.faults(), told])

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are set."""
        path = self._settings.faults
        return list(json.loads(path.read_text())) if path.exists() else []

    def clear(self) -> None:
        """No more faults."""
        self._settings.faults.unlink(missing_ok=True)

    def interrupt(self, job: str, patience: float = 10.0) -> None:
        """Take a job's spot instance away, as soon as its code runs.

        Args:
            job: name.
            patience: seconds to wait until that has happened.

        Raises:
            BqxError: it has not; the request is withdrawn.
        """
        mark = self._settings.interrupts / job
        mark.touch()
        deadline = time.monotonic() + patience
        while mark.exists():
            if time.monotonic() > deadline:
                mark.unlink(missing_ok=True)
                raise BqxError(f"The code of job {job} did not run within {patience:g} s: not interrupted.")
            time.sleep(0.01)

    def requests(self, operation: str | None = None, service: str | None = None) -> list[dict[str, Any]]:
        """The requests that were answered: time, service, operation, name of the job, status, fault."""
        path = self._settings.requests
        lines = path.read_text().splitlines() if path.exists() else []
        return [
            one
            for one in map(json.loads, lines)
            if operation in (None, one["operation"]) and service in (None, one["service"])
        ]

    def _write(self, rules: list[dict[str, Any]]) -> None:
        unfinished = self._settings.faults.with_suffix(".new")
        unfinished.write_text(json.dumps(rules, indent=1))
        unfinished.replace(self._settings.faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Set, clear or show faults, or interrupt a job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.aws.trouble", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="of the server, $STATE/aws")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("add", help="a fault").add_argument("rule", type=json.loads, help="JSON")
    commands.add_parser("clear", help="all faults")
    commands.add_parser("show", help="the faults")
    commands.add_parser("interrupt", help="a job").add_argument("job")
    options = parser.parse_args(arguments)
    trouble = Trouble(options.folder)
    try:
        if options.command == "add":
            trouble.add(**{"service": "*"} | options.rule)
        elif options.command == "clear":
            trouble.clear()
        elif options.command == "interrupt":
            trouble.interrupt(options.job)
        print(json.dumps(trouble.faults(), indent=1))
    except (BqxError, TypeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
