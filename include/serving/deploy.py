"""What the tasks of bqx_deploy call: plan, pack, prepare, check, route, conclude.

Traffic moves last. Whatever is refused or fails before leaves the routing table, and with it every answer, as
it was; what fails while traffic moves is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from include.errors import DeployFailed, DeployRefused, MissingInput, NothingToDo, QualityError
from include.objects import ObjectStore
from include.pages import counted
from include.serving import archives, canary, endpoint, load_test, planning, probes, retention, routing
from include.serving import code as inference_code
from include.serving.canary import Bake, Change
from include.serving.endpoint import Clients
from include.serving.planning import DEPLOY, SPLIT
from include.serving.probes import Probe
from include.serving.requests import Wanted, wanted
from include.serving.routing import Route, Target
from include.training.choice import record
from include.training.requests import Account

__all__ = ["ask", "check", "conclude", "pack", "plan", "prepare", "route"]

log = logging.getLogger(__name__)

CONFIGS_KEPT = 2  # besides the one that runs
CROWD = 4  # requests for one model at once, by instance, while models are loaded at several instances
Plain = Mapping[str, Any]


def plan(
    bucket: ObjectStore, clients: Clients, account: Callable[[], Account], name: str, params: Plain
) -> dict[str, Any]:
    """Find out what is to be changed.

    Args:
        bucket: the whole bucket.
        clients: of AWS.
        account: tells where the endpoint runs; not asked if the action leaves the endpoint as it is.
        name: of the endpoint.
        params: those of the form.

    Returns:
        ``changes`` by pair, ``decisions`` whose archives are needed, ``wanted``, the endpoint, None if the
        action does not touch it; ``asks``, whether a person is asked; ``subject`` and ``page`` of the
        question; ``summary``.

    Raises:
        DeployRefused: there is nothing that the action could be done with.
    """
    current = routing.read(bucket)
    proposal = planning.propose(bucket, current, params)
    place = None
    lines = [f"Endpoint {name}, state {current.number} of the routing table."]
    if params["action"] in (DEPLOY, SPLIT):
        place = wanted(account(), name, inference_code.code_key(), params)
        lines.append(_becomes(clients, place))
    changes = {pair: Change(current.pairs.get(pair), after) for pair, after in proposal.routes.items()}
    moving = sorted(pair for pair, change in changes.items() if change.before != change.after)
    asks = bool(moving) or (place is not None and not _runs(clients, place))
    summary = f"{params['action'].capitalize()}: {len(moving)} of {len(changes)} pairs change" + (
        f", {len(proposal.left_out)} are left out." if proposal.left_out else "."
    )
    page = planning.page(bucket, current, proposal, [*lines, summary])
    log.info("%s\n%s", summary, page)
    return {
        "action": params["action"],
        "dry_run": params["dry_run"],
        "endpoint": name,
        "changes": {
            pair: {
                "before": None if each.before is None else each.before.to_dict(),
                "after": each.after.to_dict(),
            }
            for pair, each in changes.items()
        },
        "decisions": proposal.decisions,
        "left_out": proposal.left_out,
        "wanted": None if place is None else place._asdict(),
        "asks": asks and params["ask"] and not params["dry_run"],
        "subject": f"Serving, {params['action']}: change of {counted(len(moving), 'pair')}",
        "page": page,
        "summary": summary,
    }


def ask(planned: Plain) -> None:
    """Let a person be asked.

    Raises:
        NothingToDo: nothing would be changed.
    """
    if not planned["asks"]:
        raise NothingToDo(f"Nobody is asked. {planned['summary']}")


def pack(bucket: ObjectStore, planned: Plain) -> dict[str, Any]:
    """Make the archives that are to be served; what is wrong with one pair stops that pair only.

    Returns:
        ``refused``, why, by pair.

    Raises:
        NothingToDo: it is a dry run, or the action serves only what is there.
        DeployRefused: none could be made.
    """
    if planned["dry_run"]:
        raise NothingToDo(f"Dry run: the plan is all. {planned['summary']}")
    if not planned["wanted"]:
        raise NothingToDo("Every version that will answer is at the endpoint already.")
    refused: dict[str, str] = {}
    for pair, key in planned["decisions"].items():
        try:
            made = archives.ensure(bucket, record.read(bucket, key))
            log.info("%s is there.", bucket.uri(made.key))
        except (DeployRefused, MissingInput, QualityError) as error:
            log.error("%s is not deployed: %s", pair, error)
            refused[pair] = str(error)
    if len(refused) == len(planned["decisions"]):
        raise DeployRefused(
            f"None of {len(refused)} pairs can be deployed; what serves stays. The first reason: "
            f"{next(iter(refused.values()))}"
        )
    return {"refused": refused}


def prepare(bucket: ObjectStore, clients: Clients, planned: Plain) -> dict[str, Any]:
    """Make sure that code, model, configuration and alarms are there; returns what `Wanted` takes."""
    place = Wanted(**planned["wanted"])
    key = inference_code.code_key()
    if f"s3://{bucket.bucket}/{key}" != place.code:
        raise DeployRefused(
            "The inference code changed since this run planned. Nothing was changed: start another run."
        )
    bucket.put_once(key, inference_code.pack())
    endpoint.ensure_parts(clients, place)
    return place._asdict()


def check(
    bucket: ObjectStore, clients: Clients, runtime: Any, planned: Plain, packed: Plain, params: Plain
) -> dict[str, Any]:
    """Load every model before anybody waits for it, then measure.

    Returns:
        ``load`` and ``after_quiet``, as of `load_test.Load`; ``rounds`` until all were loaded;
        ``summary``.

    Raises:
        DeployFailed: the endpoint is too slow, fails or gives a wrong answer; traffic was not moved.
    """
    name = planned["endpoint"]
    routes = {pair: each.after for pair, each in _changes(planned, packed).items()}
    asked = probes.probes(bucket, _targets(routes))
    put = probes.asker(runtime, name)
    instances = _instances(clients, name)
    limit = params["p99_ms"]
    copies = 1 if instances == 1 else CROWD * instances
    targets = {probe.target for probe in asked}
    others = _others(bucket, targets)  # new instances have none of the models that serve now
    warmth = load_test.warm(put, [*asked[: len(targets)], *others], limit, copies)
    measured = load_test.check(
        put, asked, limit, params["load_rate"], params["load_seconds"], params["quiet_seconds"]
    )
    load, quiet = measured.values()
    models = len(targets) + len(others)
    summary = (
        f"Endpoint {name}, {models} models on {instances} instances, loaded after {warmth.rounds} "
        f"rounds.\n  under load   {load}\n  after quiet  {quiet}"
    )
    log.info(summary)
    return {
        "load": load._asdict(),
        "after_quiet": quiet._asdict(),
        "rounds": warmth.rounds,
        "summary": summary,
    }


def route(
    bucket: ObjectStore,
    clients: Clients,
    runtime: Any,
    planned: Plain,
    packed: Plain | None,
    params: Plain,
    run: str,
) -> dict[str, Any]:
    """Let the new versions answer: a canary where another version served, at once where none did.

    Returns:
        ``state``, number of the routing table; ``steps`` of the canary; ``summary``.

    Raises:
        NothingToDo: it is a dry run.
        DeployFailed: a canary was taken back.
        DeployRefused: somebody else changed the routes.
    """
    if planned["dry_run"]:
        raise NothingToDo(f"Dry run: the plan is all. {planned['summary']}")
    name, action = planned["endpoint"], planned["action"]
    changes = _changes(planned, packed)
    replaced = {
        pair: each for pair, each in changes.items()
        if action == DEPLOY and each.before is not None and each.before.champion != each.after.champion
    }  # fmt: skip
    others = {pair: each for pair, each in changes.items() if pair not in replaced}
    steps: list[Any] = []
    why = f"{action} of {counted(len(changes), 'pair')}"
    if others:
        canary.move(bucket, name, others, 1, why, run)
    if replaced:
        bake = Bake(
            probes.asker(runtime, name),
            clients.cloudwatch,
            params["load_rate"],
            params["bake_seconds"],
            params["p99_ms"],
        )
        steps = canary.grow(bucket, name, replaced, params["shares"], bake, why, run)
    state = routing.read(bucket)
    summary = f"State {state.number} of the routing table: {counted(len(state.pairs), 'pair')} served."
    for share, load in steps:
        summary += f"\n  {100 * share:3g}% new  {load}"
    log.info(summary)
    return {
        "state": state.number,
        "steps": [[share, load._asdict()] for share, load in steps],
        "summary": summary,
    }


def conclude(
    bucket: ObjectStore, clients: Clients, planned: Plain, packed: Plain | None, params: Plain
) -> None:
    """Remove what nothing needs any more; name the pairs that could not be deployed, and fail then.

    Raises:
        NothingToDo: it is a dry run.
        DeployFailed: pairs are missing.
    """
    if planned["dry_run"]:
        raise NothingToDo("Dry run: nothing was changed.")
    removed = retention.clean_up(bucket, params["keep_states"]).removed
    with endpoint.refusals("remove old configurations"):
        removed += endpoint.tidy(clients.sagemaker, planned["endpoint"], CONFIGS_KEPT)
    log.info("Removed: %s", ", ".join(removed) or "nothing")
    refused = (packed or {"refused": {}})["refused"]
    if refused:
        said = "\n".join(f"  {pair}: {why}" for pair, why in refused.items())
        raise DeployFailed(
            f"{counted(len(refused), 'pair')} not deployed; what served them before serves on:\n{said}"
        )


def _targets(routes: Mapping[str, Route]) -> list[tuple[str, Target]]:
    return sorted({(pair, target) for pair, route in routes.items() for target in route.targets})


def _others(bucket: ObjectStore, targets: Collection[Target]) -> list[Probe]:
    """A question for each other model that answers now; one that is broken stops no deployment."""
    found: list[Probe] = []
    for pair, target in _targets(routing.read(bucket).pairs):
        if target not in targets:
            try:
                found += probes.probes(bucket, [(pair, target)], each=1)
            except (MissingInput, QualityError) as error:
                log.warning("%s cannot be loaded: %s", pair, error)
    return found


def _changes(planned: Plain, packed: Plain | None) -> dict[str, Change]:
    """The changes of the pairs whose archives are there."""
    refused = (packed or {"refused": {}})["refused"]
    return {
        pair: Change(None if told["before"] is None else Route.of(told["before"]), Route.of(told["after"]))
        for pair, told in planned["changes"].items()
        if pair not in refused
    }


def _becomes(clients: Clients, place: Wanted) -> str:
    """What becomes of the endpoint, a sentence."""
    told = place.config["ProductionVariants"][0]
    size = f"{told['InitialInstanceCount']} instances {told['InstanceType']}"
    if _runs(clients, place):
        return "The endpoint stays as it is."
    found = endpoint.look(clients.sagemaker, place.endpoint)
    if found is None:
        return f"The endpoint is made: {size}."
    status = found["EndpointStatus"]
    return f"The endpoint is updated ({status} now): {size}, configuration {place.config_name}."


def _runs(clients: Clients, place: Wanted) -> bool:
    found = endpoint.look(clients.sagemaker, place.endpoint)
    return found is not None and (found["EndpointStatus"], found["EndpointConfigName"]) == (
        endpoint.IN_SERVICE,
        place.config_name,
    )


def _instances(clients: Clients, name: str) -> int:
    variants = (endpoint.look(clients.sagemaker, name) or {}).get("ProductionVariants", ())
    return max(1, sum(int(each.get("CurrentInstanceCount", 1)) for each in variants))
