"""From outputs of jobs in a bucket to gate G2, decision records and their pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import MissingInput, TrainingFailed
from include.objects import ObjectStore
from include.reports import Reports
from include.training import choosing
from include.training.choice.record import current, deployable
from tests import s3
from tests.include.training.choice.runs import complete, forecasts, modest, planned
from tests.reports import in_folder

BASE = ("random_forest", "xgboost")
NETWORKS = ("multi_task", "tft")
OTHER = "d" * 64  # another data set


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    (tmp_path / "s3").mkdir()
    with s3.served(tmp_path / "s3") as server:
        store = ObjectStore(s3.connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        yield store


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    return in_folder(tmp_path / "reports")


def run_of(bucket: ObjectStore, models: dict[str, pd.DataFrame], content: str = "c" * 64) -> dict[str, Any]:
    """A run of eurusd whose models have completed."""
    run = planned({"eurusd": tuple(models)}, content[0], content)
    for model, frame in models.items():
        complete(bucket, run, "eurusd", model, frame)
    return run


def record(bucket: ObjectStore, pair: str = "eurusd") -> dict[str, Any]:
    found = current(bucket, pair)
    assert found is not None
    return found.content


def baselines(forest: float = 0.0, xgboost: float = 0.0, **job: Any) -> dict[str, pd.DataFrame]:
    return {
        "random_forest": modest(forecasts("eurusd", 1, forest, **job)),
        "xgboost": modest(forecasts("eurusd", 2, xgboost, **job)),
    }


def networks(multi_task: float = 0.0, tft: float = 0.0) -> dict[str, pd.DataFrame]:
    return {
        "multi_task": modest(forecasts("eurusd", 3, multi_task)),
        "tft": modest(forecasts("eurusd", 4, tft)),
    }


def outcomes(content: dict[str, Any]) -> dict[str, str]:
    return {name: gate["outcome"] for name, gate in content["gates"].items() if name != "G4"}


def test_without_skill_the_gate_stays_closed_and_the_forest_stays(
    bucket: ObjectStore, reports: Reports
) -> None:
    run = run_of(bucket, baselines())
    gate = choosing.gate(bucket, reports, run, "run 1")
    assert gate["pairs"] == []
    assert gate["reasons"]["eurusd"].startswith("XGBoost shows no skill on validation")
    assert (gate["hours"], gate["saved_hours"]) == (0.0, pytest.approx(60 / 28))
    done = choosing.choose(bucket, reports, run, None, gate, None, "run 1")
    content = record(bucket)
    assert (content["chosen"], content["rule"]) == ("random_forest", "G1: random forest")
    assert (content["deployable"], content["deployment_rule"], content["relation"]) == (
        True,
        "unproven",
        "first",
    )
    assert outcomes(content) == {
        "G0": "no alarm", "G1": "not passed", "G2": "closed", "G3": "not judged", "ensemble": "not judged",
    }  # fmt: skip
    assert content["gates"]["G2"]["approval"] == "not asked"
    assert (
        content["gates"]["G4"]["outcome"]
        == "R2 above 0.85: too few days (5 of 5); direction above 60%: too few days (5 of 5)"
    )
    [archive] = content["archives"]
    assert archive["model"] == "random_forest"
    assert done["chosen"] == {"random_forest": 1}
    assert done["missing"] == []
    for words in (
        "Random Forest 1. 1 may be deployed, 0 with skill",
        "saved 2.1 hours of ml.g4dn.xlarge, about $1.58",
    ):
        assert words in done["summary"]


def test_after_an_approval_a_network_may_replace_the_baseline(bucket: ObjectStore, reports: Reports) -> None:
    run, nets = run_of(bucket, baselines(xgboost=0.04)), run_of(bucket, networks(0.02, 0.12))
    gate = choosing.gate(bucket, reports, run, "run 1")
    assert gate["pairs"] == ["eurusd"]
    done = choosing.choose(bucket, reports, run, nets, gate, True, "run 1")
    content = record(bucket)
    assert (content["chosen"], content["rule"]) == ("tft", "G3: TFT")
    assert (content["deployable"], content["deployment_rule"]) == (True, "skill")
    assert outcomes(content) == {
        "G0": "no alarm", "G1": "passed", "G2": "open", "G3": "passed", "ensemble": "not passed",
    }  # fmt: skip
    assert content["gates"]["G2"]["approval"] == "approved"
    scores = {model: sets["val"]["r2"]["model"] for model, sets in content["scores"].items()}
    assert scores["tft"] > scores["xgboost"] + 0.04 > scores["multi_task"] + 0.04
    assert len(content["gates"]["ensemble"]["correlations"]) == 3
    assert "saved 0.0 hours" in done["summary"]
    # The same run without its networks is on the same rows, and worse.
    choosing.choose(bucket, reports, run, None, gate, False, "run 2")
    worse = record(bucket)
    assert (worse["chosen"], worse["relation"], worse["deployable"]) == ("xgboost", "same data set", False)
    assert worse["deployment_rule"] == "the incumbent is better"
    assert worse["gates"]["G2"]["approval"] == "rejected"
    standing = deployable(bucket, "eurusd")
    assert standing is not None
    assert standing.content == content


def test_a_network_by_less_than_the_margin_or_without_approval_replaces_nothing(
    bucket: ObjectStore, reports: Reports
) -> None:
    run, nets = run_of(bucket, baselines(xgboost=0.04)), run_of(bucket, networks(0.05, 0.03))
    gate = choosing.gate(bucket, reports, run, "run 1")
    choosing.choose(bucket, reports, run, nets, gate, True, "run 1")
    assert record(bucket)["chosen"] == "xgboost"
    assert outcomes(record(bucket))["G3"] == "not passed"
    choosing.choose(bucket, reports, run, nets, gate, None, "run 2")
    assert set(record(bucket)["left_out"]) == {"multi_task", "tft", "ensemble"}
    assert record(bucket)["gates"]["G2"]["approval"] == "not asked"


def test_the_ensemble_is_chosen_with_its_three_archives(bucket: ObjectStore, reports: Reports) -> None:
    models = baselines(0.04, 0.05)
    run, nets = run_of(bucket, models), run_of(bucket, {"tft": modest(forecasts("eurusd", 4, 0.05))})
    gate = choosing.gate(bucket, reports, run, "run 1")
    choosing.choose(bucket, reports, run, nets, gate, True, "run 1")
    content = record(bucket)
    assert (content["chosen"], content["rule"]) == ("ensemble", "ensemble")
    assert outcomes(content)["ensemble"] == "passed"
    weights = {archive["model"]: archive["weight"] for archive in content["archives"]}
    assert weights == {"xgboost": 0.40, "tft": 0.35, "random_forest": 0.25}
    # A tft that is XGBoost again correlates with it and adds nothing.
    nets = run_of(bucket, {"tft": models["xgboost"]})
    choosing.choose(bucket, reports, run, nets, gate, True, "run 2")
    assert record(bucket)["chosen"] == "random_forest"
    assert record(bucket)["gates"]["ensemble"]["correlations"]["xgboost / tft"] == pytest.approx(1.0)


def test_few_days_keep_the_simplest_model_and_the_first_may_be_deployed(
    bucket: ObjectStore, reports: Reports
) -> None:
    run = run_of(bucket, baselines(xgboost=0.3, few=True))
    gate = choosing.gate(bucket, reports, run, "run 1")
    assert gate["reasons"]["eurusd"] == "Validation has 10 trading days, and below 20 no gate opens."
    done = choosing.choose(bucket, reports, run, {"jobs": []}, gate, None, "run 1")
    first = record(bucket)
    assert (first["chosen"], first["rule"], first["deployment_rule"]) == (
        "random_forest",
        "too few days",
        "unproven",
    )
    assert outcomes(first)["G1"] == "not judged"
    assert "Test has 5 trading days, fewer than 20: nothing can be said about skill." in done["summary"]
    other = run_of(bucket, baselines(xgboost=0.3, few=True), OTHER)
    choosing.choose(bucket, reports, other, None, None, None, "run 2")
    second = record(bucket)
    assert (second["relation"], second["deployable"]) == ("other data set", False)
    assert second["deployment_rule"] == "too few days beside an incumbent"
    assert second["gates"]["G2"]["reason"] == "It was not judged in this run."
    assert second["previous"] == second["incumbent"]["hash"]


def test_a_challenger_on_another_data_set_may_be_deployed(bucket: ObjectStore, reports: Reports) -> None:
    for content in ("c" * 64, OTHER):
        run = run_of(bucket, baselines(xgboost=0.04), content)
        choosing.choose(bucket, reports, run, None, None, None, "run")
    assert record(bucket)["relation"] == "other data set"
    assert (record(bucket)["deployable"], record(bucket)["deployment_rule"]) == (True, "skill")
    assert any("this model is a challenger" in sentence for sentence in record(bucket)["rationale"])


def test_what_is_too_good_is_not_deployed(bucket: ObjectStore, reports: Reports) -> None:
    models = baselines() | {"xgboost": forecasts("eurusd", 2, 0.5)}
    choosing.choose(bucket, reports, run_of(bucket, models), None, None, None, "run 1")
    content = record(bucket)
    assert (content["deployable"], content["deployment_rule"]) == (False, "suspicious")
    assert outcomes(content)["G0"] == "alarm"
    assert {alarm["model"] for alarm in content["gates"]["G0"]["alarms"]} == {"xgboost"}
    page = (reports.store.get("decisions/run-1/eurusd.html") or b"").decode()
    assert "Leakage audit" in page


def test_missing_and_broken_models_are_left_out_with_the_reason(
    bucket: ObjectStore, reports: Reports
) -> None:
    run = planned({"eurusd": BASE, "gbpusd": BASE})
    broken = forecasts("eurusd", 2).assign(prediction=np.nan)
    complete(bucket, run, "eurusd", "random_forest", forecasts("eurusd", 1))
    complete(bucket, run, "eurusd", "xgboost", broken)
    nets = run_of(bucket, {"tft": forecasts("eurusd", 4).iloc[100:]})
    done = choosing.choose(bucket, reports, run, nets, None, None, "run 1")
    content = record(bucket)
    assert (content["chosen"], content["rule"]) == ("random_forest", "only baseline")
    assert "no numbers" in content["left_out"]["xgboost"]
    assert content["left_out"]["tft"] == "it was judged on other rows than Random Forest"
    nothing = record(bucket, "gbpusd")
    assert (nothing["chosen"], nothing["rule"], nothing["deployable"]) == (None, "no baseline", False)
    assert nothing["archives"] == []
    assert set(nothing["left_out"].values()) == {"its job has not completed"}
    assert done["missing"] == ["gbpusd random_forest", "gbpusd xgboost"]
    assert done["chosen"] == {"random_forest": 1, "None": 1}
    gate = choosing.gate(bucket, reports, run, "run 1")
    assert set(gate["reasons"].values()) == {"There is no XGBoost model that could be scored."}
    assert gate["saved_hours"] == 0.0


def test_a_killed_task_is_run_again_and_writes_nothing_twice(
    bucket: ObjectStore, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned({"eurusd": ("random_forest",), "gbpusd": ("random_forest",)})
    for pair in ("eurusd", "gbpusd"):
        complete(bucket, run, pair, "random_forest", forecasts(pair, 1, few=True))
    arguments = (bucket, reports, run, None, None, None, "run 1")
    written = choosing.write
    with monkeypatch.context() as patch:
        patch.setattr(choosing, "write", lambda place, pair, decide: written(place, pair, decide) and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            choosing.choose(*arguments)  # killed after the first record
    before = {found.key: bucket.get(found.key) for found in bucket.list("decisions/")}
    assert len(before) == 1
    first, second = choosing.choose(*arguments), choosing.choose(*arguments)
    assert first == second
    after = {found.key: bucket.get(found.key) for found in bucket.list("decisions/")}
    assert before.items() <= after.items()
    assert sorted(after) == sorted(first["records"].values())


def test_the_archive_is_hashed_by_its_bytes_and_has_to_be_there(
    bucket: ObjectStore, reports: Reports
) -> None:
    run = run_of(bucket, {"random_forest": forecasts("eurusd", 1, few=True)})
    choosing.choose(bucket, reports, run, None, None, None, "run 1")
    [archive] = record(bucket)["archives"]
    bucket.put(archive["key"], b"other bytes")
    choosing.choose(bucket, reports, run, None, None, None, "run 2")
    [other] = record(bucket)["archives"]
    assert other["sha256"] != archive["sha256"]
    bucket.delete([archive["key"]])
    with pytest.raises(MissingInput, match="the model archive of eurusd random_forest, is gone"):
        choosing.choose(bucket, reports, run, None, None, None, "run 3")


def test_a_run_without_any_model_fails(bucket: ObjectStore, reports: Reports) -> None:
    run = planned({"eurusd": BASE})
    assert choosing.gate(bucket, reports, run, "run 1")["pairs"] == []
    with pytest.raises(TrainingFailed, match="None of the 2 jobs of this run has completed"):
        choosing.choose(bucket, reports, run, None, None, None, "run 1")


def test_what_the_tasks_return_is_plain_and_the_pages_are_whole(
    bucket: ObjectStore, reports: Reports
) -> None:
    run = run_of(bucket, baselines(few=True))
    gate = choosing.gate(bucket, reports, run, "run <1>")
    done = choosing.choose(bucket, reports, run, None, gate, None, "run <1>")
    assert json.loads(json.dumps([gate, done])) == [gate, done]
    for link in (gate["report"], done["report"], str(Path(done["report"]).with_name("eurusd.html"))):
        page = Path(link).read_text()
        assert page.startswith("<!doctype html>")
        assert "<script" not in page
        assert "None" not in page
    index = Path(done["report"]).read_text()
    for words in ('href="eurusd.html"', "Random Forest", "too few days", "yes, unproven"):
        assert words in index
    pair = Path(done["report"]).with_name("eurusd.html").read_text()
    assert done["records"]["eurusd"] in pair
    assert record(bucket)["archives"][0]["sha256"] in pair
