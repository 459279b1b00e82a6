"""Airflow's Variables say what a run that nobody fills a form for is to do."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar

import pytest
from airflow.utils.types import DagRunType
from bqx import running
from bqx.running import as_of_mode, asked_for, load_params

from include import forms
from include.errors import BadParameter, NothingToDo
from include.serving.clock import LAST_BAR, NOW

pytestmark = pytest.mark.filterwarnings("default")  # Airflow warns about itself

AS_OF, PARAMS = "AIRFLOW_VAR_BQX_AS_OF", "AIRFLOW_VAR_BQX_LOAD_PARAMS"
FORM = {"pairs": ["eurusd"], "source": None, "crosses": "none", "dry_run": False}


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Variable is set, whatever surrounds the tests."""
    for name in (AS_OF, PARAMS):
        monkeypatch.delenv(name, raising=False)


def started(monkeypatch: pytest.MonkeyPatch, how: DagRunType) -> None:
    context = {"dag_run": SimpleNamespace(run_type=how)}
    monkeypatch.setattr(running, "get_current_context", lambda: context)


# What counts as now


def test_the_wall_clock_counts_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_of_mode() == NOW
    monkeypatch.setenv(AS_OF, "")
    assert as_of_mode() == NOW


@pytest.mark.parametrize("mode", [LAST_BAR, "yesterday"])
def test_the_variable_says_what_counts_as_now(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Whether there is such a mode, the clock says: a wrong word must reach it."""
    monkeypatch.setenv(AS_OF, mode)
    assert as_of_mode() == mode


# Params of a load


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_without_params_there_are_none(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    if text is not None:
        monkeypatch.setenv(PARAMS, text)
    assert load_params() == {}


def test_all_that_the_form_knows_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {name: schema["default"] for name, schema in forms.LOAD_PARAMS.items()} | {"pairs": ["eurusd"]}
    monkeypatch.setenv(PARAMS, json.dumps(told))
    assert load_params() == told


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/bars",
        '{"source": ',
        "[]",
        "null",
        "5",
        '"source"',
        '["source"]',
        '{"sources": "s3://bucket/bars"}',
        '{"source": "s3://bucket/bars", "dry_run": true}',
        '{"crosses": "guess"}',
        '{"pairs": ["eurdem"]}',
        '{"first_day": "yesterday"}',
    ],
)
def test_what_is_no_params_of_a_load_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(PARAMS, text)
    with pytest.raises(BadParameter, match="must be a JSON object with params of bqx_load") as error:
        load_params()
    said = str(error.value)
    assert said.startswith(f"The Airflow Variable bqx_load_params is {text!r}: ")
    assert ", ".join(sorted({"pairs", *forms.LOAD_PARAMS})) in said


# What a run of bqx_load is asked for


def test_a_run_of_the_schedule_takes_what_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, DagRunType.SCHEDULED)
    monkeypatch.setenv(PARAMS, json.dumps({"source": "s3://bucket/bars", "pairs": ["gbpusd"]}))
    form = dict(FORM)
    assert asked_for(form) == FORM | {"source": "s3://bucket/bars", "pairs": ["gbpusd"]}
    assert form == FORM, "the params of the run stay as Airflow shows them"


def test_a_run_of_the_schedule_keeps_its_form_without_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, DagRunType.SCHEDULED)
    assert asked_for(FORM) == FORM


@pytest.mark.parametrize("how", sorted(set(DagRunType) - {DagRunType.SCHEDULED}))
@pytest.mark.parametrize("text", ['{"source": "s3://bucket/bars"}', "broken"])
def test_who_starts_a_run_is_asked_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, how: DagRunType, text: str
) -> None:
    started(monkeypatch, how)
    monkeypatch.setenv(PARAMS, text)
    assert asked_for(FORM) == FORM


def test_a_wrong_variable_stops_a_run_of_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, DagRunType.SCHEDULED)
    monkeypatch.setenv(PARAMS, "broken")
    with pytest.raises(BadParameter, match="bqx_load_params"):
        asked_for(FORM)


def test_a_load_that_nobody_set_up_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingToDo, match="no load first"):
        running.load_source()
    monkeypatch.setenv(PARAMS, '{"source": "/data"}')
    assert running.load_source() == {"source": "/data"}


# What else happens in this run, and beside it


class Task:
    """What a task instance knows of runs."""

    dag_id, run_id, task_id = "bqx_retrain", "run", "conclude"
    states: ClassVar = {
        "train": "failed",
        "compare_0": "upstream_failed",
        "conclude": "failed",
        "plan": "success",
    }

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        assert (dag_id, run_ids) == ("bqx_retrain", ["run"])
        return {"run": self.states}

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        assert states == ["running"], "a paused DAG may have queued runs for ever"
        return {"bqx_load": 1, "bqx_train": 2}.get(dag_id, 0)


def test_a_task_knows_what_failed_in_its_run_and_what_runs_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    context = {"ti": Task(), "dag_run": SimpleNamespace(run_type=DagRunType.ASSET_TRIGGERED)}
    monkeypatch.setattr(running, "get_current_context", lambda: context)
    assert running.failed_tasks() == ["train"]
    assert running.at_work(["bqx_deploy", "bqx_load", "bqx_train"]) == ["bqx_load", "bqx_train"]
    assert running.ended_well("plan")
    assert not running.ended_well("train")
    assert not running.ended_well("none")
    assert running.kind() == "asset_triggered"
