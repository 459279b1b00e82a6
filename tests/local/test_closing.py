"""What is asked for when the pipeline is over, and the mails that came meanwhile."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.api import Airflow
from local.approval import WAITING, Approver
from local.closing import MONITOR, PREDICT, REVIEW, mails, once, watch
from local.mail.folder import caught, keep
from tests.local.fake_airflow import FakeAirflow, instance

WORDS = {"conclude": "Success metrics", "draw": "Dashboards: http://x"}


def fake(dag: str, state: str = "success", **tasks: str) -> dict[str, Any]:
    """A DAG whose runs end at once; what each task tells."""
    runs = f"/api/v2/dags/{dag}/dagRuns"
    answers: dict[str, Any] = {
        f"PATCH /api/v2/dags/{dag}": {},
        f"POST {runs}": {"dag_run_id": "r"},
        f"GET {runs}/r": {"state": state},
        f"GET {runs}/r/taskInstances": [
            instance(dag, "r", name, "success", start_date=f"2024-07-01T12:00:0{number}Z")
            for number, name in enumerate(tasks)
        ],
    }
    for name, text in tasks.items():
        answers[f"GET {runs}/r/taskInstances/{name}/xcomEntries/return_value"] = {
            "value": {"summary": text} if text else [1]
        }
    return answers


def silent(client: Airflow) -> Approver:
    return Approver(client, Console(file=io.StringIO()), pause=0.0)


@pytest.mark.parametrize(
    ("pairs", "watched"),
    [
        (("audcad", "eurusd", "usdjpy"), ["eurusd", "usdjpy"]),
        (("audcad", "audchf", "audnzd", "cadjpy", "cadchf"), ["audcad", "audchf", "audnzd", "cadjpy"]),
    ],
)
def test_the_majors_are_forecast_monitored_and_reviewed(pairs: tuple[str, ...], watched: list[str]) -> None:
    reviewed = "Review of the quarter: 2 proposals"
    airflow = FakeAirflow(
        fake(PREDICT, plan="") | fake(MONITOR, plan="", **WORDS) | fake(REVIEW, gather=reviewed)
    )
    with airflow.client() as client:
        states, told = watch(client, pairs, silent(client), lambda: None)
    assert states == {PREDICT: "success", MONITOR: "success", REVIEW: "success"}
    assert told.splitlines()[1:] == [*WORDS.values(), reviewed]
    assert told.startswith(f"Watched: {', '.join(watched)}")
    changes = [(path, body) for path, _, body in airflow.asked if not path.startswith(("GET", "POST /auth"))]
    for _, body in changes:
        body.pop("dag_run_id", None)
    conf = {"logical_date": None, "conf": {"pairs": watched}}
    assert changes == [
        (f"PATCH /api/v2/dags/{PREDICT}", {"is_paused": False}),
        (f"POST /api/v2/dags/{PREDICT}/dagRuns", conf),
        (f"PATCH /api/v2/dags/{MONITOR}", {"is_paused": False}),
        (f"POST /api/v2/dags/{MONITOR}/dagRuns", conf),
        (f"PATCH /api/v2/dags/{REVIEW}", {"is_paused": False}),
        (f"POST /api/v2/dags/{REVIEW}/dagRuns", {"logical_date": None, "conf": {}}),
    ]


def test_what_a_run_asks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    run = f"/api/v2/dags/{REVIEW}/dagRuns/r"
    airflow = FakeAirflow(fake(REVIEW, "running", gather="Review: 1 proposal"))
    asking = instance(REVIEW, "r", "approval", WAITING, start_date="2024-07-01T12:00:05Z")
    airflow.answers[f"GET {run}/taskInstances"].append(asking)
    question = f"{run}/taskInstances/approval/-1/hitlDetails"
    airflow.answers[f"GET {question}"] = {"subject": "Accept?", "body": "- a proposal"}

    def answered(path: str) -> dict[str, Any]:
        airflow.answers[f"GET {run}"] = {"state": "success"}
        return {}

    airflow.answers[f"PATCH {question}"] = answered
    with airflow.client() as client:
        told = once(client, REVIEW, {}, lambda: None, approver=silent(client))
    assert told == ("success", ["Review: 1 proposal"])
    assert airflow.paths().count(f"PATCH {question}") == 1


def test_a_run_that_does_not_end_in_time_is_told_by_its_state() -> None:
    airflow = FakeAirflow(fake(MONITOR, "running"))
    with airflow.client() as client:
        assert once(client, MONITOR, {}, lambda: None, patience=-1) == ("running", [])


def test_the_mails_since_the_beginning_are_listed_with_their_addresses(tmp_path: Path) -> None:
    for number in range(7):
        mail = EmailMessage()
        mail["Subject"] = f"[BQX {number}] Critical"
        keep(tmp_path, mail.as_bytes())
    newest = caught(tmp_path)[0]
    told = mails(tmp_path, 9005, datetime.now(UTC) - timedelta(minutes=1)).splitlines()
    assert told[0] == "Mails caught: 7"
    assert told[1] == f"  [BQX 6] Critical  http://127.0.0.1:9005/{newest.name}"
    assert told[-1] == "  and 2 more, see http://127.0.0.1:9005"
    assert mails(tmp_path, 9005, datetime.now(UTC) + timedelta(minutes=1)) == ""
