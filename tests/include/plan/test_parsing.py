"""The files as typed entries; values that cannot be are refused with their entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import PlanRefused
from include.plan.model import DESIRED
from include.plan.parsing import read_all
from include.plan.reading import Span
from tests.include.plan.drafts import draft


def test_everything_is_read() -> None:
    desired = read_all(DESIRED)
    assert (len(desired.phases), len(desired.stages), len(desired.updates)) == (7, 12, 8)
    assert len(desired.tasks) == 50
    assert desired.key == "MP-BQX-001: BQX ML Master Plan"
    assert len(desired.metrics) == 7
    assert [line.planned for line in desired.cost] == [(257, 180), (196, 49), (70, 45), (12, 12)]


def test_stages_and_updates() -> None:
    desired = read_all(DESIRED)
    technical = desired.stages[1]
    assert (technical.key, technical.update) == ("1.6.10 - Technical IDX Build", "")
    assert technical.airflow == ("bqx_features", "pairs.s1_6_10_technical_idx.build")
    selection = desired.updates[7]
    assert (selection.number, selection.title, selection.update) == ("3.3", "Model Selection", "U8")
    assert [work.hours for work in selection.work] == [Span(8, 8), Span(4, 8), Span(3, 9)]


def test_tasks_take_over_what_they_leave_out() -> None:
    tasks = {task.key: task for task in read_all(DESIRED).tasks}
    assert tasks["TSK-1.6.12.3"].tables == ("statistics_bqx",)
    assert tasks["TSK-1.6.12.3"].airflow == ("bqx_features", "pairs.s1_6_12_statistics_bqx.build")
    assert tasks["TSK-1.6.9.2"].airflow == ("bqx_migrate", "pairs.check")
    assert len(tasks["TSK-1.6.17.5"].tables) == 6
    assert tasks["TSK-5.1.1"].airflow == ("", "")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("stages.yaml", 'stage: "5.3"', "stage: 5.3"), r"stages\.yaml, line \d+: 'stage' has to be a text"),
        (("stages.yaml", "duration: Ongoing", "duration: Long"), r"\(5\.3\): 'duration' has to be one of"),
        (("stages.yaml", "features: {bqx: 8}", "features: {bqs: 8}"), r"stages\.yaml, line \d+.*'bqs'"),
        (
            ("stages.yaml", "bqx_features / pairs.s1_6_15", "bqx_features pairs.s1_6_15"),
            r"stages\.yaml, line \d+ \(1\.6\.15\): 'airflow' has to be 'dag / task'",
        ),
        (
            ("tasks.yaml", "TSK-5.3.4\n      name", "TSK-5.3.4\n      nam"),
            r"tasks\.yaml.*\(TSK-5\.3\.4\): 'nam'",
        ),
        (("tasks.yaml", '"5.3": #', '"5.4": #'), r"There is no new stage '5\.4'; see stages\.yaml"),
        (
            ("updates.yaml", '"1.3 - BQX Backfill"', '"BQX Backfill"'),
            r"updates\.yaml.*\(U1\): 'stage' has to be",
        ),
        (
            ("updates.yaml", "conditional: yes", "conditional: 1"),
            r"\(U7\): 'conditional' has to be yes or no",
        ),
        (("phases.yaml", "workers: 4", "workers: 0"), r"\(1\.6\): 'workers' .* 1 or more"),
        (("cost.yaml", "planned: [12, 12]", "planned: [12]"), r"cost\.yaml.*\(Storage\): 'planned'"),
        (("cost.yaml", "planned: [12, 12]", "planned: [12, 1.5]"), r"cost\.yaml.*\(Storage\): 'planned'"),
        (("decisions.yaml", "Phases\n", "Phase\n"), r"decisions\.yaml.*'table' has to be one of"),
        (("resources.yaml", "weeks: 4\n", "weeks: four\n"), r"resources\.yaml, line \d+: 'weeks'"),
        (("plan.yaml", "features: 730", "features: many"), r"plan\.yaml, line \d+: 'features'"),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, edit: tuple[str, str, str], message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        read_all(draft(tmp_path, edit))


@pytest.mark.parametrize("name", sorted(path.name for path in DESIRED.glob("*.yaml")))
def test_every_file_is_needed(tmp_path: Path, name: str) -> None:
    folder = draft(tmp_path)
    (folder / name).unlink()
    with pytest.raises(PlanRefused, match=f"{name} is missing"):
        read_all(folder)
