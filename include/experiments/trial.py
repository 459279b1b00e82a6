"""An experiment: models with other params, trained on a data set that is there, against the champions.

Nothing is decided or deployed: jobs leave archives, and these are compared with what serves on days that
neither has seen. The rollout rule says whether the params are worth proposing for all pairs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from include.dataset.export import open_manifest
from include.errors import MissingInput, NothingToDo, TrainingFailed
from include.experiments.forms import TRY
from include.forms import TRAINING_PARAMS
from include.names import to_datetime, to_minute
from include.objects import ObjectStore
from include.retraining import scores
from include.retraining.holdout import holdout, seen_until
from include.serving import archives, batch, routing
from include.serving.container.inference import Loaded
from include.storage.connection import connect
from include.training import jobs
from include.training.choice import record
from include.training.choice.record import rounded
from include.training.container.inference import load_bundle
from include.training.requests import Account

__all__ = ["FOLDER", "GAIN", "compare", "conclude", "plan"]

FOLDER = "experiments"  # in the bucket

GAIN = 0.03  # of skill, mean over the pairs, above which the params are proposed for all pairs
NO_PARAMS = ("pair", "content_hash", "nthread", "backtest")  # of a job: they do not change what is learned

Plain = dict[str, Any]


def plan(bucket: ObjectStore, account: Account, params: Mapping[str, Any]) -> Plain:
    """The jobs of an experiment: one model for each pair; see `include.training.jobs.plan`.

    Raises:
        NothingToDo: the form does not ask for an experiment.
    """
    if params["action"] != TRY:
        raise NothingToDo("No params are tried: the form asks for the result of a split.")
    asked = {name: schema["default"] for name, schema in TRAINING_PARAMS.items()} | dict(params)
    alone = {"models": [params["model"]], "networks": [], "tune": False, "dry_run": False}
    return jobs.plan(bucket, account, asked | alone)


def compare(url: str, bucket: ObjectStore, planned: Mapping[str, Any], pair: str, days: int) -> Plain:
    """The experiment's model of a pair against the champion.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        planned: from `include.training.jobs.plan`, with one model for each pair.
        pair: one of its pairs.
        days: of the hold-out, at most.

    Returns:
        Skill of both and the gain with its interval, days of the hold-out, ``params`` that differ, and
        ``looks``: models that experiments have compared on hold-outs which end on the same day.

    Raises:
        MissingInput: nothing serves the pair, or there is no day that neither has seen.
        TrainingFailed: its job has not completed.
    """
    champion = routing.read(bucket).pairs.get(pair)
    if champion is None:
        raise MissingInput(
            f"Nothing serves {pair}, so there is nothing to compare with. Run bqx_deploy first."
        )
    manifest = open_manifest(bucket._replace(prefix="datasets"), planned["dataset_id"])
    end, own = _end(manifest.source), to_minute(datetime.fromisoformat(manifest.splits["val"]["to"]))
    seen = seen_until(bucket, record.read(bucket, champion.champion.decision))
    window = None if seen is None else holdout(end, (seen, own), days)
    if window is None:
        raise MissingInput(
            f"{pair}: data set {planned['dataset_id']} has no whole trading day that the champion has not "
            "seen. Load newer bars and make a data set of them first."
        )
    models = batch.load(bucket, pair, champion.champion), _trained(bucket, planned, pair)
    with connect(url) as connection:
        found, _ = scores.of_two(connection, pair, models, window, end)
    if found is None:
        raise MissingInput(f"{pair}: no row of the hold-out can be forecast by both models.")
    told = {
        "pair": pair,
        "params": _differences(*models),
        "days": found.days,
        "from": to_datetime(window.first).isoformat(),
        "to": to_datetime(window.end).isoformat(),
        "champion": rounded(found.champion.skill),
        "experiment": rounded(found.challenger.skill),
        "gain": rounded(found.challenger.skill - found.champion.skill),
        "low": found.low,
        "high": found.high,
    }
    return told | {"looks": _note(bucket, told, models[1].version)}


def conclude(compared: Iterable[Plain | None] | None, pairs: Iterable[str]) -> Plain:
    """The rollout rule: propose the params if skill grows by more than `GAIN` in the mean of all pairs.

    Raises:
        TrainingFailed: a pair could not be compared: the mean of some pairs is another one.
    """
    found = [each for each in compared or () if each]
    if absent := sorted(set(pairs) - {each["pair"] for each in found}):
        raise TrainingFailed(
            f"Not compared: {', '.join(absent)}. Their tasks train and compare say why; clear them. The "
            "rollout rule is about the mean of all pairs."
        )
    gain = rounded(sum(each["gain"] for each in found) / len(found))
    words = "propose" if gain > GAIN else "do not roll out"
    listed = ", ".join(f"{each['pair']} {each['gain']:+.4f}" for each in found)
    return {
        "roll_out": gain > GAIN,
        "gain": gain,
        "pairs": found,
        "summary": f"Gain of skill {gain:+.4f} ({listed}); the rule asks for more than {GAIN}: {words}.",
    }


def _trained(bucket: ObjectStore, planned: Mapping[str, Any], pair: str) -> Loaded:
    """The model that the job of a pair left, ready to forecast."""
    job = next(job for job in planned["jobs"] if job["pair"] == pair)
    result = jobs.result_of(bucket, planned["content_hash"], job["name"])
    body = None if result is None else bucket.get(result["model"])
    if body is None:
        raise TrainingFailed(
            f"The job {job['name']} has not completed, or its archive is gone. Clear its task."
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in archives.unpacked(body).items():
            (Path(folder) / name).write_bytes(content)
        bundle = load_bundle(Path(folder))
    about = bundle.about
    windows = {int(each["minutes"]): int(each["window"]) for each in about["horizons"]}
    return Loaded(
        pair, job["name"], about["columns_hash"], tuple(about["columns"]), windows, ((1.0, bundle),)
    )


def _note(bucket: ObjectStore, told: Plain, version: str) -> int:
    """Keep a comparison, and count those on the same days: a task that runs again adds none."""
    folder = f"{FOLDER}/{told['pair']}/{told['to'][:10]}/"
    bucket.put(f"{folder}{version}.json", json.dumps(told, indent=1).encode())
    return sum(1 for _ in bucket.list(folder))


def _differences(champion: Loaded, experiment: Loaded) -> dict[str, list[str | None]]:
    """Params in which both differ, each with the value of champion and experiment; None if it has none."""
    before, after = _params(champion), _params(experiment)
    names = sorted(before.keys() | after.keys())
    pairs = {name: [before.get(name), after.get(name)] for name in names if name not in NO_PARAMS}
    return {name: values for name, values in pairs.items() if values[0] != values[1]}


def _params(model: Loaded) -> dict[str, str]:
    """What the jobs of a model were told; values in which its members differ, in their order."""
    found: dict[str, dict[str, None]] = {}
    for _, bundle in model.members:
        for name, value in bundle.about["hyperparameters"].items():
            found.setdefault(name, {})[str(value)] = None
    return {name: " / ".join(values) for name, values in found.items()}


def _end(source: Mapping[str, Any]) -> int:
    return to_minute(datetime.fromisoformat(source["to"]))
