"""Application Auto Scaling that acts: moto keeps targets and policies, this changes numbers of instances.

Policies track a target of ``SageMakerVariantInvocationsPerInstance``, invocations a minute; others are kept
and not followed. What moto was told is also kept in a file, and told to it again after a restart.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local.aws.hosting import documents
from local.aws.hosting.fleet import Tools
from local.aws.hosting.kinds import ENDPOINT, IN_SERVICE
from local.aws.hosting.metrics import Place
from local.aws.small import SmallServices
from local.aws.store import Document

METRIC = "SageMakerVariantInvocationsPerInstance"
COOLDOWN = 300  # seconds, if a policy says nothing
# As in the alarms that AWS makes for a policy: minutes in a row above the target, or below this share of it.
HIGH, LOW = 3, 15
SLACK = 0.9

Told = list[tuple[str, str, dict[str, Any]]]


class Target(NamedTuple):
    """A variant that is scaled.

    Attributes:
        place: region, endpoint and variant.
        least, most: instances.
        policy: TargetTrackingScalingPolicyConfiguration; None for none that is followed.
    """

    place: Place
    least: int
    most: int
    policy: Mapping[str, Any] | None


class Scaling:
    """Follows the policies.

    Args:
        tools: what the endpoints share.
        scale: lets a variant of an endpoint have so many instances.
    """

    def __init__(self, tools: Tools, scale: Callable[[str, str, int], None]) -> None:
        self._tools, self._scale = tools, scale
        self._path: Path = tools.settings.scaling
        self._told: Told = _read(self._path)
        self._restored = False
        self._changed: dict[Place, float] = {}
        tools.services.on_load.append(self._restore)

    def is_target(self, region: str, endpoint: str, variant: str) -> bool:
        """Whether a variant is registered for scaling."""
        self.look()
        return Place(region, endpoint, variant) in [target.place for target in _targets(self._told)]

    def step(self) -> None:
        """Look at the load of every target, and act."""
        self.look()
        for target in _targets(self._told):
            endpoint = self._tools.endpoints.find(target.place.endpoint)
            if endpoint is not None and ENDPOINT.status(endpoint) == IN_SERVICE:
                self._follow(target, endpoint)

    def _follow(self, target: Target, endpoint: Document) -> None:
        variants = {each["VariantName"]: each for each in endpoint["ProductionVariants"]}
        variant = variants.get(target.place.variant)
        if variant is None:
            return
        now = int(variant[documents.COUNT])
        wanted = min(max(self._wanted(target, now), target.least), target.most)
        if wanted != now:
            self._changed[target.place] = time.monotonic()
            self._scale(target.place.endpoint, target.place.variant, wanted)

    def _wanted(self, target: Target, now: int) -> int:
        """Instances that the load of the last minutes asks for, unless a cool-down is not over."""
        if target.policy is None:
            return now
        minute = self._tools.settings.minute
        counts = self._tools.metrics.counts(target.place, minute, LOW)
        goal = float(target.policy["TargetValue"])
        needed = math.ceil(counts[0] / goal)
        is_high = min(counts[:HIGH]) > goal * now
        is_low = max(counts) <= SLACK * goal * (now - 1)
        if not (is_high or (is_low and needed < now)):
            return now
        cooldown = target.policy.get("ScaleOutCooldown" if needed > now else "ScaleInCooldown", COOLDOWN)
        since = time.monotonic() - self._changed.get(target.place, -math.inf)
        return needed if since >= cooldown * minute / 60 else now

    def look(self) -> None:
        """Write down what moto has been told since the last look."""
        if not self._restored:
            return
        told = self._tools.services.scaling()
        if told != self._told:
            self._told = told
            unfinished = self._path.with_suffix(".new")
            unfinished.write_text(json.dumps(told))
            unfinished.replace(self._path)

    def _restore(self, services: SmallServices) -> None:
        services.restore_scaling(self._told)
        self._restored = True


def _targets(told: Told) -> list[Target]:
    policies: dict[tuple[str, str], Mapping[str, Any]] = {}
    for region, operation, known in told:
        if operation == "put_scaling_policy" and known["policy_type"] == "TargetTrackingScaling":
            config = known["policy_body"]
            if config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType") == METRIC:
                policies[region, known["resource_id"]] = config
    found = []
    for region, operation, known in told:
        if operation == "register_scalable_target":
            _, endpoint, _, variant = known["r_id"].split("/")
            policy = policies.get((region, known["r_id"]))
            least, most = int(known["min_capacity"] or 0), int(known["max_capacity"] or 0)
            found.append(Target(Place(region, endpoint, variant), least, most, policy))
    return found


def _read(path: Path) -> Told:
    try:
        return [(region, operation, known) for region, operation, known in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
