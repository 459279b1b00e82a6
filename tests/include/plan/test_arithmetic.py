"""The checks hold for the plan, and each finds the one number that somebody changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.plan.arithmetic import Check, check
from include.plan.model import load
from tests.include.plan.drafts import draft

TASK = "name: Implement statistics_bqx_worker.py\n      hours: "
STATISTICS = "features: {bqx: 24}"
LAST = 'after: ["1.6.10", "1.6.11", "1.6.12", "1.6.13", "1.6.14", "1.6.15", "1.6.16"]'
WITHOUT_VOLUME = LAST.replace('"1.6.15", ', "")


def failed(folder: Path) -> dict[str, Check]:
    return {found.name: found for found in check(load(folder).desired) if not found.ok}


def test_the_plan_adds_up() -> None:
    checks = check(load().desired)
    assert [found for found in checks if not found.ok] == []
    assert {found.name[0] for found in checks} == set("1234567")
    found = {one.name: one.explanation for one in checks}
    assert found["1 Columns of the new stages"] == "15 + 15 + 24 + 10 + 10 + 8 + 20 + 25"
    assert found["6 Parent tables"] == "7 renamed x 28 + 7 new x 28"
    assert found["7 Hours of the roles"] == "80 + 40 + 40"


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        pytest.param(
            ("stages.yaml", STATISTICS, "features: {bqx: 25}"),
            {
                "1 Columns of each stage": "1.6.12: 'features' (stages.yaml, line",
                "1 Columns of the new stages": "= 128 in stages.yaml, but 'features_new' in plan.yaml is 127",
                "1 Columns in all": "= 731 in stages.yaml, updates.yaml, but 'features' in plan.yaml is 730",
                "1 Columns: bqx": "= 255",
                "1 Columns: stored": "= 379",
            },
            id="features of a stage",
        ),
        pytest.param(
            ("updates.yaml", "lag: 180", "lag: 181"),
            {"1 Columns of each stage": "2.2: 'parts' (updates.yaml, line"},
            id="features of a group",
        ),
        pytest.param(
            ("plan.yaml", "features: 730", "features: 1062"),
            {"1 Columns in all": "= 730 in stages.yaml, updates.yaml, but 'features' in plan.yaml is 1,062"},
            id="features promised",
        ),
        pytest.param(
            ("stages.yaml", "tables: [volume_bqx]", "tables: [volume_idx]"),
            {"1 Columns of each stage": "1.6.15: 'tables'", "6 Parent tables": "7 renamed x 28 + 6 new x 28"},
            id="tables",
        ),
        pytest.param(
            ("plan.yaml", "stages_new: 12", "stages_new: 14"),
            {"2 New stages": "9 + 3 = 12 in stages.yaml, but 'stages_new' in plan.yaml is 14"},
            id="stages promised",
        ),
        pytest.param(
            ("tasks.yaml", TASK + "2\n", TASK + "4\n"),
            {
                "3 Hours of each stage": "1.6.12 (stages.yaml, line",
                "3 Hours of phase 1.6": "= 57 in tasks.yaml, but 'hours_1_6' in plan.yaml is 55",
                "3 Hours of all tasks": "= 73 in tasks.yaml, but 'hours' in plan.yaml is 71",
            },
            id="hours of a task",
        ),
        pytest.param(
            ("tasks.yaml", TASK + "2\n", TASK + "12\n"),
            {
                "3 Hours of each stage": "its tasks (tasks.yaml) are 0.5 + 12 + 3 + 0.5 = 16 h",
                "3 Hours of phase 1.6": "= 65",
                "3 Hours of all tasks": "= 81",
                "4 Hours of each phase": "phase 1.6 (phases.yaml, line",
            },
            id="hours of a task that lengthen the phase",
        ),
        pytest.param(
            ("updates.yaml", "hours: 8\n        pairs: 28", "hours: 18\n        pairs: 28"),
            {"4 Hours of each phase": "phase 3 (phases.yaml, line"},
            id="hours of training",
        ),
        pytest.param(
            ("phases.yaml", "own_hours: [20, 25]", "own_hours: [20, 28]"),
            {"4 Wall time": "25-30 + 15 + 9.4-16 + 20-28 + 12; plan.yaml promises 80-100 h"},
            id="hours of deployment",
        ),
        pytest.param(
            ("phases.yaml", "workers: 4", "workers: 3"),
            {"4 Hours of each phase": "promises 25-30 h, its stages take 27-32 h (wall)"},
            id="workers",
        ),
        pytest.param(
            ("phases.yaml", "pairs_at_once: 8", "pairs_at_once: 2"),
            {"4 Wall time": "25-30 + 15 + 17.5-25.5 + 20-25 + 12; plan.yaml promises 80-100 h"},
            id="pairs at once",
        ),
        pytest.param(
            ("stages.yaml", LAST, WITHOUT_VOLUME),
            {"4 Order of the stages": "does not wait for 1.6.15, and is the last of its phase (phases.yaml"},
            id="dependency of the last stage",
        ),
        pytest.param(
            ("stages.yaml", LAST, "after: []"),
            {
                "4 Order of the stages": "1.6.17",
                "4 Hours of each phase": "its stages take 17-22 h",
                "4 Wall time": "17-22 + 15 + ",
            },
            id="all dependencies of the last stage",
        ),
        pytest.param(
            ("cost.yaml", "price: 0.161", "price: 0.2"),
            {
                "5 Cost of each line": "Inference after: quantity times price is $223.40, 'planned' says",
                "5 Cost a month, computed, after": "in cost.yaml, but 'cost_after' in plan.yaml is 286",
                "5 Cost saved, percent": "= 38.4%",
            },
            id="price",
        ),
        pytest.param(
            ("cost.yaml", "quantity: 182.5", "quantity: 730"),
            {
                "5 Cost below budget": "more than the budget",
                "5 Cost of each line": "Monitoring after",
                "5 Cost a month, computed, after": "= 432.81",
                "5 Cost saved, percent": "19.1%",
            },
            id="quantity",
        ),
        pytest.param(
            ("cost.yaml", "planned: [70, 45]", "planned: [70, 46]"),
            {"5 Cost of each line": "Training after", "5 Cost a month, planned, after": "= 287"},
            id="planned cost",
        ),
        pytest.param(
            ("plan.yaml", "cost_after: 286", "cost_after: 300"),
            {"5 Cost a month, computed, after": "is 300", "5 Cost a month, planned, after": "is 300"},
            id="cost promised",
        ),
        pytest.param(
            ("stages.yaml", "cost: 3\n", "cost: 4\n"),
            {"5 Cost of the new stages": "= 36 in stages.yaml"},
            id="cost of a stage",
        ),
        pytest.param(
            ("plan.yaml", "months: 12", "months: 13"),
            {"6 Partitions of a family": "28 pairs x 13 months = 364 in plan.yaml"},
            id="months",
        ),
        pytest.param(
            ("resources.yaml", "hours: 80", "hours: 90"),
            {"7 Hours of the roles": "90 + 40 + 40 = 170 in resources.yaml, but 'effort' in plan.yaml"},
            id="hours of a role",
        ),
        pytest.param(
            ("resources.yaml", "weeks: 4\n", "weeks: 5\n"),
            {"7 Hours of the weeks": "5 weeks x 40 h = 200"},
            id="weeks",
        ),
    ],
)
def test_one_changed_number_is_named(
    tmp_path: Path, edit: tuple[str, str, str], wanted: dict[str, str]
) -> None:
    found = failed(draft(tmp_path, edit))
    assert found.keys() == wanted.keys()
    for name, words in wanted.items():
        assert words in found[name].explanation, found[name]


def test_a_removed_task_is_missed(tmp_path: Path) -> None:
    gone = "    - task: TSK-5.2.5\n      name: Run a drill and record it\n      hours: 0.25\n"
    gone += "      priority: High\n      done_when: drilled\n"
    gone += "      names: [rollback, restore-of-the-database]\n"
    found = failed(draft(tmp_path, ("tasks.yaml", gone, "")))
    assert set(found) == {"2 Tasks", "3 Hours of each stage", "3 Hours of all tasks", "4 Hours of each phase"}
    assert "5.2 (stages.yaml, line" in found["3 Hours of each stage"].explanation


def test_a_changed_dependency_of_the_first_is_found(tmp_path: Path) -> None:
    folder = draft(tmp_path)
    text = (folder / "stages.yaml").read_text()
    (folder / "stages.yaml").write_text(text.replace('after: ["1.6.9"]', "after: []", 1))
    found = failed(folder)["4 Order of the stages"]
    assert "1.6.10 ('after', stages.yaml, line" in found.explanation
    assert "does not wait for 1.6.9" in found.explanation
