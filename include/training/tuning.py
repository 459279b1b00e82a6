"""Tuning of XGBoost on a few pairs: which jobs search, what they tried, and the settings all pairs get.

Every tuned pair tries the same random settings, drawn with the same seed, so that a setting can be compared
over the pairs. The search reads val and nothing else; every trial is a look at val, and is counted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from include.dataset.manifest import Manifest
from include.errors import MissingInput, NothingToDo, TrainingFailed
from include.objects import ObjectStore
from include.training import inputs
from include.training.requests import INPUT, Account, input_document, key_of
from include.training.search import DIGITS, FOLDER, MODEL, OBJECTIVE, request_for, tunings_of

log = logging.getLogger(__name__)

RESULT = "result.json"  # in the folder of a tuning job: what was tried


def plan(
    bucket: ObjectStore,
    account: Account,
    params: Mapping[str, Any],
    announced: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Decide which pairs are to be tuned, and lay ready what the trials read.

    Args:
        bucket: the whole bucket.
        account: where the jobs run.
        params: those of the form.
        announced: as of ``include.training.jobs.plan``.

    Returns:
        ``dataset_id`` and ``content_hash``; ``jobs``, the tuning jobs of the run, by pair, name and
        request_hash; ``requests``, those of the jobs without a result; ``summary``, a sentence.

    Raises:
        NothingToDo: tuning is off, it is a dry run, or bqx_pipeline trains the data set itself.
        MissingInput: there is no such data set.
        BadParameter: it has none of the pairs.
    """
    if not params["tune"]:
        raise NothingToDo("Nothing is tuned: the param tune is off.")
    manifest = inputs.dataset_of(bucket, params, announced)
    tunings = tunings_of(manifest, params, account)
    missing = [tuning for tuning in tunings if _result_of(bucket, tuning.content_hash, tuning.name) is None]
    summary = (
        f"{len(missing)} of {len(tunings)} pairs of data set {manifest.dataset_id} are to be tuned with "
        f"{params['trials']} trials each."
    )
    if params["dry_run"]:
        raise NothingToDo(f"Dry run: {summary}")
    if missing:
        inputs.put_code(bucket, MODEL)
        for tuning in missing:
            bucket.put(tuning.job.key(INPUT), input_document(tuning.job, account.bucket))
    log.info(summary)
    return {
        "dataset_id": manifest.dataset_id,
        "content_hash": manifest.content_hash,
        "jobs": [
            {"pair": tuning.job.pair, "name": tuning.name, "request_hash": tuning.request_hash}
            for tuning in tunings
        ],
        "requests": [request_for(tuning, params, account) for tuning in missing],
        "summary": summary,
    }


def record(
    bucket: ObjectStore,
    request: Mapping[str, Any],
    description: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Note what a completed tuning job tried, with its evidence, in the folder of its first attempt.

    Args:
        bucket: the whole bucket.
        request: for the first attempt of the job.
        description: what DescribeHyperParameterTuningJob says.
        trials: what ListTrainingJobsForHyperParameterTuningJob says.

    Returns:
        What is noted: pair, data set, code, image, ranges and seed; ``trials``, all of them, by job, status,
        settings, objective (None without one) and seconds; ``looks`` at val; ``best``, one of the trials.

    Raises:
        TrainingFailed: no trial has completed with a value of the objective.
    """
    fixed = request["TrainingJobDefinition"]["StaticHyperParameters"]
    config = request["HyperParameterTuningJobConfig"]
    tried = [_trial(trial) for trial in trials]
    completed = [trial for trial in tried if _counts(trial)]
    attempt = str(description["HyperParameterTuningJobName"])
    if not completed:
        raise TrainingFailed(
            f"The tuning job {attempt} is completed, but none of its {len(tried)} trials says {OBJECTIVE}. "
            "Look at their logs, then clear this task."
        )
    result = {
        "job": attempt,
        "pair": fixed["pair"],
        "dataset_id": fixed["dataset_id"],
        "content_hash": fixed["content_hash"],
        "code": fixed["sagemaker_submit_directory"],
        "image": request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"],
        "ranges": config["ParameterRanges"],
        "seed": config["RandomSeed"],
        "objective": config["HyperParameterTuningJobObjective"],
        "looks": sum(trial["objective"] is not None for trial in tried),
        "trials": tried,
        "best": min(completed, key=lambda trial: float(trial["objective"])),
    }
    name = str(request["HyperParameterTuningJobName"])
    bucket.put(_key(fixed["content_hash"], name), json.dumps(result, indent=1).encode())
    return result


def choose(bucket: ObjectStore, planned: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the settings that all pairs get, and note them beside what was tried.

    Args:
        bucket: the whole bucket.
        planned: what `plan` returned.

    Returns:
        What `best` says, and the ``key`` under which it is noted.

    Raises:
        MissingInput: a pair has not been tuned.
    """
    content_hash, names = planned["content_hash"], [job["name"] for job in planned["jobs"]]
    chosen = best(_results(bucket, content_hash, names))
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
    key = key_of(content_hash, FOLDER, f"best-{digest[:DIGITS]}.json")
    bucket.put(key, json.dumps(chosen, indent=1).encode())
    log.info("All pairs get %s: %s", chosen["settings"], chosen["rule"])
    return chosen | {"key": key}


def tuned_settings(
    bucket: ObjectStore, manifest: Manifest, params: Mapping[str, Any], account: Account
) -> dict[str, str]:
    """The settings that the jobs of XGBoost get instead of their defaults.

    Args:
        bucket: the whole bucket.
        manifest: of the data set.
        params: those of the form.
        account: where the jobs run.

    Returns:
        Values by name of the hyperparameter; none if tuning is off, or in a dry run before it is done.

    Raises:
        MissingInput: a pair has not been tuned.
    """
    if not params["tune"]:
        return {}
    names = [tuning.name for tuning in tunings_of(manifest, params, account)]
    try:
        results = _results(bucket, manifest.content_hash, names)
    except MissingInput:
        if params["dry_run"]:
            return {}
        raise
    return dict(best(results)["settings"])


def best(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One setting from what all tuned pairs tried.

    A pair's own best trial is mostly luck: the trials of a pair differ by less than val can tell apart. A
    setting that ranks high for every pair is less so. The candidates are the settings that all pairs tried;
    within a pair, a trial that was stopped early or failed ranks last. The least mean rank wins; among equals
    the smaller model does. Without a setting that all pairs tried, which happens if SageMaker draws others
    from the same seed, each value is the median of the pairs' own best trials.

    Args:
        results: what `record` noted, of each pair.

    Returns:
        ``settings``; ``rule``, a sentence; ``looks`` at val, over all pairs; ``pairs``; ``jobs``;
        ``candidates``, each with its mean rank, the best one first.
    """
    pairs = [result["pair"] for result in results]
    ranks = [_ranks(result["trials"]) for result in results]
    common = set.intersection(*(set(of_pair) for of_pair in ranks))
    means = {setting: fmean(of_pair[setting] for of_pair in ranks) for setting in common}
    candidates = [
        {"settings": dict(setting), "mean_rank": means[setting]}
        for setting in sorted(common, key=lambda setting: (means[setting], _size(dict(setting))))
    ]
    if candidates:
        chosen = candidates[0]["settings"]
        rule = f"the least mean rank, {candidates[0]['mean_rank']:.2f} of {len(candidates)}"
    else:
        chosen = _median([result["best"]["settings"] for result in results])
        rule = "the median of the best trials, for no setting was tried by all pairs"
    return {
        "settings": chosen,
        "rule": f"{rule}, over {', '.join(pairs)}",
        "looks": sum(result["looks"] for result in results),
        "pairs": pairs,
        "jobs": [result["job"] for result in results],
        "candidates": candidates,
    }


def _key(content_hash: str, name: str) -> str:
    return key_of(content_hash, f"{FOLDER}/{name}", RESULT)


def _result_of(bucket: ObjectStore, content_hash: str, name: str) -> dict[str, Any] | None:
    body = bucket.get(_key(content_hash, name))
    return None if body is None else dict(json.loads(body))


def _results(bucket: ObjectStore, content_hash: str, names: Sequence[str]) -> list[dict[str, Any]]:
    found = {name: _result_of(bucket, content_hash, name) for name in names}
    if missing := [name for name, result in found.items() if result is None]:
        raise MissingInput(
            f"{len(missing)} of {len(names)} pairs are not tuned: there is no result of "
            f"{', '.join(missing)}. Clear their tasks tune, or take the param tune off."
        )
    return [result for result in found.values() if result is not None]


def _trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    value = trial.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    start, end = (trial.get(name) for name in ("TrainingStartTime", "TrainingEndTime"))
    return {
        "job": trial["TrainingJobName"],
        "status": trial["TrainingJobStatus"],
        "settings": dict(sorted(trial["TunedHyperParameters"].items())),
        "objective": value,
        "seconds": round((end - start).total_seconds()) if start and end else None,
    }


def _counts(trial: Mapping[str, Any]) -> bool:
    """Whether a trial has come to its end and says how good it is."""
    return trial["status"] == "Completed" and trial["objective"] is not None


def _ranks(trials: Sequence[Mapping[str, Any]]) -> dict[tuple[tuple[str, str], ...], int]:
    """Rank of each setting among the trials of a pair, from 1; those that do not count are last."""
    values = {
        tuple(trial["settings"].items()): trial["objective"] if _counts(trial) else math.inf
        for trial in trials
    }
    return {setting: 1 + sum(other < value for other in values.values()) for setting, value in values.items()}


def _size(settings: Mapping[str, str]) -> tuple[int, int]:
    """How large a model may get."""
    return int(settings["max_depth"]), int(settings["rounds"])


def _median(settings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    whole = {name for name, value in settings[0].items() if value.isdecimal()}
    values = {name: median(float(each[name]) for each in settings) for name in settings[0]}
    return {name: str(round(value) if name in whole else value) for name, value in values.items()}
