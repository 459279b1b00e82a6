"""The routing table: which model version answers for a pair.

Canary, promotion, A/B and rollback change this table and nothing else.
The table is one object, changed by compare-and-set. A request chooses by a hash of its id, so the same id is
always answered by the same version. Every state that was ever current is kept under its number: it is what a
rollback goes back to, and what an auditor reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from include.errors import BadParameter, Busy, MissingInput, QualityError
from include.objects import ObjectStore

__all__ = [
    "EMPTY", "FORMAT", "HISTORY", "KEY", "Route", "Routing", "Target", "assign", "fraction", "previous",
    "promote", "publish", "read", "roll_back", "split", "state", "states",
]  # fmt: skip

KEY = "serving/routing.json"
HISTORY = "serving/routing/"
FORMAT = 1
TRIES = 20  # of a compare-and-set, before a person is told that others write all the time

Windows = tuple[tuple[int, int], ...]


class Target(NamedTuple):
    """A model version that answers requests.

    Attributes:
        version: of the model.
        target: its archive, TargetModel of a request to the endpoint.
        feature_hash: of its columns, a key of `Routing.columns`.
        decision: key of the decision record.
        windows: horizon and window of each BQX that it forecasts, minutes, ascending. Models of the same
            columns may have others.
    """

    version: str
    target: str
    feature_hash: str
    decision: str
    windows: Windows

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the table."""
        return self._asdict() | {"windows": {str(minutes): window for minutes, window in self.windows}}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Target:
        """From `to_dict`."""
        windows = sorted((int(minutes), int(window)) for minutes, window in told["windows"].items())
        return cls(**{**told, "windows": tuple(windows)})


class Route(NamedTuple):
    """Who answers for a pair.

    Attributes:
        champion: answers what the challenger does not.
        challenger: None if there is none.
        share: of the requests that the challenger answers, 0 to 1.
    """

    champion: Target
    challenger: Target | None = None
    share: float = 0.0

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that may answer."""
        return (self.champion,) if self.challenger is None else (self.champion, self.challenger)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the table."""
        challenger = None if self.challenger is None else self.challenger.to_dict()
        return {"champion": self.champion.to_dict(), "challenger": challenger, "share": self.share}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Route:
        """From `to_dict`."""
        challenger = told["challenger"]
        return cls(
            Target.of(told["champion"]),
            None if challenger is None else Target.of(challenger),
            float(told["share"]),
        )


class Routing(NamedTuple):
    """A state of the table.

    Attributes:
        number: grows by one with every change; 0 is the table before the first deployment.
        endpoint: that serves.
        columns: of the models, in order, by feature hash.
        pairs: who answers for each.
        why: it became so, a sentence.
        run: that made it so.
    """

    number: int
    endpoint: str
    columns: dict[str, list[str]]
    pairs: dict[str, Route]
    why: str = ""
    run: str = ""

    def choose(self, pair: str, request_id: str) -> Target:
        """Who answers a request.

        Args:
            pair: it asks about.
            request_id: the same id has the same answer as long as the table does not change.

        Raises:
            MissingInput: nothing serves this pair.
        """
        route = self.pairs.get(pair)
        if route is None:
            raise MissingInput(f"No model of {pair} is deployed. Run bqx_deploy for that pair.")
        if route.challenger is not None and fraction(pair, request_id) < route.share:
            return route.challenger
        return route.champion

    def same_as(self, other: Routing) -> bool:
        """Whether both route in the same way, whoever made them."""
        return (self.endpoint, self.columns, self.pairs) == (other.endpoint, other.columns, other.pairs)


EMPTY = Routing(0, "", {}, {})


def fraction(pair: str, request_id: str) -> float:
    """Where a request falls between 0 and 1: the same place for every share, so a canary only ever grows."""
    digest = hashlib.sha256(f"{pair}\n{request_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def read(bucket: ObjectStore) -> Routing:
    """The current state; `EMPTY` before the first deployment.

    Raises:
        QualityError: what is there is no routing table.
    """
    body = bucket.get(KEY)
    return EMPTY if body is None else _parsed(body, bucket.uri(KEY))


def state(bucket: ObjectStore, number: int) -> Routing:
    """A state that was current once.

    Raises:
        BadParameter: there is no such state.
    """
    current = read(bucket)
    if number == current.number:
        return current
    body = bucket.get(_key(number))
    if body is None:
        raise BadParameter(
            f"There is no state {number} of the routing table; the current one is {current.number}."
        )
    return _parsed(body, bucket.uri(_key(number)))


def states(bucket: ObjectStore, newest: int | None = None) -> list[Routing]:
    """The states that were current, oldest first, with the one that is.

    Args:
        bucket: the whole bucket.
        newest: how many of them, at least 1; None for all.
    """
    current = read(bucket)
    keys = sorted({found.key for found in bucket.list(HISTORY)} - {_key(current.number)})
    keys = keys if newest is None else keys[len(keys) - min(newest - 1, len(keys)) :]
    past = [_parsed(bucket.get(key) or b"", bucket.uri(key)) for key in keys]
    return past + ([current] if current.number else [])


def publish(bucket: ObjectStore, change: Callable[[Routing], Routing], why: str, run: str) -> Routing:
    """Change the table. A change that changes nothing leaves the state as it is, so it may be repeated.

    Args:
        bucket: the whole bucket.
        change: gives the next state from the current one; called again if somebody was faster.
        why: it becomes so.
        run: that makes it so.

    Returns:
        The state that is current now.

    Raises:
        Busy: others changed it all the time.
        QualityError: what is there is no routing table.
    """
    for _ in range(TRIES):
        tagged = bucket.get_tagged(KEY)
        current = EMPTY if tagged is None else _parsed(tagged[0], bucket.uri(KEY))
        if tagged is not None:  # whoever made this state may have been killed before it was kept
            bucket.put_once(_key(current.number), tagged[0])
        wanted = change(current)
        if wanted.same_as(current):
            return current
        wanted = wanted._replace(number=current.number + 1, why=why, run=run)
        body = _bytes(wanted)
        if bucket.replace(KEY, body, None if tagged is None else tagged[1]):
            bucket.put_once(_key(wanted.number), body)
            return wanted
    raise Busy(f"Others change {bucket.uri(KEY)} all the time: {TRIES} attempts failed. Try again later.")


def assign(
    routing: Routing, routes: Mapping[str, Route], columns: Mapping[str, list[str]], endpoint: str
) -> Routing:
    """The table with other routes for some pairs; columns that no route needs any more go.

    Args:
        routing: the present table.
        routes: by pair.
        columns: of their models, by feature hash.
        endpoint: that serves.
    """
    pairs = dict(sorted((routing.pairs | dict(routes)).items()))
    known = routing.columns | dict(columns)
    needed = {each.feature_hash for route in pairs.values() for each in route.targets}
    return routing._replace(
        endpoint=endpoint, columns={name: known[name] for name in sorted(needed)}, pairs=pairs
    )


def split(route: Route | None, challenger: Target, share: float) -> Route:
    """The route on which a challenger answers a share of the requests; a first model answers all at once."""
    if not 0 <= share <= 1:
        raise BadParameter(f"A share is a number from 0 to 1; {share} is none.")
    if route is None or challenger == route.champion or share == 1:
        return Route(challenger)
    return Route(route.champion, challenger if share else None, share)


def promote(route: Route) -> Route:
    """The route on which the challenger, if there is one, has become the champion."""
    return Route(route.challenger or route.champion)


def roll_back(route: Route, before: Target | None) -> Route | None:
    """The route a pair goes back to: without its challenger, else to the champion before; None if none is.

    Args:
        route: the present one.
        before: from `previous`.
    """
    if route.challenger is not None:
        return Route(route.champion)
    return None if before is None else Route(before)


def previous(history: Iterable[Routing], pair: str) -> Target | None:
    """The champion of a pair before the present one; None if there was none.

    A champion that came back, by a rollback or another deployment, takes away those that came after it: two
    rollbacks one after the other go back two champions, not to and fro.

    Args:
        history: all states, oldest first.
        pair: whose.
    """
    champions: list[Target] = []
    for each in history:
        if pair not in each.pairs:
            continue
        champion = each.pairs[pair].champion
        champions = [*champions[: champions.index(champion)], champion] if champion in champions else [
            *champions, champion
        ]  # fmt: skip
    return champions[-2] if len(champions) > 1 else None


def _key(number: int) -> str:
    return f"{HISTORY}{number:06d}.json"


def _bytes(routing: Routing) -> bytes:
    pairs = {pair: route.to_dict() for pair, route in routing.pairs.items()}
    return json.dumps({"format": FORMAT, **routing._asdict(), "pairs": pairs}, indent=1).encode()


def _parsed(body: bytes, where: str) -> Routing:
    try:
        told = json.loads(body)
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']}; this code reads format {FORMAT}")
        pairs = {pair: Route.of(each) for pair, each in told["pairs"].items()}
        return Routing(
            int(told["number"]), told["endpoint"], told["columns"], pairs, told["why"], told["run"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise QualityError(
            f"{where} is no routing table ({type(error).__name__}: {error}). Restore it from {HISTORY} in "
            "the bucket: the file with the highest number is the state that was current."
        ) from error
