"""Make the pictures of the documentation from a running stack.

    make run && make pictures
    make pictures CHAPTERS="reports serving"

Trains a second model of a pair, lets both answer and goes back, from the form of ``bqx_deploy``. Takes back
the names of the legacy tables and migrates them anew, for the page of the approval. Takes a picture of the
running pipeline, then triggers ``bqx_features`` from its form for two pairs, breaks one of them and
heals it. The stack must hold bars of the pairs named below; for a second model validation needs 20 trading
days, which the month of the demo does not have.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import boto3
import httpx
import psycopg
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from include.objects import Found, ObjectStore
from include.reports import FOLDER as IN_BUCKET
from local.access import Access
from local.api import Airflow
from local.approval import APPROVE, PAUSE, WAITING
from tests.airtable import served
from tests.browser.airflow_ui import AirflowUI, browser_page

FOLDER = Path(__file__).resolve().parent
DAG = "bqx_features"
KEPT, BROKEN = "eurusd", "gbpusd"
RUNNING = ["audusd", "eurusd", "gbpusd", "nzdusd", "usdcad", "usdchf", "usdjpy"]
BREAK = f"ALTER TABLE bqx.technical_idx_{BROKEN} ALTER COLUMN rsi_14 TYPE TEXT"
MEND = f"ALTER TABLE bqx.technical_idx_{BROKEN} ALTER COLUMN rsi_14 TYPE FLOAT8 USING rsi_14::FLOAT8"
MIGRATE, TRAIN, DEPLOY = "bqx_migrate", "bqx_train", "bqx_deploy"
ENDED = ("success", "failed")
SECOND = {"models": ["xgboost"], "seed": 8, "rounds": 60, "threads": 1, "poll_seconds": 5}  # not there yet
CHAPTERS = ("reports", "plan", "serving", "migration", "features")


class Api:
    """The few calls of Airflow's REST API that are needed here."""

    def __init__(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {os.environ['AIRFLOW_API_TOKEN']}"}
        self._client = httpx.Client(base_url=f"{url}/api/v2", headers=headers)

    def rebuild(self, pairs: list[str]) -> str:
        """Start the whole pipeline over bars that are there; returns the id of its feature run."""
        before = self.newest_run()["dag_run_id"]
        body = {"logical_date": None, "conf": {"pairs": pairs, "rebuild": True}}
        self._client.post("/dags/bqx_pipeline/dagRuns", json=body).raise_for_status()
        wait(lambda: self.newest_run()["dag_run_id"] != before, "the pipeline to reach the features")
        return self.newest_run()["dag_run_id"]

    def newest_run(self) -> dict:
        """The run of the DAG that was triggered last."""
        runs = self._client.get(f"/dags/{DAG}/dagRuns", params={"order_by": "-run_after", "limit": 1})
        return runs.json()["dag_runs"][0]

    def tasks(self, run_id: str) -> list[dict]:
        """Task instances of a run."""
        return self._client.get(f"/dags/{DAG}/dagRuns/{run_id}/taskInstances").json()["task_instances"]

    def clear(self, run_id: str, failed: list[dict]) -> None:
        """Clear mapped task instances with everything after them, as the UI's button does."""
        for task in failed:
            body = {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [[task["task_id"], task["map_index"]]],
                "include_downstream": True,
                "only_failed": False,
            }
            self._client.post(f"/dags/{DAG}/clearTaskInstances", json=body).raise_for_status()


def wait(done: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(1)


def finished(api: Api, run_id: str) -> bool:
    """Whether the newest run is this one and at its end."""
    run = api.newest_run()
    return run["dag_run_id"] == run_id and run["state"] in ("success", "failed")


def trigger(ui: AirflowUI, api: Api, picture: str | None = None) -> str:
    """Trigger the DAG for the two pairs from its form; returns the run id once it has ended."""
    before = api.newest_run()["dag_run_id"]
    form = ui.open_form(DAG)
    ui.choose(form, "pairs", [KEPT, BROKEN])
    if picture:
        ui.picture(FOLDER / picture)
    ui.submit(form)
    wait(lambda: api.newest_run()["dag_run_id"] != before, "the run to appear")
    run_id = api.newest_run()["dag_run_id"]
    wait(lambda: finished(api, run_id), "the run to end")
    return run_id


def show(ui: AirflowUI, run_id: str, picture: str) -> None:
    """Picture of a run with its groups open."""
    ui.open_run(DAG, run_id)
    ui.expand_groups()
    ui.picture(FOLDER / picture)


def migrate(airflow: Airflow, ui: AirflowUI, action: str, picture: str | None = None) -> None:
    """Run stage 1.6.9 as a person would: look at the page of the approval, approve, wait."""
    run_id = airflow.trigger(MIGRATE, {"action": action, "dry_run": False})
    approve(ui, airflow, MIGRATE, run_id, picture)


def approve(ui: AirflowUI, airflow: Airflow, dag: str, run_id: str, picture: str | None = None) -> None:
    """Look at the page of the approval of a run, approve, and wait for its end."""

    def asking() -> dict | None:
        return next((task for task in airflow.tasks(dag, run_id) if task["state"] == WAITING), None)

    wait(lambda: asking() is not None, "the approval")
    if picture:
        ui.page.goto(f"{ui.url}/dags/{dag}/runs/{run_id}/tasks/approval/required_actions")
        height = 1850 if dag == MIGRATE else 700  # the page to its end, with its buttons
        ui.page.set_viewport_size({"width": 1500, "height": height})
        ui.settle()
        ui.picture(FOLDER / picture)
        ui.page.set_viewport_size({"width": 1500, "height": 950})
    time.sleep(PAUSE)
    airflow.answer(asking() or {}, APPROVE)
    wait(lambda: airflow.run(dag, run_id)["state"] in ENDED, f"{dag} to end")
    if airflow.run(dag, run_id)["state"] == "failed":
        raise RuntimeError(f"{dag} {run_id} failed")


def report(ui: AirflowUI, picture: str) -> None:
    """Picture of the newest report of a quality gate."""
    store = reports()
    ui.page.goto(store.link(newest(store, "quality/*/s2_1_base_eurusd.html").key))
    ui.page.locator("summary").nth(1).click()  # one family with its columns
    ui.page.wait_for_timeout(500)
    ui.picture(FOLDER / picture)


def page_and_figures(ui: AirflowUI, kind: str, name: str) -> None:
    """The top of the newest report of a kind, and its figures, under a name."""
    store = reports()
    index = newest(store, f"{kind}/*/index.html").key
    ui.page.goto(store.link(index))
    ui.page.wait_for_timeout(500)
    ui.picture(FOLDER / f"{name}_report.png")
    for found in store.list(index.removesuffix("index.html")):
        if fnmatchcase(file := found.key.rpartition("/")[2], "[1-9]_*.png"):
            (FOLDER / f"{name}_{file[2:]}").write_bytes(store.get(found.key) or b"")


def plan(ui: AirflowUI) -> None:
    """The report of the Airtable plan, and its stages before and after."""
    store = reports()
    ui.page.goto(store.link(newest(store, "plan/*/plan.html").key))
    ui.page.wait_for_timeout(500)
    ui.picture(FOLDER / "plan_report.png")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as old:
        stages(ui, old.endpoint, "plan_before.png")
    stages(ui, os.environ["AIRTABLE_ENDPOINT_URL"], "plan_after.png")


def stages(ui: AirflowUI, address: str, picture: str) -> None:
    """Phase 1.6 on the page of the embedded Airtable."""
    ui.page.goto(f"{address}/Stages")
    ui.page.get_by_text("1.6.1 - Volume").first.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    ui.page.wait_for_timeout(500)
    ui.picture(FOLDER / picture)


def reports() -> ObjectStore:
    """The reports in the bucket of the stack."""
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    return ObjectStore(client, os.environ["BQX_S3_BUCKET"], IN_BUCKET)


def newest(store: ObjectStore, pattern: str) -> Found:
    """The report of a name that was written last."""
    pattern = store.key(pattern)
    return max(
        (found for found in store.list(f"{store.prefix}/") if fnmatchcase(found.key, pattern)),
        key=lambda found: found.modified,
    )


def features(ui: AirflowUI, api: Api, airflow: Airflow) -> None:
    """The running pipeline; two pairs built from the form; one of them broken, and healed."""
    run_id = api.rebuild(RUNNING)
    wait(lambda: sum(task["state"] == "success" for task in api.tasks(run_id)) > 12, "some builds to end")
    show(ui, run_id, "pipeline_running.png")
    wait(lambda: finished(api, run_id), "the pipeline to end")
    run_id = trigger(ui, api, "trigger_form.png")
    show(ui, run_id, "two_pairs_built.png")
    with psycopg.connect(os.environ["BQX_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(BREAK)
        try:
            run_id = trigger(ui, api)
        finally:
            connection.execute(MEND)
    show(ui, run_id, "pair_broken.png")
    failed = [task for task in api.tasks(run_id) if task["state"] == "failed" and task["map_index"] >= 0]
    ui.page.goto(
        f"{ui.url}/dags/{DAG}/runs/{run_id}/tasks/{failed[0]['task_id']}/mapped/{failed[0]['map_index']}"
    )
    ui.wrap_log()
    ui.picture(FOLDER / "pair_broken_message.png")
    api.clear(run_id, failed)
    wait(lambda: finished(api, run_id), "the healed run to end")
    show(ui, run_id, "pair_healed.png")


def serving(ui: AirflowUI, airflow: Airflow) -> None:
    """A second model of a pair, an A/B test of both, and the way back, each from the form."""
    conf = {"pairs": [KEPT], "backtest_pairs": []} | SECOND
    trained = airflow.trigger(TRAIN, conf)
    wait(lambda: airflow.run(TRAIN, trained)["state"] in ENDED, "the second model", 900)
    deploy(ui, airflow, "split", {"share": "0.3"}, "serving_split")
    deploy(ui, airflow, "roll back", {}, "serving_roll_back")


def deploy(ui: AirflowUI, airflow: Airflow, action: str, fields: dict[str, str], name: str) -> None:
    """Fill in the form of bqx_deploy for one pair, approve what its page says, and wait."""
    known = {run["dag_run_id"] for run in airflow.runs(DEPLOY, ())}
    form = ui.open_form(DEPLOY)
    ui.choose(form, "pairs", [KEPT])
    ui.choose(form, "action", [action])
    for param, value in fields.items():
        ui.fill(form, param, value)
    form.locator("#element_action").scroll_into_view_if_needed()
    ui.picture(FOLDER / f"{name}_form.png")
    ui.submit(form)
    wait(lambda: len(airflow.runs(DEPLOY, ())) > len(known), "the run to appear")
    (run_id,) = {run["dag_run_id"] for run in airflow.runs(DEPLOY, ())} - known
    approve(ui, airflow, DEPLOY, run_id, f"{name}_approval.png")
    ui.open_run(DEPLOY, run_id)
    ui.picture(FOLDER / f"{name}_run.png")


def main() -> None:
    """Take the pictures of the chapters that are named, or all."""
    url = os.environ["AIRFLOW_API_URL"]
    api, chapters = Api(url), sys.argv[1:] or CHAPTERS
    port, access = int(url.rpartition(":")[2]), Access.of_env()
    with browser_page() as page, Airflow(port, access) as airflow:
        ui = AirflowUI(page, url)
        ui.enter(access.link(port))
        if "reports" in chapters:
            report(ui, "quality_report.png")
            page_and_figures(ui, "datasets", "dataset")
            page_and_figures(ui, "training", "training")
            page_and_figures(ui, "decisions", "decisions")
        if "plan" in chapters:
            plan(ui)
        if "serving" in chapters:
            serving(ui, airflow)
        if "migration" in chapters:
            migrate(airflow, ui, "revert")
            migrate(airflow, ui, "migrate", "migration_approval.png")
        if "features" in chapters:
            features(ui, api, airflow)
    print(f"Pictures are in {FOLDER}")


if __name__ == "__main__":
    main()
