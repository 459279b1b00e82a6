"""Tuning: which jobs search, what they note, and the one setting that follows for all pairs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from include import forms, settings
from include.dataset.export import open_manifest
from include.dataset.manifest import Manifest
from include.errors import BadParameter, MissingInput, NothingToDo, TrainingFailed
from include.objects import ObjectStore
from include.training import jobs, tuning
from include.training.container.settings import TreeSettings
from include.training.requests import Account
from include.training.search import OBJECTIVE, Tuning, request_for, tunings_of
from tests.include.training.worlds import FolderBucket, make_dataset
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, served, wait_for

PARAMS: dict[str, Any] = {name: schema["default"] for name, schema in forms.TRAINING_PARAMS.items()} | {
    "pairs": None, "dry_run": False, "tune": True,
}  # fmt: skip
ACCOUNT = Account(BUCKET, IMAGE, ROLE, "us-east-1")
TUNED = {"max_depth", "min_child_weight", "rounds", "learning_rate", "subsample"}
SMALL: dict[str, Any] = {"threads": 1, "rounds": 10, "trials": 3, "train_stride": 60, "backtest_pairs": []}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("datasets")
    make_dataset(folder, days=9, dataset_id="tiny")
    return open_manifest(FolderBucket(folder), "tiny")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with served(tmp_path_factory.mktemp("aws"), slots=2) as it:
        yield it


@pytest.fixture
def bucket(aws: Aws) -> ObjectStore:
    return ObjectStore(aws.s3, BUCKET, "")


def tunings(manifest: Manifest, **params: Any) -> list[Tuning]:
    return tunings_of(manifest, PARAMS | params, ACCOUNT)


# What is asked for


def test_the_request_is_one_that_sagemaker_takes(manifest: Manifest) -> None:
    (first, second) = tunings(manifest)
    assert [first.job.pair, second.job.pair] == ["eurusd", "gbpusd"], "the others are not in the data set"
    request = request_for(first, PARAMS, ACCOUNT)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
    assert ParamValidator().validate(request, shape).generate_report() == ""
    assert len(first.name) <= 32 - len("-a99")
    definition = request["TrainingJobDefinition"]
    ranges = {
        each["Name"]: (float(each["MinValue"]), float(each["MaxValue"]))
        for kind in first.ranges.values()
        for each in kind
    }
    assert ranges == {
        "max_depth": (6, 12), "learning_rate": (0.01, 0.1), "subsample": (0.7, 0.9), "rounds": (300, 700),
        "min_child_weight": (1, 10),
    }  # fmt: skip
    fixed = definition["StaticHyperParameters"]
    assert not TUNED & set(fixed)
    ends = [
        fixed | {name: str(int(ends[side]) if name != "learning_rate" else ends[side])
                 for name, ends in ranges.items() if name != "subsample"}
        for side in (0, 1)
    ]  # fmt: skip
    read = [TreeSettings.of(each | {"_tuning_objective_metric": OBJECTIVE}) for each in ends]
    assert [each.rounds for each in read] == [300, 700]
    assert not read[0].backtest, "a trial needs none"
    metrics = definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert OBJECTIVE in [metric["Name"] for metric in metrics]
    (request_tag,) = [tag for tag in request["Tags"] if tag["Key"] == "bqx:request"]
    assert request_tag["Value"] == first.request_hash


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"trials": 9}, {"rounds": 10}, {"threads": 2}, {"train_stride": 5}]
)
def test_what_changes_the_result_changes_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert tunings(manifest, **change)[0].name != tunings(manifest)[0].name


@pytest.mark.parametrize(
    "change",
    [{"parallel_trials": 1}, {"spot": False}, {"backtest_pairs": []}, {"tuning_pairs": ["eurusd"]}],
)
def test_what_does_not_change_the_result_leaves_the_name(manifest: Manifest, change: dict[str, Any]) -> None:
    assert tunings(manifest, **change)[0].name == tunings(manifest)[0].name


def test_a_data_set_without_any_of_the_pairs_is_refused(manifest: Manifest) -> None:
    with pytest.raises(BadParameter, match=r"none of the pairs to tune, audusd\. Its"):
        tunings(manifest, tuning_pairs=["audusd"])


# What is noted


def trial(number: int, value: float | None, status: str = "Completed", **tuned: str) -> dict[str, Any]:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    told: dict[str, Any] = {
        "TrainingJobName": f"t-{number:03d}", "TrainingJobStatus": status, "TunedHyperParameters": tuned,
        "TrainingStartTime": begin, "TrainingEndTime": begin + timedelta(seconds=number),
    }  # fmt: skip
    if value is not None:
        told["FinalHyperParameterTuningJobObjectiveMetric"] = {"MetricName": OBJECTIVE, "Value": value}
    return told


def test_a_job_is_noted_with_its_evidence(manifest: Manifest, bucket: ObjectStore) -> None:
    tuning_job = tunings(manifest)[0]
    request = request_for(tuning_job, PARAMS, ACCOUNT)
    tried = [trial(1, 1.25, max_depth="8"), trial(2, 1.0, "Stopped", max_depth="9"), trial(3, None, "Failed")]
    description = {"HyperParameterTuningJobName": f"{tuning_job.name}-a2"}
    noted = tuning.record(bucket, request, description, tried)
    key = f"training/{tuning_job.content_hash[:16]}/tuning/{tuning_job.name}/result.json"
    assert json.loads(bucket.get(key) or b"") == noted
    assert noted["looks"] == 2, "a trial that was stopped has looked at val too"
    assert noted["best"] == noted["trials"][0], "what was stopped has no result"
    assert noted["trials"][0] == {
        "job": "t-001", "status": "Completed", "settings": {"max_depth": "8"}, "objective": 1.25,
        "seconds": 1,
    }  # fmt: skip
    assert (noted["job"], noted["pair"], noted["dataset_id"]) == (f"{tuning_job.name}-a2", "eurusd", "tiny")
    assert noted["code"].startswith(f"s3://{BUCKET}/code/training-")
    with pytest.raises(TrainingFailed, match="none of its 1 trials says val_rmse_mean"):
        tuning.record(bucket, request, description, tried[2:])


# What follows


def result(pair: str, *tried: tuple[dict[str, str], float | None, str]) -> dict[str, Any]:
    trials: list[dict[str, Any]] = [
        {"job": "t", "status": status, "settings": given, "objective": value, "seconds": 1}
        for given, value, status in tried
    ]
    done = [each for each in trials if each["status"] == "Completed" and each["objective"] is not None]
    return {
        "pair": pair, "job": f"job-{pair}", "trials": trials, "looks": len(trials),
        "best": min(done, key=lambda each: each["objective"]),
    }  # fmt: skip


def some(depth: int, rounds: int = 300, rate: str = "0.05") -> dict[str, str]:
    return {"learning_rate": rate, "max_depth": str(depth), "rounds": str(rounds)}


def test_the_setting_that_ranks_best_over_the_pairs_is_chosen() -> None:
    done = "Completed"
    chosen = tuning.best([
        result("eurusd", (some(6), 1.0, done), (some(7), 0.9, done), (some(8), 0.1, done)),
        result("gbpusd", (some(6), 1.0, done), (some(7), 0.9, done), (some(8), 5.0, done)),
    ])  # fmt: skip
    assert chosen["settings"] == some(7), "8 was lucky once: its mean objective would have been no guide"
    assert [each["mean_rank"] for each in chosen["candidates"]] == [1.5, 2.0, 2.5]
    assert chosen["looks"] == 6
    assert chosen["rule"] == "the least mean rank, 1.50 of 3, over eurusd, gbpusd"


def test_a_stopped_trial_ranks_last_and_the_smaller_model_wins_a_tie() -> None:
    done = "Completed"
    chosen = tuning.best([
        result("eurusd", (some(6), 0.1, "Stopped"), (some(9), 1.0, done), (some(7), 2.0, done)),
        result("gbpusd", (some(6), 0.1, done), (some(9), 2.0, done), (some(7), 1.0, done)),
    ])  # fmt: skip
    # 6: ranks 3 and 1; 7: 2 and 2; 9: 1 and 3.
    assert chosen["settings"] == some(6)
    assert [each["mean_rank"] for each in chosen["candidates"]] == [2, 2, 2]


def test_without_a_common_setting_each_value_is_the_median() -> None:
    chosen = tuning.best([
        result("eurusd", (some(6, 300, "0.01"), 1.0, "Completed")),
        result("gbpusd", (some(8, 500, "0.04"), 1.0, "Completed")),
        result("usdjpy", (some(12, 401, "0.09"), 1.0, "Completed")),
    ])  # fmt: skip
    assert chosen["settings"] == some(8, 401, "0.04")
    assert chosen["candidates"] == []
    assert "median of the best trials" in chosen["rule"]


def test_the_rule_agrees_with_one_written_another_way() -> None:
    source = random.Random(5)
    for _ in range(200):
        given = [some(depth, source.choice((300, 400))) for depth in range(6, 6 + source.randint(1, 6))]
        ends = ["Completed", *source.choices(("Completed", "Stopped"), k=len(given) - 1)]
        results = [
            result("eurusd", *((each, round(source.random(), 1), end) for each, end in zip(given, ends)))  # noqa: B905
            for _ in range(source.randint(1, 4))
        ]
        sums = []
        for index, each in enumerate(given):
            total = 0
            for of_pair in results:
                losses = [t["objective"] if t["status"] == "Completed" else 99.0 for t in of_pair["trials"]]
                total += sorted(losses).index(losses[index])
            sums.append((total, int(each["max_depth"]), int(each["rounds"]), index))
        assert tuning.best(results)["settings"] == given[min(sums)[-1]]


# All together, on the embedded AWS


def tune(aws: Aws, bucket: ObjectStore, planned: dict[str, Any]) -> list[dict[str, Any]]:
    """What the tasks `tune` do, without Airflow."""
    client, noted = aws.sagemaker, []
    for request in planned["requests"]:
        client.create_hyper_parameter_tuning_job(**request)
    for request in planned["requests"]:
        name = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}

        def is_over(count: int, name: dict[str, str] = name) -> bool:
            """Whether so many trials have ended, or the tuning job has."""
            told = client.describe_hyper_parameter_tuning_job(**name)
            states = told["TrainingJobStatusCounters"]
            done = states["Completed"] + states["Stopped"]
            return done >= count or told["HyperParameterTuningJobStatus"] == "Completed"

        for count in range(1, SMALL["trials"] + 2):  # each trial in its time; the last is the tuning job
            wait_for(partial(is_over, count))
        told = client.describe_hyper_parameter_tuning_job(**name)
        trials = client.list_training_jobs_for_hyper_parameter_tuning_job(**name)["TrainingJobSummaries"]
        noted.append(tuning.record(bucket, request, told, trials))
    return noted


@pytest.mark.timeout(600)
def test_two_pairs_are_tuned_once_and_all_are_trained_with_the_best_values(
    aws: Aws, bucket: ObjectStore
) -> None:
    make_dataset(bucket._replace(prefix="datasets"), days=12, dataset_id="few")
    params = PARAMS | SMALL | {"dataset_id": "few", "models": list(settings.MODELS)}
    plain = jobs.plan(bucket, ACCOUNT, params | {"tune": False})
    with pytest.raises(MissingInput, match=r"2 of 2 pairs are not tuned.*bqx-eurusd-tune-"):
        jobs.plan(bucket, ACCOUNT, params)
    assert jobs.plan(bucket, ACCOUNT, params | {"dry_run": True})["jobs"] == plain["jobs"]
    planned = tuning.plan(bucket, ACCOUNT, params)
    assert planned["summary"] == "2 of 2 pairs of data set few are to be tuned with 3 trials each."
    with pytest.raises(MissingInput):
        tuning.choose(bucket, planned)

    noted = tune(aws, bucket, planned)
    first, second = ([trial["settings"] for trial in each["trials"]] for each in noted)
    assert first == second, "the same seed, the same settings"
    assert all(set(each) == TUNED for each in first)
    assert all(6 <= int(each["rounds"]) <= 14 for each in first), "in proportion to 10"
    values = {trial["objective"] for each in noted for trial in each["trials"]}
    assert len(values) == 6
    assert all(0.1 < value < 10 for value in values)

    chosen = tuning.choose(bucket, planned)
    assert chosen["settings"] in first
    assert json.loads(bucket.get(chosen["key"]) or b"") | {"key": chosen["key"]} == chosen
    again = tuning.plan(bucket, ACCOUNT, params)
    assert (again["requests"], again["jobs"]) == ([], planned["jobs"]), "nothing is paid twice"
    assert tuning.choose(bucket, again) == chosen

    trained = jobs.plan(bucket, ACCOUNT, params)
    for request, name in zip(trained["requests"], plain["jobs"], strict=True):
        given = request["HyperParameters"]
        if given["model"] == "xgboost":
            assert {name: given[name] for name in TUNED} == chosen["settings"]
            assert request["TrainingJobName"] != name["name"], "other settings, another model"
        else:
            assert request["TrainingJobName"] == name["name"]
    assert jobs.plan(bucket, ACCOUNT, params | {"tune": False})["jobs"] == plain["jobs"], "off is off"
    assert jobs.trained_models(bucket).by_pair == {}, "a trial is no model of the data set"


@pytest.mark.parametrize(
    ("change", "announced", "told"),
    [
        ({"tune": False}, None, "the param tune is off"),
        ({"dry_run": True}, None, r"Dry run: \d of 2 pairs"),
        ({}, {"dataset_id": "any", "by": "operator_triggered"}, "bqx_pipeline made data set any"),
    ],
)
def test_there_may_be_nothing_to_tune(
    bucket: ObjectStore, change: dict[str, Any], announced: dict[str, str] | None, told: str
) -> None:
    make_dataset(bucket._replace(prefix="datasets"), days=9, dataset_id="dry")
    with pytest.raises(NothingToDo, match=told):
        tuning.plan(bucket, ACCOUNT, PARAMS | {"dataset_id": "dry"} | change, announced)
