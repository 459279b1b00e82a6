"""Command line of the embedded stack; `make run`, `make stop` and `make clean` call it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from rich.console import Console
from rich.text import Text

from include.errors import BqxError
from local.processes import INTERRUPTS
from local.state import OTHERS_WRITE

COMMANDS = ("run", "up", "stop", "status", "clean")
OPTIONS = (
    "data", "pairs", "from", "to", "crosses", "profile", "workers", "port", "price_side", "timezone",
    "legacy",
)  # fmt: skip
STOPPED = 130  # what a shell reports after Ctrl-C


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, a polite kill or a closed terminal.

    A class of its own: once a plain KeyboardInterrupt has passed through code made from a string, as a
    dataclass is while its module is imported, CPython ends by SIGINT whatever exit code was asked for.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = _parser().parse_args(arguments)
    os.umask(os.umask(0) | OTHERS_WRITE)  # or the next command would not trust what this one makes
    for number in INTERRUPTS:
        signal.signal(number, _interrupt)
    console = Console(highlight=False, markup=False)  # paths and names are text
    try:
        return (_run if given.command == "run" else _other)(given, console)
    except (BqxError, OSError) as error:  # a full disk: no traceback
        told = Text.assemble(("Error:", "bold red"), " ", str(error))
        Console(stderr=True, highlight=False).print(told, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return STOPPED


def _run(given: argparse.Namespace, console: Console) -> int:
    from local.options import Options  # brings the readers of bars, which no other command needs

    options = Options.of({name: getattr(given, name) for name in ("state", *OPTIONS)})
    console.print(options.headline, soft_wrap=True)
    seen = options.glance()
    from local import job  # takes longer to import than to refuse bars

    return job.run(options, seen, console)


def _other(given: argparse.Namespace, console: Console) -> int:
    from local import commands

    return commands.call(given.command, given.state, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("--state", default=".local", help="folder for everything a run writes")
        for option in OPTIONS if name == "run" else ():
            command.add_argument(f"--{option.replace('_', '-')}")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
