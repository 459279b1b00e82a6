"""What can be done with a stack beside a run: start it, stop it, say what runs, delete its folder."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import psycopg
from rich.console import Console

from include.errors import BqxError
from local.processes import send, wait_gone
from local.stack import Stack
from local.state import Locked, State


def call(name: str, folder: str, console: Console) -> int:
    """Run a command on the stack of a folder; returns the exit code.

    Raises:
        BqxError: it cannot be done, or the database does not answer.
    """
    stack = Stack(
        State(Path(folder).expanduser().absolute()), say=partial(console.print, markup=False, soft_wrap=True)
    )
    try:
        return _COMMANDS[name](stack, console)
    except psycopg.Error as error:  # a lost connection: no traceback
        raise BqxError(str(error)) from error


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
