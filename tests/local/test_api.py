"""The calls to Airflow: pages, retries, refusals."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from include.errors import BqxError
from local.api import PAGE
from tests.local.fake_airflow import LOGIN, FakeAirflow, instance

TASKS = "GET /api/v2/dags/d/dagRuns/r/taskInstances"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_all_pages_are_read() -> None:
    fake = FakeAirflow({TASKS: [instance("d", "r", "t", None, place) for place in range(2 * PAGE + 1)]})
    with fake.client() as airflow:
        assert len(airflow.tasks("d", "r")) == 2 * PAGE + 1
    assert fake.paths().count(TASKS) == 3


def test_an_empty_list_is_one_page() -> None:
    fake = FakeAirflow({TASKS: []})
    with fake.client() as airflow:
        assert airflow.tasks("d", "r", since="2024-07-01T00:00:00+00:00") == []
    assert fake.asked[-1][1]["updated_at_gte"] == "2024-07-01T00:00:00+00:00"


def test_one_login_serves_all_calls() -> None:
    fake = FakeAirflow({TASKS: []})
    with fake.client() as airflow:
        airflow.tasks("d", "r")
        airflow.tasks("d", "r")
    assert fake.paths().count("POST /auth/token") == 1


def test_a_read_is_tried_again() -> None:
    fake = FakeAirflow({TASKS: []})
    fake.broken = 2
    with fake.client() as airflow:
        assert airflow.tasks("d", "r") == []


class Starting(FakeAirflow):
    """An Airflow whose first proofs go wrong."""

    def __init__(self, *proofs: httpx.Response | Exception) -> None:
        super().__init__({TASKS: []})
        self.proofs = list(proofs)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = super()._answer(request)
        if not (request.url.path.startswith("/auth/proof/") and self.proofs):
            return answer
        if isinstance(wrong := self.proofs.pop(0), Exception):
            raise wrong
        return wrong


def test_an_airflow_that_is_busy_or_starting_is_asked_again_whose_it_is() -> None:
    fake = Starting(httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(503))
    with fake.client() as airflow:
        assert not airflow.is_ours()
        assert airflow.tasks("d", "r") == []


@pytest.mark.parametrize("proof", [httpx.Response(404), httpx.Response(200, text="guessed")])
def test_another_airflow_is_told_no_password_and_is_not_asked_twice(proof: httpx.Response) -> None:
    fake = Starting(proof)
    with fake.client() as airflow, pytest.raises(BqxError, match="is not the Airflow of"):
        airflow.tasks("d", "r")
    assert len(fake.asked) == 1


class Runs(FakeAirflow):
    """An Airflow with a database of runs, which can lose an answer or forget what it had."""

    def __init__(self) -> None:
        super().__init__()
        self.answers_lost = 0

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/dagRuns"):
            return super()._answer(request)
        body = json.loads(request.content)
        path = f"GET /api/v2/dags/d/dagRuns/{body['dag_run_id']}"
        status = 409 if path in self.answers else 200
        self.answers.setdefault(path, body)
        if self.answers_lost:
            self.answers_lost -= 1
            raise httpx.ReadError("the connection ended")
        return httpx.Response(status, json=body)


def test_a_start_whose_answer_is_lost_makes_one_run() -> None:
    fake = Runs()
    fake.answers_lost = 2
    with fake.client() as airflow:
        run = airflow.trigger("d", {"pairs": ["eurusd"]})
        assert airflow.run("d", run)["conf"] == {"pairs": ["eurusd"]}
    assert [path for path in fake.answers if path != LOGIN] == [f"GET /api/v2/dags/d/dagRuns/{run}"]


def test_a_run_that_the_database_lost_is_started_again_under_its_id() -> None:
    fake = Runs()
    with fake.client() as airflow:
        run = airflow.trigger("d", {"pairs": ["eurusd"]})
        fake.answers = {LOGIN: fake.answers[LOGIN]}
        lost = airflow.run("d", run)
    assert (lost["dag_run_id"], lost["conf"]) == (run, {"pairs": ["eurusd"]})


def test_a_refusal_carries_airflows_own_words() -> None:
    with FakeAirflow().client() as airflow, pytest.raises(BqxError, match=r"404.*not found"):
        airflow.run("d", "r")


def test_health_is_empty_while_nobody_answers() -> None:
    fake = FakeAirflow({"GET /api/v2/monitor/health": {"scheduler": {"status": "healthy"}}})
    fake.broken = 1
    with fake.client() as airflow:
        assert airflow.health() == {}
        assert airflow.health() == {"scheduler": "healthy"}


@pytest.mark.parametrize(
    ("there", "verb"), [(False, "POST /api/v2/pools"), (True, "PATCH /api/v2/pools/builds")]
)
def test_a_pool_is_made_or_resized(there: bool, verb: str) -> None:
    fake = FakeAirflow({"POST /api/v2/pools": {}, "PATCH /api/v2/pools/builds": {}})
    if there:
        fake.answers["GET /api/v2/pools/builds"] = {}
    with fake.client() as airflow:
        airflow.set_pool("builds", 3, "why")
    path, _, body = fake.asked[-1]
    assert path == verb
    assert body["slots"] == 3


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], ""),
        ([{"event": "fine", "level": "info"}], ""),
        (
            [
                {
                    "event": "Task failed",
                    "level": "error",
                    "error_detail": [{"exc_type": "BadInput", "exc_value": "row 3"}],
                }
            ],
            "BadInput: row 3",
        ),
        ([{"event": "one\ntwo", "level": "error"}, {"event": "later", "level": "info"}], "two"),
    ],
)
def test_last_words(events: list[dict[str, object]], words: str) -> None:
    fake = FakeAirflow({"GET /api/v2/dags/d/dagRuns/r/taskInstances/t/logs/1": {"content": events}})
    with fake.client() as airflow:
        assert airflow.last_words(instance("d", "r", "t", "failed")) == words
