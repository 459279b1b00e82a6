"""Pages of an experiment and of A/B tests say what was found; they are the evidence of task 5.3.2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import BadParameter, NothingToDo, TrainingFailed
from include.experiments import steps
from include.experiments.forms import JUDGE, TRY
from include.experiments.sequential import BETTER
from include.names import to_datetime
from include.objects import ObjectStore
from include.plan.model import load
from include.reports import INDEX, Reports
from include.serving.clock import LAST_BAR
from local.postgres import Postgres
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import empty_store
from tests.include.experiments.worlds import FIRST, answers, split
from tests.include.retraining import worlds
from tests.include.retraining.worlds import PAIR, learn
from tests.include.storage.samples import store
from tests.reports import in_folder

COMPARED = {
    "pair": PAIR, "days": 20, "from": "2026-02-02T22:00:00+00:00", "to": "2026-03-01T22:00:00+00:00",
    "looks": 3, "champion": 0.01, "experiment": 0.05, "gain": 0.04, "low": 0.0125, "high": 0.0675,
    "params": {"rounds": ["500", "300"], "eta": [None, "<0.1>"]},
}  # fmt: skip
PLANNED = {"dataset_id": "new", "jobs": [{"pair": PAIR}, {"pair": "gbpusd"}]}
ASKED = {"action": JUDGE, "pairs": [PAIR, "gbpusd"], "first_day": f"{to_datetime(FIRST):%Y-%m-%d}"}
CHAMPION, CHALLENGER = "a" * 16, "b" * 16


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    with databases.database(postgres) as name:
        store(postgres.url(name), PAIR, worlds.market(35)[PAIR])
        yield postgres.url(name)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as opened:
        yield opened._replace(prefix="")


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    return in_folder(tmp_path / "reports")


def test_the_plan_asks_for_such_a_page() -> None:
    (task,) = (item for item in load().items if item.key == "TSK-5.3.2")
    assert task.evidence is not None
    assert (task.evidence.kind, task.evidence.families) == ("reported", (steps.KIND,))


def page_of(reports: Reports) -> str:
    newest = reports.newest(steps.KIND)
    assert newest == "run"
    return (reports.read(steps.KIND, newest, INDEX) or b"").decode()


def test_the_page_of_an_experiment_says_what_was_found(reports: Reports) -> None:
    few = COMPARED | {"pair": "gbpusd", "days": 6, "gain": 0.03, "low": None, "high": None, "params": {}}
    told = steps.conclude(reports, PLANNED, [COMPARED, few], "run")
    page = page_of(reports)
    for said in (
        told["summary"], "2026-02-02 to 2026-03-01", "+0.0400 (+0.0125 to +0.0675)", "+0.0350",
        ">+0.0300<", ">0.0100<", ">3<", ">500<", ">300<", "&lt;0.1&gt;", "propose",
    ):  # fmt: skip
        assert said in page, said
    assert told["report"].endswith("experiments/run/index.html")
    assert told["roll_out"]


def test_an_experiment_that_is_not_complete_has_no_page(reports: Reports) -> None:
    with pytest.raises(TrainingFailed, match="Not compared: gbpusd"):
        steps.conclude(reports, PLANNED, [COMPARED, None], "run")
    assert reports.newest(steps.KIND) is None


def test_a_split_is_judged_from_what_clients_were_told(
    url: str, bucket: ObjectStore, reports: Reports
) -> None:
    answers(url, {CHAMPION: learn(url, 14, "nothing"), CHALLENGER: learn(url, 14)})
    split(bucket, CHAMPION, CHALLENGER)
    told = steps.judge(url, bucket, reports, ASKED, LAST_BAR, "run")
    assert told["verdicts"] == {PAIR: BETTER}, "a pair that is not split is left out"
    assert "eurusd: challenger is better, on day " in told["summary"]
    page = page_of(reports)
    for said in (told["summary"], CHAMPION, CHALLENGER, "2024-07-16", "2024-08-01"):
        assert said in page, said
    later = ASKED | {"first_day": "2024-08-01"}
    few = steps.judge(url, bucket, reports, later, LAST_BAR, "run")
    assert "not decided, after 3 days" in few["summary"]
    assert "2024-07-16" not in page_of(reports), "answers before the first day do not count"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"first_day": None}, "Set first_day"), ({"pairs": ["gbpusd"]}, "None of gbpusd has a challenger")],
)
def test_what_cannot_be_judged_is_said(
    url: str, bucket: ObjectStore, reports: Reports, changes: dict[str, Any], said: str
) -> None:
    split(bucket, CHAMPION, CHALLENGER)
    with pytest.raises(BadParameter, match=said):
        steps.judge(url, bucket, reports, ASKED | changes, LAST_BAR, "run")


def test_an_experiment_judges_no_split(url: str, bucket: ObjectStore, reports: Reports) -> None:
    with pytest.raises(NothingToDo):
        steps.judge(url, bucket, reports, ASKED | {"action": TRY}, LAST_BAR, "run")
