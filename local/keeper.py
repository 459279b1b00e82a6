"""``python -m local.keeper --state F``: starts again what died, as long as the stack is up.

A few times: what dies again and again is given up, with the cause. The commands of `local` end the keeper
before they change anything, so nobody else starts processes while it does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from include.errors import BqxError
from local.causes import POSTGRES, is_full
from local.stack import KEEPER, Stack
from local.state import State

LOOK = 1.0  # seconds between two looks
TRIES, WINDOW = 5, 600.0  # restarts of one process within so many seconds, then it is given up


class Keeper:
    """Looks after the processes of a stack.

    Args:
        stack: whose.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._tries: defaultdict[str, list[float]] = defaultdict(list)

    def look(self) -> None:
        """Start what has died since the last look; the database first, nothing lives without it."""
        if is_full(self._stack.state.root):
            return  # what is started now would die at once
        if self._stack.postgres.process() is None:
            self._start_again(POSTGRES)
        if self._database_answers():
            dead = [name for name, process in self._stack.processes.items() if not process.alive]
            for name in dead:
                if name != KEEPER:
                    self._start_again(name)

    def _database_answers(self) -> bool:
        try:
            self._stack.postgres.connect().close()
        except psycopg.Error:
            return False
        return True

    def _start_again(self, name: str) -> None:
        if name in self._stack.given_up:
            return
        cause = self._stack.cause(name)
        now = time.monotonic()
        recent = self._tries[name] = [at for at in self._tries[name] if now - at < WINDOW]
        if len(recent) >= TRIES:
            _say(f"{name} is given up: {cause}")
            self._stack.give_up(name, f"{len(recent)} times in {WINDOW:.0f} s. {cause}")
            return
        recent.append(now)
        time.sleep(len(recent) - 1)  # longer each time
        _say(f"{cause}\nStarting {name} again ({len(recent)} of {TRIES})")
        try:
            self._stack.restart(name)
        except (BqxError, OSError) as error:
            _say(f"{name} could not be started: {error}")


def _say(text: str) -> None:
    try:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)
    except OSError:  # a full disk: it must live on
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Look until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m local.keeper", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the stack")
    keeper = Keeper(Stack(State(parser.parse_args(arguments).state)))
    while True:
        keeper.look()
        time.sleep(LOOK)


if __name__ == "__main__":
    sys.exit(main())
