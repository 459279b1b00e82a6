"""Faults as data: rules in a file that is read at each request, so that they are switched at any time."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from local.aws.errors import ServiceError


@dataclass(frozen=True)
class Rule:
    """Which requests meet trouble, and which trouble.

    Attributes:
        service: pattern of the service, ``sagemaker``, ``logs``, ``s3``.
        operation: pattern of the operation.
        nth: which of the requests that fit, counted from 1; empty for all.
        probability: that a request that fits meets it.
        seed: of the draws.
        times: how often at most; None without end.
        status: of HTTP; None lets the request pass, after the delay.
        code: of the error.
        message: of the error.
        delay: seconds before anything else happens.
        applied: the request is done first, and then answered with the error.
        id: tells this rule from an equal one that was set before.
    """

    service: str = "*"
    operation: str = "*"
    nth: tuple[int, ...] = ()
    probability: float = 1.0
    seed: int = 0
    times: int | None = None
    status: int | None = None
    code: str = "ServiceUnavailable"
    message: str = "Trouble that was asked for"
    delay: float = 0.0
    applied: bool = False
    id: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Rule:
        """The rule of a JSON document; ``nth`` may be a number.

        Raises:
            TypeError: it has a field that no rule has.
        """
        nth = told.get("nth", ())
        return cls(**told | {"nth": (nth,) if isinstance(nth, int) else tuple(nth)})

    @property
    def error(self) -> ServiceError | None:
        """What a request is answered with, if it is."""
        return None if self.status is None else ServiceError(self.code, self.message, self.status)


@dataclass
class _Count:
    seen: int = 0
    met: int = 0
    draws: random.Random = field(default_factory=random.Random)


class Rules:
    """The rules of a file. Threads may use it at once.

    Args:
        path: of the file; without it there are none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: dict[Rule, _Count] = {}
        self._lock = threading.Lock()

    def draw(self, service: str, operation: str) -> Rule | None:
        """The first rule that this request meets.

        Raises:
            ServiceError: the file is no list of rules.
        """
        with self._lock:
            rules = self._read()
            self._counts = {rule: self._counts.get(rule) or _counted(rule) for rule in rules}
            for rule in rules:
                fits = fnmatchcase(service, rule.service) and fnmatchcase(operation, rule.operation)
                if fits and _meets(rule, self._counts[rule]):
                    return rule
        return None

    def _read(self) -> list[Rule]:
        try:
            return [Rule.of(one) for one in json.loads(self._path.read_text())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, AttributeError) as error:
            raise ServiceError(
                "InternalFailure", f"{self._path} is no list of rules: {error}", 500
            ) from error


def _counted(rule: Rule) -> _Count:
    return _Count(draws=random.Random(rule.seed))


def _meets(rule: Rule, count: _Count) -> bool:
    count.seen += 1
    drawn = count.draws.random() < rule.probability
    meets = drawn and (not rule.nth or count.seen in rule.nth)
    meets &= rule.times is None or count.met < rule.times
    count.met += meets
    return meets
