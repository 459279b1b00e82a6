"""What speaks for a task of the plan."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Proof"]


@dataclass(frozen=True)
class Proof:
    """What speaks for a task.

    Attributes:
        done: everything its evidence asks for is there.
        begun: some of it is.
        text: what is there, in plain numbers.
        missing: pairs, or what else, for which it is not there.
        report: path of the page that shows it.
    """

    done: bool
    begun: bool
    text: str
    missing: tuple[str, ...] = ()
    report: str = ""
