"""What a run of bqx_deploy is to change, said before anything is: who would answer for each pair, and why.

A plan names model versions, not rules to find them: what a person approves is what is published, also if
another decision is written in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from include.errors import BadParameter, DeployRefused
from include.objects import ObjectStore
from include.pages import code, counted, markdown
from include.serving import archives, routing
from include.serving.routing import Route, Routing, Target
from include.training.choice import record
from include.training.choice.record import DIGITS, FOLDER, Decision
from include.training.container.models import TREES

__all__ = [
    "ACTIONS", "DEPLOY", "PROMOTE", "ROLL_BACK", "SPLIT", "LeftOut", "Proposal", "page", "propose",
    "target_of",
]  # fmt: skip

DEPLOY, PROMOTE, ROLL_BACK, SPLIT = "deploy", "promote", "roll back", "split"
SHORT = 8  # digits of a version on the page

Params = Mapping[str, Any]


class Proposal(NamedTuple):
    """What would be changed.

    Attributes:
        routes: who answers in the end, by pair; pairs that stay as they are among them.
        decisions: keys of the records whose archives are needed, by pair.
        left_out: why nothing is done for other pairs.
    """

    routes: dict[str, Route]
    decisions: dict[str, str]
    left_out: dict[str, str]


class LeftOut(Exception):
    """Nothing is done for a pair; says why."""


def propose(bucket: ObjectStore, current: Routing, params: Params) -> Proposal:
    """Find out what an action would change.

    Args:
        bucket: the whole bucket.
        current: the routing table.
        params: ``action``, ``pairs`` and what the action needs besides.

    Raises:
        DeployRefused: there is nothing that the action could be done with.
        BadParameter: a version or a state that is named does not exist.
    """
    action = params["action"]
    of_pair = ACTIONS[action](bucket, current, params)
    routes, decisions, left_out = {}, {}, {}
    for pair in params["pairs"]:
        try:
            routes[pair] = of_pair(pair)
        except LeftOut as why:
            left_out[pair] = str(why)
    if not routes:
        reasons = "; ".join(sorted({f"{why}" for why in left_out.values()}))
        raise DeployRefused(f"There is nothing to {action}: {reasons}. What serves stays as it is.")
    if action in (DEPLOY, SPLIT):
        decisions = {pair: (route.challenger or route.champion).decision for pair, route in routes.items()}
    else:
        _refuse_gone(bucket, routes)
    return Proposal(routes, decisions, left_out)


def page(bucket: ObjectStore, current: Routing, proposal: Proposal, lines: Sequence[str]) -> str:
    """What a person is shown, Markdown.

    Args:
        bucket: the whole bucket.
        current: the routing table.
        proposal: what would be changed.
        lines: what is to be said besides.
    """
    names = _Names(bucket)
    rows = [
        f"| {pair} | {names.route(current.pairs.get(pair))} | {names.route(route)} |"
        for pair, route in proposal.routes.items()
        if current.pairs.get(pair) != route
    ]
    table = ["| pair | answers now | would answer |", "| --- | --- | --- |", *rows] if rows else []
    left_out = [f"- {pair}: {markdown(why)}" for pair, why in proposal.left_out.items()]
    stay = len(proposal.routes) - len(rows)
    parts = [
        "\n".join(lines),
        "\n".join(table),
        f"{counted(stay, 'pair')} served as wanted already." if stay else "",
        "\n".join(["Left out:", "", *left_out]) if left_out else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _deploy(bucket: ObjectStore, current: Routing, params: Params) -> Callable[[str], Route]:
    versions = params.get("versions") or {}

    def of_pair(pair: str) -> Route:
        version = versions.get(pair)
        return Route(target_of(_named(bucket, pair, version) if version else _newest(bucket, pair)))

    return of_pair


def _promote(bucket: ObjectStore, current: Routing, params: Params) -> Callable[[str], Route]:
    def of_pair(pair: str) -> Route:
        route = _served(current, pair)
        if route.challenger is None:
            raise LeftOut("it has no challenger")
        return routing.promote(route)

    return of_pair


def _roll_back(bucket: ObjectStore, current: Routing, params: Params) -> Callable[[str], Route]:
    number = params["state"]
    if number is not None:
        earlier = routing.state(bucket, number)

        def to_state(pair: str) -> Route:
            _served(current, pair)
            if pair not in earlier.pairs:
                raise LeftOut(f"it was not served in state {number}")
            return Route(earlier.pairs[pair].champion)

        return to_state
    history = routing.states(bucket)

    def to_previous(pair: str) -> Route:
        route = routing.roll_back(_served(current, pair), routing.previous(history, pair))
        if route is None:
            raise LeftOut("no other model served before")
        return route

    return to_previous


def _split(bucket: ObjectStore, current: Routing, params: Params) -> Callable[[str], Route]:
    version, share = params["version"], params["share"]
    if version and len(params["pairs"]) > 1:
        raise BadParameter(
            f"Version {version} is of one pair, and {len(params['pairs'])} are chosen. Choose that one."
        )

    def of_pair(pair: str) -> Route:
        route = _served(current, pair)
        if not share:
            return Route(route.champion)
        decision = _named(bucket, pair, version) if version else _newest(bucket, pair)
        challenger = target_of(decision)
        if challenger == route.champion:
            raise LeftOut("the version is its champion already; name another one")
        return routing.split(route, challenger, share)

    return of_pair


ACTIONS: dict[str, Callable[[ObjectStore, Routing, Params], Callable[[str], Route]]] = {
    DEPLOY: _deploy,
    PROMOTE: _promote,
    ROLL_BACK: _roll_back,
    SPLIT: _split,
}


def _served(current: Routing, pair: str) -> Route:
    if pair not in current.pairs:
        raise LeftOut("nothing serves it")
    return current.pairs[pair]


def _newest(bucket: ObjectStore, pair: str) -> Decision:
    decision = record.deployable(bucket, pair)
    if decision is None:
        raise LeftOut("bqx_train has decided for no model that may be deployed")
    return decision


def _named(bucket: ObjectStore, pair: str, version: str) -> Decision:
    if not bucket.get(f"{FOLDER}/{pair}/{version}.json"):
        raise BadParameter(
            f"There is no version {version} of {pair}. Versions are the names of the files below "
            f"{FOLDER}/{pair}/ in the bucket."
        )
    return record.read(bucket, f"{FOLDER}/{pair}/{version}.json")


def target_of(decision: Decision) -> Target:
    """What serves by a decision.

    Raises:
        LeftOut: it may not be deployed, or cannot be served.
    """
    content = decision.content
    others = sorted({each["model"] for each in content["archives"]} - set(TREES))
    if others:
        raise LeftOut(f"its model needs {', '.join(others)}, and the endpoint serves trees only")
    if not content["deployable"]:
        raise LeftOut(f"its decision may not be deployed: {content['why_not']}")
    version = decision.hash[:DIGITS]
    return Target.of(
        {
            "version": version,
            "target": f"{content['pair']}/{version}.tar.gz",
            "feature_hash": content["columns_hash"],
            "decision": decision.key,
            "windows": content["windows"],
        }
    )


def _refuse_gone(bucket: ObjectStore, routes: Mapping[str, Route]) -> None:
    gone = [
        each.target for route in routes.values() for each in route.targets
        if not archives.kept(bucket, each.target)
    ]  # fmt: skip
    if gone:
        raise DeployRefused(
            f"{len(gone)} archives are not kept any more, the first is {gone[0]}. What serves stays as it "
            "is. Deploy that decision with the action split and its version: it makes the archive again."
        )


class _Names(NamedTuple):
    """Names of what serves, for people."""

    bucket: ObjectStore

    def route(self, route: Route | None) -> str:
        if route is None:
            return "nothing"
        champion = self.target(route.champion)
        if route.challenger is None:
            return champion
        return f"{champion}, and {self.target(route.challenger)} for {100 * route.share:g}% of the requests"

    def target(self, target: Target) -> str:
        decided = json.loads(self.bucket.get(target.decision) or b"{}")
        return f"{markdown(decided.get('chosen', 'a model'))} {code(target.version[:SHORT])}"
