"""Command line of the embedded stack; `make run`, `make stop` and `make clean` call it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg
from rich.console import Console
from rich.text import Text

from include.errors import BqxError
from local import job
from local.options import Options
from local.processes import INTERRUPTS, send, wait_gone
from local.stack import Stack
from local.state import OTHERS_WRITE, Locked, State

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
        if given.command == "run":
            return job.run(Options.of({name: getattr(given, name) for name in ("state", *OPTIONS)}), console)
        return _COMMANDS[given.command](_stack(given.state, console), console)
    except (BqxError, OSError, psycopg.Error) as error:  # a full disk, a lost connection: no traceback
        told = Text.assemble(("Error:", "bold red"), " ", str(error))
        Console(stderr=True, highlight=False).print(told, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", *_COMMANDS):
        command = commands.add_parser(name)
        command.add_argument("--state", default=".local", help="folder for everything a run writes")
        for option in OPTIONS if name == "run" else ():
            command.add_argument(f"--{option.replace('_', '-')}")
    return parser


def _stack(folder: str, console: Console) -> Stack:
    return Stack(
        State(Path(folder).expanduser().absolute()), say=partial(console.print, markup=False, soft_wrap=True)
    )


def _up(stack: Stack, console: Console) -> int:
    """Start the stack without running anything on it."""
    stack.state.create()
    with stack.state.locked():
        stack.start()
        stack.write_env()
    console.print(f"UI: {stack.link} (opens once)", soft_wrap=True)
    return 0


def _stop(stack: Stack, console: Console) -> int:
    """End exactly what was started; a make run that is still waiting is asked to end first."""
    if not stack.state.exists:
        nothing = f"Nothing to stop: there is no stack in {stack.state.root}."
        console.print(nothing, markup=False, soft_wrap=True)
        return 0
    try:
        with stack.state.locked():
            anything = bool(stack.processes) or stack.postgres.process() is not None
            stack.stop()
    except Locked as busy:
        if busy.holder is None:
            raise
        console.print(f"Asking the make run that is at work (process {busy.holder.pid}) to end")
        send(busy.holder, signal.SIGTERM)
        wait_gone([busy.holder], 90)
        with stack.state.locked():
            anything = True
            stack.stop()
    said = "Stopped" if anything else "Nothing was running"
    console.print(f"{said}. The data stay in {stack.state.root}.", markup=False, soft_wrap=True)
    return 0


def _status(stack: Stack, console: Console) -> int:
    """Say what runs."""
    if stack.state.exists:
        stack.state.verify()
    processes = stack.processes if stack.state.exists else {}
    server = stack.postgres.process() if stack.state.exists else None
    console.print(
        f"postgres: {f'process {server.pid}, port {stack.postgres.port}' if server else 'not running'}"
    )
    ports = stack.service_ports if processes else {}
    for name, process in processes.items():
        where = f"process {process.pid}" + (f", port {ports[name]}" if name in ports else "")
        console.print(f"{name}: {where if process.alive else 'not running'}")
    if processes and stack.is_up:
        console.print(f"UI: {stack.link} (opens once)", soft_wrap=True)
    return 0


def _clean(stack: Stack, console: Console) -> int:
    """Stop, then delete the state folder."""
    if stack.state.exists:
        _stop(stack, console)
    stack.state.delete()
    console.print(f"{stack.state.root} is gone.", markup=False, soft_wrap=True)
    return 0


_COMMANDS = {"up": _up, "stop": _stop, "status": _status, "clean": _clean}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
