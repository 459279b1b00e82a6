"""Traffic moves to new versions by growing shares; errors, slowness or a wrong answer bring it back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.errors import DeployFailed, DeployRefused
from include.objects import ObjectStore
from include.serving import archives, load_test, probes, routing
from include.serving.endpoint import refusals
from include.serving.probes import Ask, Probe
from include.serving.requests import NAMESPACE, VARIANT
from include.serving.routing import Route, Routing, Target

__all__ = ["Bake", "Change", "grow", "move"]

log = logging.getLogger(__name__)

MOST_ERRORS = 0.01  # share of all requests of the endpoint, also those of others


class Change(NamedTuple):
    """How the route of a pair changes.

    Attributes:
        before: None if nothing served the pair.
        after: in the end.
    """

    before: Route | None
    after: Route

    @property
    def new(self) -> Target:
        """Who gets traffic."""
        return self.after.challenger or self.after.champion

    def step(self, share: float) -> Route:
        """The route on which the new version answers a share."""
        return self.after if share == 1 else routing.split(self.before, self.new, share)

    @property
    def without(self) -> Route | None:
        """The route without the new version, also where an earlier run was lost while it got its share."""
        before = self.before
        return before if before is None or before.challenger != self.new else Route(before.champion)

    def share_of(self, present: Route | None) -> float:
        """How far the change has come, 0 to 1.

        Raises:
            DeployRefused: the route is none of those that this change goes through.
        """
        if present == self.after:
            return 1.0
        if present is not None and present.challenger == self.new and self._keeps(present.champion):
            return present.share
        if present == self.before:
            return 0.0
        raise DeployRefused(
            "Somebody changed the routing table since this run planned. Start another run of bqx_deploy, "
            "which shows what serves now."
        )

    def passes(self, present: Route | None) -> bool:
        """Whether the route is one that this change goes through."""
        try:
            self.share_of(present)
        except DeployRefused:
            return False
        return True

    def _keeps(self, champion: Target) -> bool:
        return self.before is not None and self.before.champion == champion


class Bake(NamedTuple):
    """How each step of a canary is judged.

    Attributes:
        ask: puts a probe to the endpoint.
        cloudwatch: boto3 client, for the errors of other clients.
        rate: requests per second that are added.
        seconds: how long.
        limit_ms: that P99 may have.
    """

    ask: Ask
    cloudwatch: Any
    rate: float
    seconds: float
    limit_ms: float


def move(
    bucket: ObjectStore, endpoint: str, changes: Mapping[str, Change], share: float, why: str, run: str
) -> Routing:
    """Let the new versions answer a share of the requests, or more where they do already.

    Args:
        bucket: the whole bucket.
        endpoint: that serves.
        changes: by pair.
        share: 1 for what the changes lead to.
        why: for the routing table.
        run: likewise.

    Raises:
        DeployRefused: somebody else changed the route of a pair.
    """
    columns = _columns(bucket, changes.values())

    def change(current: Routing) -> Routing:
        routes = {
            pair: each.step(max(share, each.share_of(current.pairs.get(pair))))
            for pair, each in changes.items()
        }
        return routing.assign(current, routes, columns, endpoint)

    return routing.publish(bucket, change, why, run)


def grow(
    bucket: ObjectStore,
    endpoint: str,
    changes: Mapping[str, Change],
    shares: Sequence[float],
    bake: Bake,
    why: str,
    run: str,
) -> list[tuple[float, load_test.Load]]:
    """Move traffic step by step. Called again after a kill, it goes on with the share that it had reached.

    Args:
        bucket: the whole bucket.
        endpoint: that serves.
        changes: by pair; each replaces a champion.
        shares: ascending; the last step is always all.
        bake: how a step is judged.
        why: for the routing table.
        run: likewise.

    Returns:
        Share and what was measured, for each step.

    Raises:
        DeployFailed: a step was not good enough, or could not be watched; the routes are as before.
    """
    current = routing.read(bucket)
    reached = min(each.share_of(current.pairs.get(pair)) for pair, each in changes.items())
    asked = _probes(bucket, changes)
    steps = []
    for share in [each for each in (*sorted(set(shares) - {1.0}), 1.0) if each >= reached]:
        cause = None
        try:
            table = move(bucket, endpoint, changes, share, f"{why}: {100 * share:g}%", run)
            begin = datetime.now(UTC)
            load = _baked(table, sorted(changes), asked, bake, run)
            log.info("%g%% of the requests go to the new versions: %s", 100 * share, load)
            wrong = load_test.judge(load, bake.limit_ms) or _errors(bake.cloudwatch, endpoint, begin)
        except Exception as error:  # whatever it is, nobody watches the new versions any more
            wrong, cause = f"the canary went no further ({type(error).__name__}: {error})", error
        if wrong:
            _take_back(bucket, endpoint, changes, f"{why} was taken back at {100 * share:g}%: {wrong}", run)
            raise DeployFailed(
                f"With {100 * share:g}% of the requests {wrong}. All requests of "
                f"{', '.join(sorted(changes))} go to the versions that served before, unless somebody else "
                "changed their routes. The decisions stay: find the cause, then deploy again."
            ) from cause
        steps.append((share, load))
    return steps


def _take_back(bucket: ObjectStore, endpoint: str, changes: Mapping[str, Change], why: str, run: str) -> None:
    """Restore the routes; those of other pairs, and those that somebody else changed, stay as they are."""
    columns = _columns(bucket, changes.values())

    def change(current: Routing) -> Routing:
        before = {
            pair: each.without for pair, each in changes.items()
            if each.without is not None and each.passes(current.pairs.get(pair))
        }  # fmt: skip
        return routing.assign(current, before, columns, endpoint)

    routing.publish(bucket, change, why, run)


def _columns(bucket: ObjectStore, changes: Iterable[Change]) -> dict[str, list[str]]:
    """The columns of everything that may answer; an archive is read for each list of them."""
    found: dict[str, list[str]] = {}
    for change in changes:
        for route in (change.after, change.before):
            for target in () if route is None else route.targets:
                if target.feature_hash not in found:
                    found[target.feature_hash] = list(archives.described(bucket, target.target).columns)
    return found


def _probes(bucket: ObjectStore, changes: Mapping[str, Change]) -> dict[tuple[str, Target], list[Probe]]:
    targets = {
        (pair, target)
        for pair, each in changes.items()
        for route in (each.before, each.after)
        for target in (() if route is None else route.targets)
    }
    found: dict[tuple[str, Target], list[Probe]] = {}
    for probe in probes.probes(bucket, sorted(targets)):
        found.setdefault((probe.pair, probe.target), []).append(probe)
    return found


def _baked(
    table: Routing,
    pairs: Sequence[str],
    asked: Mapping[tuple[str, Target], Sequence[Probe]],
    bake: Bake,
    run: str,
) -> load_test.Load:
    """Ask as clients do: the table chooses who answers."""
    chosen = []
    for number in range(max(1, round(bake.rate * bake.seconds))):
        pair = pairs[number % len(pairs)]
        some = asked[pair, table.choose(pair, f"{run} {table.number} {number}")]
        chosen.append(some[number // len(pairs) % len(some)])
    return load_test.run(bake.ask, chosen, bake.rate, bake.seconds)


def _errors(cloudwatch: Any, endpoint: str, begin: datetime) -> str:
    """What CloudWatch knows of the requests of all clients since then; empty if few of them failed."""
    with refusals("read the metrics of the endpoint"):
        told = _summed(cloudwatch, endpoint, begin)
        failed, asked = told("Invocation5XXErrors"), told("Invocations")
    if failed > MOST_ERRORS * asked:
        return f"{failed:.0f} of {asked:.0f} requests of all clients failed"
    return ""


def _summed(cloudwatch: Any, endpoint: str, begin: datetime) -> Callable[[str], float]:
    """Sums of metrics; SageMaker counts by the minute."""

    def sum_of(metric: str) -> float:
        found = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": VARIANT},
            ],
            StartTime=begin.replace(second=0, microsecond=0),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    return sum_of
