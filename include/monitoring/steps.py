"""The tasks of the DAG bqx_monitor: one function each, plain values in and out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from include.dataset.export import open_manifest, read_document
from include.dataset.manifest import Manifest
from include.dataset.profile import PairProfile
from include.errors import Incomplete, NothingToDo
from include.monitoring import (
    cloudwatch,
    drift,
    forecasts,
    pictures,
    provision,
    reference,
    retrainings,
    store,
    triggers,
)
from include.monitoring import pair as of_pair
from include.monitoring.cost import cost_readings
from include.monitoring.declaration import declared
from include.monitoring.endpoint import endpoint_readings
from include.monitoring.freshness import data_age, missing_in_training
from include.monitoring.pair import Served
from include.monitoring.performance import baseline_of
from include.monitoring.scoreboard import Measured, scoreboard, summary
from include.monitoring.sessions import whole_days
from include.monitoring.values import CRITICAL, NO_DATA, WARNING, Budget, Reading, over_all
from include.names import to_datetime, to_minute
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.serving import captures, clock, routing
from include.storage.connection import connect
from include.training.choice import record

__all__ = [
    "PROVIDED", "SCOREBOARD", "Clients", "bound", "complete", "conclude", "draw", "drifted", "learn", "plan",
    "provide", "select", "watch",
]  # fmt: skip


class Clients(NamedTuple):
    """boto3 clients of what a run asks."""

    cloudwatch: Any
    cost_explorer: Any
    sagemaker: Any


# In the bucket, of the newest run: the scoreboard; names of the alarms and dashboards in CloudWatch.
SCOREBOARD, PROVIDED = "monitoring/scoreboard.json", "monitoring/provided.json"

Plain = dict[str, Any]


def plan(url: str, bucket: ObjectStore, params: Mapping[str, Any], mode: str, budget: Budget) -> Plain:
    """Decide as of when which models are watched.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        params: ``pairs``, ``window_days`` and ``dry_run``.
        mode: see `include.serving.clock.as_of`.
        budget: from the project plan.

    Returns:
        Plain values for the other tasks.

    Raises:
        NothingToDo: no model of these pairs is deployed.
    """
    table = routing.read(bucket)
    served = {pair: table.pairs[pair].champion for pair in params["pairs"] if pair in table.pairs}
    if not served:
        raise NothingToDo("No model of these pairs is deployed: run bqx_deploy first.")
    with connect(url) as connection:
        moment = clock.as_of(connection, mode)
        if not params["dry_run"]:
            captures.ensure_table(connection)  # the API's account may not be allowed to make it
    return {
        "as_of": to_datetime(moment).isoformat(),
        "window_days": params["window_days"],
        "dry_run": params["dry_run"],
        "endpoint": table.endpoint,
        "budget": budget._asdict(),
        "models": {
            pair: {"decision": target.decision, "columns": table.columns[target.feature_hash]}
            for pair, target in served.items()
        },
    }


def select(planned: Plain) -> list[str]:
    """The pairs to watch; none in a dry run."""
    return [] if planned["dry_run"] else list(planned["models"])


def learn(bucket: ObjectStore, datasets: ObjectStore, planned: Plain, pair: str) -> Plain:
    """Make sure that the training rows of the model of a pair are counted, once for each data set.

    Args:
        bucket: the whole bucket.
        datasets: where data sets are.
        planned: what `plan` returned.
        pair: one of its models.

    Returns:
        Trading days of the training set, and its ``peaks``, for `bound`.

    Raises:
        MissingInput: the data set or its rows of the pair are gone.
        QualityError: a record, manifest or file is not the one that was written.
    """
    manifest = _manifest(bucket, datasets, planned, pair)
    found = reference.load(bucket, manifest, pair) or reference.build(bucket, datasets, manifest, pair)
    return {"pair": pair, "days": int(found.days.size), "peaks": sorted(drift.peaks(found).items())}


def bound(learned: Iterable[Plain | None]) -> float | None:
    """The bound of drift for all columns of all pairs; None if no training set is long enough.

    Args:
        learned: what `learn` returned for each pair; None where it failed.
    """
    return drift.limit(dict(each["peaks"]) for each in learned if each)


def watch(
    url: str, bucket: ObjectStore, datasets: ObjectStore, planned: Plain, pair: str, k: float | None, run: str
) -> Plain:
    """Read everything about one pair, and keep it in the table of values.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        datasets: where data sets are.
        planned: what `plan` returned.
        pair: one of its models.
        k: from `bound`.
        run: of the DAG.

    Returns:
        How many values were read, how many have no data, and those beyond a limit.

    Raises:
        MissingInput: the reference was not made, or bars of a pair that is read are gone.
        QualityError: a record, manifest or document is not the one that was written.
    """
    as_of, values = _as_of(planned), declared(_budget(planned))
    served = _served(bucket, datasets, planned, pair)
    with connect(url) as connection:
        readings = [
            data_age(connection, pair, as_of),
            *of_pair.of_forecasts(connection, pair, served.baseline, as_of, planned["window_days"]),
            *of_pair.of_features(connection, served, k, as_of),
        ]
        kept = store.keep(connection, values, readings, as_of, run)
    return {
        "pair": pair,
        "values": len(kept),
        "no_data": sum(each.level == NO_DATA for each in kept),
        "beyond": {each.reading.name: each.level for each in kept if each.level in (WARNING, CRITICAL)},
    }


def conclude(
    url: str,
    bucket: ObjectStore,
    datasets: ObjectStore,
    clients: Clients,
    planned: Plain,
    run: str,
    more: Iterable[Reading] = (),
) -> Plain:
    """Read what holds for all pairs, publish everything, and fill the scoreboard.

    Args:
        url: libpq connection string.
        bucket: the whole bucket; the scoreboard goes there, see `SCOREBOARD`.
        datasets: where data sets are.
        clients: what CloudWatch, Cost Explorer and SageMaker are asked by.
        planned: what `plan` returned.
        run: of the DAG.
        more: readings of retraining.

    Returns:
        Values over all pairs by name, levels of those that have rules, the scoreboard, the pairs that were
        not watched, and all of it in a few lines as ``summary``.

    Raises:
        NothingToDo: it is a dry run.
    """
    if planned["dry_run"]:
        raise NothingToDo("Dry run: nothing is published.")
    as_of, values = _as_of(planned), declared(_budget(planned))
    pairs, moment = list(planned["models"]), datetime.now(UTC)  # of the metrics, not of the data
    with connect(url) as connection:
        found = [each.reading for each in store.found_by(connection, as_of, run) if each.reading.pair]
        window = whole_days(as_of, planned["window_days"])
        readings = [
            *_over_all(values, found, pairs),
            *_captures(*forecasts.captured(connection, window.first, as_of)),
            Reading("monitor_runs", 1.0),
            *endpoint_readings(clients.cloudwatch, values, planned["endpoint"], moment),
            *cost_readings(clients.cost_explorer, clients.sagemaker, _budget(planned), moment),
            *retrainings.readings(connection, datetime.now(UTC)),
            *more,
        ]
        kept = store.keep(connection, values, readings, as_of, run)
    for request in cloudwatch.metric_data(values, [*found, *readings], planned["endpoint"], moment):
        clients.cloudwatch.put_metric_data(**request)
    told = {each.name: each.value for each in readings if not each.line}
    measured = Measured.of(told, _stability(bucket, datasets, planned))
    lines = [line.to_dict() for line in scoreboard(measured, _budget(planned))]
    bucket.put(SCOREBOARD, json.dumps({"as_of": planned["as_of"], "lines": lines}, indent=1).encode())
    levels = {each.reading.name: each.level for each in kept if values[each.reading.name].rules}
    return {
        "as_of": planned["as_of"],
        "values": told,
        "levels": levels,
        "scoreboard": lines,
        "absent": sorted(set(pairs) - {each.pair for each in found}),
        "summary": summary(lines, levels),
    }


def provide(client: Any, bucket: ObjectStore, planned: Plain) -> Plain:
    """Bring alarms and dashboards in CloudWatch to what is declared.

    It comes after the values were published: an alarm on silence would else begin with one.

    Args:
        client: boto3 client of CloudWatch.
        bucket: the whole bucket; what there is now is written down there, see `PROVIDED`.
        planned: what `plan` returned.
    """
    if planned["dry_run"]:
        raise NothingToDo("Dry run: nothing is set up.")
    budget = _budget(planned)
    done = provision.provide(client, declared(budget), budget, planned["endpoint"], list(planned["models"]))
    bucket.put(PROVIDED, json.dumps(done._asdict(), indent=1).encode())
    return done._asdict()


def draw(url: str, reports: Reports, planned: Plain, run: str) -> Plain:
    """Draw both dashboards for people, from the table of values; returns links, and a ``summary``.

    Args:
        url: libpq connection string.
        reports: where reports go.
        planned: what `plan` returned.
        run: of the DAG.
    """
    budget = _budget(planned)
    with connect(url) as connection:
        history = store.history(connection, _as_of(planned))
    files = pictures.dashboards(declared(budget), budget, history)
    links = reports.write("monitoring", run, files)
    return {"links": links, "summary": f"Dashboards: {links[INDEX]}"}


def complete(absent: Sequence[str], planned: Plain) -> None:
    """Fail if a pair was not watched: what was found of the others has been published.

    Args:
        absent: from `conclude`.
        planned: what `plan` returned.

    Raises:
        Incomplete: it names them.
    """
    if absent:
        raise Incomplete(
            f"{len(absent)} of {len(planned['models'])} pairs were not watched: {', '.join(absent)}. Look at "
            "their tasks learn and watch, mend the cause and clear them; what was found of the others is "
            "published."
        )


def drifted(url: str, planned: Plain) -> Plain:
    """What asks for a retraining; see `include.monitoring.triggers.asking`.

    Raises:
        NothingToDo: it is a dry run, nothing asks, or something has asked already.
    """
    if planned["dry_run"]:
        raise NothingToDo("Dry run: nothing was watched.")
    with connect(url) as connection:
        return triggers.asking(connection, _as_of(planned))


def _over_all(values: Mapping[str, Any], found: list[Reading], pairs: list[str]) -> list[Reading]:
    out = []
    for value in values.values():
        if value.overall:
            of_pairs = {each.pair: each for each in found if each.name == value.name and not each.horizon}
            lacking = Reading(value.name, None)
            out.append(over_all(value, [of_pairs.get(pair, lacking._replace(pair=pair)) for pair in pairs]))
    return out


def _stability(bucket: ObjectStore, datasets: ObjectStore, planned: Plain) -> float | None:
    """Of the ranking of the columns: the least of the data sets of the models, None if one has none."""
    told = [_manifest(bucket, datasets, planned, pair).extra.get("stability") for pair in planned["models"]]
    known = [float(each) for each in told if each is not None]
    return min(known) if len(known) == len(told) else None


def _captures(captured: int, lost: int) -> list[Reading]:
    share = lost / (captured + lost) if captured + lost else None
    note = "" if share is not None else "No answer was captured in the window."
    return [Reading("captures", float(captured)), Reading("captures_lost", share, note=note)]


def _served(bucket: ObjectStore, datasets: ObjectStore, planned: Plain, pair: str) -> Served:
    model = planned["models"][pair]
    manifest = _manifest(bucket, datasets, planned, pair)
    known = reference.load(bucket, manifest, pair)
    if known is None:
        known = reference.build(bucket, datasets, manifest, pair)
    return Served(
        pair,
        tuple(model["columns"]),
        baseline_of(record.read(bucket, model["decision"]).content),
        known,
        missing_in_training(_profile(datasets, manifest, pair), model["columns"]),
    )


def _profile(datasets: ObjectStore, manifest: Manifest, pair: str) -> PairProfile:
    with np.load(io.BytesIO(read_document(datasets, manifest, "profile")), allow_pickle=False) as stored:
        return PairProfile.of(
            {name.removeprefix(f"{pair}/"): stored[name] for name in stored if name.startswith(f"{pair}/")}
        )


def _manifest(bucket: ObjectStore, datasets: ObjectStore, planned: Plain, pair: str) -> Manifest:
    decision = record.read(bucket, planned["models"][pair]["decision"]).content
    return open_manifest(datasets, decision["dataset_id"])


def _budget(planned: Plain) -> Budget:
    return Budget(**planned["budget"])


def _as_of(planned: Plain) -> int:
    return to_minute(datetime.fromisoformat(planned["as_of"]))
