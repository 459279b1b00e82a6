"""What all DAGs have in common: skips, pairs, arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from bqx import wiring

from include.errors import BadInput, NothingToDo
from include.forms import DRY_RUN
from include.settings import BUILD_POOL, DEFAULT_ARGS


def operator(task: Any) -> dict[str, Any]:
    """The arguments that a decorated function gives its operator."""
    arguments: dict[str, Any] = task.kwargs
    return arguments


def test_nothing_to_do_skips_the_task_and_other_errors_stay() -> None:
    @wiring.step()
    def body(error: Exception | None) -> int:
        if error is not None:
            raise error
        return 5

    assert body.function(None) == 5
    with pytest.raises(AirflowSkipException, match="Dry run"):
        body.function(NothingToDo("Dry run"))
    with pytest.raises(BadInput):
        body.function(BadInput("f", "p", "r", code="c"))


def test_a_result_is_one_xcom_however_many_members_it_has() -> None:
    @wiring.step()
    def body() -> dict[str, int]:
        return {"rows": 1, "pairs": 2}

    assert body.multiple_outputs is False


@pytest.mark.parametrize("as_keyword", [True, False])
def test_a_task_per_pair_is_named_after_it(monkeypatch: pytest.MonkeyPatch, as_keyword: bool) -> None:
    context: dict[str, Any] = {}
    monkeypatch.setattr(wiring, "get_current_context", lambda: context)

    @wiring.per_pair(trigger_rule="all_done")
    def body(pair: str, params: dict[str, Any]) -> str:
        """Do it."""
        return pair

    found = body.function(pair="eurusd", params={}) if as_keyword else body.function("eurusd", {})
    assert (found, context) == ("eurusd", {"pair": "eurusd"})
    assert body.function.__doc__ == "Do it."
    assert list(inspect.signature(body.function).parameters) == ["pair", "params"], "Airflow asks for them"
    wanted = {"map_index_template": "{{ pair }}", "pool": BUILD_POOL, "trigger_rule": "all_done"}
    assert wanted.items() <= operator(body).items()


def test_a_dag_has_one_run_at_a_time_and_its_form() -> None:
    arguments = wiring.dag_arguments({"dry_run": DRY_RUN})
    assert arguments["max_active_runs"] == 1
    assert arguments["params"]["dry_run"].value is DRY_RUN["default"]
    assert arguments["default_args"].keys() == {*DEFAULT_ARGS, "retry_policy", "on_failure_callback"}
    assert arguments["on_failure_callback"].state == "failed", "people are told of every DAG"
    assert "on_success_callback" not in arguments
    watched = wiring.dag_arguments({}, events=True)
    assert {"on_success_callback", "on_failure_callback"} <= watched.keys()
    assert "on_retry_callback" in watched["default_args"]
