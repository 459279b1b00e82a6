"""What every DAG of the bundle promises, and the order that protects data."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from datetime import timedelta

import pytest

from include.features.catalogue import STORED
from include.pairs import PAIRS
from include.settings import BUILD_POOL, DEADLINES, DEFAULT_ARGS, FAMILIES, LAST_STAGE, STAGES
from tests.dags.conftest import ROOT

DAG_IDS = {
    "bqx_alert", "bqx_dataset", "bqx_deploy", "bqx_experiment", "bqx_features", "bqx_load", "bqx_migrate",
    "bqx_monitor", "bqx_pipeline", "bqx_plan", "bqx_predict", "bqx_retention", "bqx_retrain", "bqx_review",
    "bqx_sync", "bqx_train",
}  # fmt: skip
WITHOUT_PAIRS = {"bqx_alert", "bqx_plan", "bqx_retention", "bqx_review", "bqx_sync"}


def test_exactly_these_dags_without_an_import_error(dagbag) -> None:
    assert dagbag.import_errors == {}
    assert set(dagbag.dags) == DAG_IDS
    assert {path.stem for path in (ROOT / "dags").glob("*.py")} == DAG_IDS


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_every_dag_explains_itself_and_is_owned(dagbag, dag_id: str) -> None:
    dag = dagbag.dags[dag_id]
    assert dag.doc_md.strip().startswith("###")
    assert "Example configuration" in dag.doc_md
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert {"bqx"} < dag.tags
    for task in dag.tasks:
        assert task.owner == DEFAULT_ARGS["owner"]
        # For a person, a job with limits of its own, or another DAG whose tasks have theirs.
        name = task.task_id.rpartition(".")[2]
        triggers = dag_id == "bqx_pipeline" or hasattr(task, "trigger_dag_id")
        waits = triggers or name in ("approval", "train", "search", "endpoint")
        assert task.execution_timeout == (None if waits else timedelta(hours=2))
        assert task.retries == (0 if triggers else 20 if name in ("train", "search") else 2)


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_every_param_is_typed_titled_and_described(dagbag, dag_id: str) -> None:
    params = dagbag.dags[dag_id].params
    assert ("pairs" in params) == (dag_id not in WITHOUT_PAIRS)
    for name in params:
        param = params.get_param(name)
        assert param.description, name
        assert {"type", "title"} <= set(param.schema), name
    if dag_id not in WITHOUT_PAIRS:
        assert params.get_param("pairs").schema["examples"] == list(PAIRS)  # drawn as a multi-select


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("bqx_features", {"pairs": ["eurusd; drop table"]}),
        ("bqx_features", {"pairs": []}),
        ("bqx_features", {"months": ["2024-13"]}),
        ("bqx_features", {"families": ["reg"]}),
        ("bqx_features", {"dry_run": "yes"}),
        ("bqx_load", {"crosses": "guess"}),
        ("bqx_load", {"first_day": "yesterday"}),
        ("bqx_load", {"source": ""}),
        ("bqx_pipeline", {"price_side": "last"}),
        ("bqx_migrate", {"action": "drop tables"}),
        ("bqx_dataset", {"dataset_id": "../other"}),
        ("bqx_dataset", {"sample_rows": 0}),
        ("bqx_dataset", {"columns": "some"}),
    ],
)
def test_the_trigger_form_refuses_what_cannot_be(dagbag, dag_id: str, conf: dict) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dagbag.dags[dag_id].params)
    for name, value in conf.items():
        with pytest.raises(ParamValidationError):
            params[name] = value


def test_every_build_task_takes_a_slot_and_shows_its_pair(dagbag) -> None:
    tasks = [
        task
        for dag in dagbag.dags.values()
        for task in dag.tasks
        if task.task_id.startswith(("pairs.", "last.")) and dag.dag_id != "bqx_migrate"
    ]
    assert len(tasks) == len(STAGES) + 2
    for task in tasks:
        assert task.pool == BUILD_POOL
        assert task.map_index_template == "{{ pair }}"
        assert task.outlets


def test_stages_build_each_family_once() -> None:
    assert sorted(FAMILIES) == sorted(STORED)


def test_order_of_the_stages(dagbag) -> None:
    dag = dagbag.dags["bqx_features"]
    builds = {stage.group: dag.get_task(f"pairs.{stage.group}.build") for stage in STAGES}
    base = builds.pop("s2_1_base")
    assert {task.task_id for task in builds.values()} <= base.get_flat_relative_ids(upstream=True)
    assert all("select" in task.get_flat_relative_ids(upstream=True) for task in (*builds.values(), base))
    assert "shared" in builds["s1_6_16_correlation_idx"].upstream_task_ids
    last = dag.get_task(f"last.{LAST_STAGE.group}.build")
    everything_else = {base.task_id, *(task.task_id for task in builds.values()), "shared"}
    assert everything_else <= last.get_flat_relative_ids(upstream=True), "correlation_bqx comes last"
    assert set(LAST_STAGE.after) == set(FAMILIES) - {"correlation_bqx"}
    assert last.task_id in dag.get_task("coverage").get_flat_relative_ids(upstream=True)
    assert dag.get_task("coverage").trigger_rule == "all_done"
    assert not dag.get_task("coverage").downstream_task_ids, "its failure fails the run"


def test_order_of_loading(dagbag) -> None:
    dag = dagbag.dags["bqx_load"]
    assert "prepare" in dag.get_task("pairs.write").get_flat_relative_ids(upstream=True)


def test_order_of_the_pipeline(dagbag) -> None:
    dag = dagbag.dags["bqx_pipeline"]
    order = ["plan", "migrate", "load", "features", "dataset", "train", "deploy"]
    assert dag.task_ids == order, "nothing touches feature tables before 1.6.9"
    for before, after in itertools.pairwise(order):
        assert dag.get_task(after).upstream_task_ids == {before}
    waiting = {task.task_id for task in dag.tasks if task.wait_for_completion}
    assert waiting == {*order} - {"plan"}, "the data do not wait for Airtable"
    assert {task.task_id for task in dag.tasks if task.deferrable} == waiting, "waiting holds no worker"
    assert {task.trigger_dag_id for task in dag.tasks} <= DAG_IDS


GIVEN = {
    "pairs": ["eurusd", "gbpusd"], "target_window": "15", "dataset_id": "2024_07", "months": ["2024-07"],
    "first_day": "2024-07-01", "end_day": None, "source": "/data/it's \"here\" \U0001f600 {{ 1 }}\\n ",
    "timezone": "None", "rebuild": True, "trees": 12,
}  # fmt: skip


def test_the_pipeline_hands_every_param_on_as_it_was_given(dagbag) -> None:
    dag = dagbag.dags["bqx_pipeline"]
    params = {name: GIVEN.get(name, value) for name, value in dag.params.dump().items()}
    environment = dag.get_template_env()
    for task in dag.tasks:
        told = task.render_template(task.conf, {"params": params}, environment)
        wanted = {name: params[name] for name in told if name != "dry_run"} | {"dry_run": False}
        assert told == wanted
        assert {name: type(value) for name, value in told.items()} == {
            name: type(value) for name, value in wanted.items()
        }
    assert GIVEN.keys() <= {name for task in dag.tasks for name in task.conf}


def test_order_of_the_plan(dagbag) -> None:
    dag = dagbag.dags["bqx_plan"]
    order = ["preflight", "read", "analyse", "decide", "approval", "apply", "verify", "report"]
    for before, after in itertools.pairwise(order):
        assert before in dag.get_task(after).get_flat_relative_ids(upstream=True), (before, after)
    assert dag.params["dry_run"] is True
    assert dag.get_task("approval").defaults == ["Reject"], "no answer is a refusal"
    assert dag.get_task("report").trigger_rule == "all_done", "what happened is told whatever happened"
    assert dag.get_task("done").upstream_task_ids == {"apply", "verify", "report"}
    assert not dag.get_task("done").downstream_task_ids, "it fails the run if one of them failed"


def test_a_plan_that_does_not_add_up_is_never_asked_about(dagbag) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from include.errors import PlanRefused

    decide = dagbag.dags["bqx_plan"].get_task("decide").python_callable
    found = {"changes": 3, "off": ["3 Hours: 1.6.10"], "report": "/reports/plan.html"}
    with pytest.raises(PlanRefused, match=r"3 Hours: 1\.6\.10.*Nothing was written"):
        decide(found, {"dry_run": False})
    with pytest.raises(AirflowSkipException):
        decide(found, {"dry_run": True})
    with pytest.raises(AirflowSkipException):
        decide(found | {"changes": 0, "off": []}, {"dry_run": False})
    assert decide(found | {"off": []}, {"dry_run": False}) is None


def test_the_plan_hears_of_what_its_stages_do(dagbag) -> None:
    from include.plan.sync import dags

    watched = {
        dag_id
        for dag_id, dag in dagbag.dags.items()
        if all(task.on_success_callback and task.on_failure_callback for task in dag.tasks)
    }
    assert watched == set(dags())


def test_the_status_is_synced_every_five_minutes_and_not_before_somebody_wants_it(dagbag) -> None:
    dag = dagbag.dags["bqx_sync"]
    assert dag.schedule == "*/5 * * * *"
    assert dag.is_paused_upon_creation is not False


def test_failures_of_every_dag_become_events(dagbag) -> None:
    for dag in dagbag.dags.values():
        assert dag.on_failure_callback, dag.dag_id
        assert all(task.on_failure_callback for task in dag.tasks), dag.dag_id


def test_people_are_told_every_two_minutes_and_not_before_somebody_wants_it(dagbag) -> None:
    dag = dagbag.dags["bqx_alert"]
    assert dag.schedule == "*/2 * * * *"
    assert dag.is_paused_upon_creation is not False
    assert dag.dagrun_timeout == timedelta(minutes=10), "a round that hangs makes way for the next one"


def test_deadlines_are_those_of_dags_and_longer_than_their_time_outs(dagbag) -> None:
    assert set(DEADLINES) - {"bqx_monitor"} <= DAG_IDS
    for dag_id, deadline in DEADLINES.items():
        limit = dagbag.dags[dag_id].dagrun_timeout if dag_id in DAG_IDS else None
        assert limit is None or limit < deadline, dag_id


def test_order_of_a_training_set(dagbag) -> None:
    dag = dagbag.dags["bqx_dataset"]
    order = ["plan", "select", "examine", "choose", "export", "publish", "clean_up"]
    for before, after in itertools.pairwise(order):
        assert before in dag.get_task(after).get_flat_relative_ids(upstream=True), (before, after)
    rules = {task: dag.get_task(task).trigger_rule for task in order}
    assert rules.pop("publish") == "none_failed", "a data set that is found is told, though nothing was made"
    assert set(rules.values()) == {"all_success"}, "a data set is whole"
    for name in ("examine", "export"):
        assert dag.get_task(name).pool == BUILD_POOL
        assert dag.get_task(name).map_index_template == "{{ pair }}"


PARSE_ALONE = """
import socket, sys

def refuse(*_args, **_kwargs):
    raise AssertionError("a DAG file opened a connection while it was parsed")

from airflow.sdk import Asset, dag

Asset("s3://any/thing")  # Airflow imports its own providers at the first asset; that is not what is judged
import airflow.providers.amazon.aws.operators.sagemaker  # it imports boto3 itself, in 0.1 s
import airflow.providers.standard.operators.trigger_dagrun
before = set(sys.modules)
socket.socket.connect = socket.create_connection = refuse
sys.path.insert(0, sys.argv[1] + "/plugins")
import importlib.util
for name in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location(name, f"{sys.argv[1]}/dags/{name}.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
heavy = {"numpy", "pandas", "numba", "pyarrow", "psycopg", "boto3", "xgboost", "sklearn"}
print(sorted(heavy & (set(sys.modules) - before)))
"""


def test_parsing_opens_no_connection_and_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARSE_ALONE, str(ROOT), *sorted(DAG_IDS)],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_order_of_the_monitor(dagbag) -> None:
    dag = dagbag.dags["bqx_monitor"]
    assert dag.get_task("watch").upstream_task_ids == {"plan", "select", "bound"}
    assert dag.get_task("bound").upstream_task_ids == {"learn"}
    assert {"watch", "plan"} <= dag.get_task("conclude").upstream_task_ids
    # A pair that fails must not keep others from being watched, nor what was found from being published.
    for name in ("bound", "conclude"):
        assert dag.get_task(name).trigger_rule == "all_done_min_one_success"
    # Alarms on silence come after the values; each of these fails the run.
    last = {"provide", "draw", "complete", "drifted"}
    assert dag.get_task("conclude").downstream_task_ids == last
    assert all(not dag.get_task(name).downstream_task_ids for name in last)
    for name in ("learn", "watch"):
        assert dag.get_task(name).pool == BUILD_POOL
        assert dag.get_task(name).map_index_template == "{{ pair }}"
