"""A phase starts its run once, takes it up after a crash, and clears it only if it has failed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.triggers.external_task import DagStateTrigger
from airflow.sdk.exceptions import AirflowException, DagRunTriggerException, TaskDeferred
from bqx.operators.phase import PhaseOperator

pytestmark = pytest.mark.filterwarnings("default")  # Airflow warns about itself

NAME = "retrain__scheduled__1"


class Task:
    """What the operator asks its task instance.

    Args:
        state: of the run of that name; None if there is none.
    """

    def __init__(self, state: str | None) -> None:
        self._state = state

    def get_dr_count(self, dag_id: str, run_ids: list[str]) -> int:
        assert (dag_id, run_ids) == ("bqx_load", [NAME])
        return int(self._state is not None)

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        assert self._state is not None
        return self._state

    def xcom_push(self, **_: Any) -> None:
        pass


def phase() -> PhaseOperator:
    return PhaseOperator(
        task_id="load", trigger_dag_id="bqx_load", trigger_run_id=NAME, conf={"pairs": ["eurusd"]}
    )


@pytest.mark.parametrize(("state", "clears"), [(None, False), ("failed", True)])
def test_a_run_is_started_or_a_failed_one_cleared(state: str | None, clears: bool) -> None:
    with pytest.raises(DagRunTriggerException) as asked:
        phase().execute({"ti": Task(state)})
    told = asked.value
    assert (told.dag_run_id, told.reset_dag_run, told.conf) == (NAME, clears, {"pairs": ["eurusd"]})
    assert told.wait_for_completion
    assert told.deferrable, "waiting holds no worker"


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_goes_on_is_taken_up(state: str) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        phase().execute({"ti": Task(state)})
    trigger = deferred.value.trigger
    assert isinstance(trigger, DagStateTrigger)
    assert (trigger.run_ids, trigger.states) == ([NAME], ["success", "failed"])


def test_a_run_that_has_ended_is_done() -> None:
    phase().execute({"ti": Task("success")})


def test_a_run_that_fails_fails_the_phase() -> None:
    event = {"dag_id": "bqx_load", "run_ids": [NAME], NAME: "failed"}
    with pytest.raises(AirflowException, match="bqx_load failed"):
        phase().execute_complete({}, ("trigger", event))
    phase().execute_complete({}, ("trigger", event | {NAME: "success"}))
