"""What does not exist, or exists twice, is refused with its entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import PlanRefused
from include.plan.model import load
from include.plan.references import NUMBERS
from tests.include.plan.drafts import draft


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("stages.yaml", 'after: ["5.2"]', 'after: ["5.9"]'),
            r"stages\.yaml.*\(5\.3\): 'after' names '5\.9'",
        ),
        (
            ("stages.yaml", 'after: ["5.2"]', 'after: ["5"]'),
            r"\(5\.3\): 'after' names '5': no stage or phase",
        ),
        (
            ("stages.yaml", "after: []", 'after: ["Phase 2"]'),
            r"\(1\.6\.9\): .*not finished before this phase",
        ),
        (("stages.yaml", 'after: ["Phase 4"]', 'after: ["Phase 5"]'), r"\(5\.1\): .*not finished before"),
        (
            ("stages.yaml", "tables: [volume_bqx]", "tables: [volumes]"),
            r"'volumes' is no family .* volume_bqx",
        ),
        (("updates.yaml", "lag: 180", "lags: 180"), r"updates\.yaml.*\(U4\): 'lags' is no family"),
        (
            ("updates.yaml", '"2.2 - Derived', '"2.1 - Derived'),
            r"updates\.yaml.*\(U4\): '2\.1' is there twice",
        ),
        (
            ("updates.yaml", 'phase: "1.5"', 'phase: "1.7"'),
            r"\(U2\): There is no phase '1\.7' in phases\.yaml",
        ),
        (("updates.yaml", "{features_derived} d", "{features_deduced} d"), r"\(U4\): .*\{features_deduced\}"),
        (("plan.yaml", "${cost_budget}", "${budget}"), r"plan\.yaml: .*\{budget\}, which is no number"),
        (("tasks.yaml", "TSK-5.3.4", "TSK-5.3.3"), r"tasks\.yaml.*\(TSK-5\.3\.3\): .*twice"),
        (("tasks.yaml", "TSK-5.3.4", "TSK-5.2.9"), r"\(TSK-5\.2\.9\): .*begin with TSK-5\.3\."),
        (("phases.yaml", '"Phase 4: ', '"Phase 40: '), r"phases\.yaml.*\(4\): 'record' has to begin"),
        (
            ("phases.yaml", 'last: "1.6.17"', 'last: "2.1"'),
            r"phases\.yaml.*\(1\.6\): .*'2\.1', which is no stage",
        ),
        (
            ("phases.yaml", "status: Not Started\n", "workers: 1\n"),
            r"phases\.yaml.*\(5\): .*needs a 'status'",
        ),
        (("resources.yaml", '["4", "5"]', '["4", "6"]'), r"resources\.yaml \(ML Platform.*no phase '6'"),
        (
            ("decisions.yaml", '"5.2 - Operational Runbook"', '"5.2 - Runbook"'),
            r"decisions\.yaml, line \d+.*'create': '5\.2 - Runbook' is no new record",
        ),
        (
            ("decisions.yaml", '"2.2 - Lag Feature Generation"', '"2.1 - Feature Table Audit"'),
            r"decisions\.yaml, line \d+.*'Stages 2\.1 - Feature Table Audit' is there twice",
        ),
    ],
)
def test_dangling_references_are_refused(tmp_path: Path, edit: tuple[str, str, str], message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        load(draft(tmp_path, edit))


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_needed(tmp_path: Path, name: str) -> None:
    folder = draft(tmp_path)
    text = (folder / "plan.yaml").read_text()
    head, _, numbers = text.partition("\nnumbers:\n")
    (folder / "plan.yaml").write_text(
        f"{head}\nnumbers:\n" + numbers.replace(f"  {name}: ", f"  other_{name}: ")
    )
    with pytest.raises(PlanRefused, match=f"'{name}' is missing in 'numbers'"):
        load(folder)


def test_further_numbers_may_be_used_in_texts(tmp_path: Path) -> None:
    edits = (
        ("plan.yaml", "  effort: 160\n", "  effort: 160\n  instances: 4\n"),
        ("phases.yaml", "from 1 to 4 instances", "from 1 to {instances} instances"),
    )
    assert load(draft(tmp_path, *edits)).items == load().items
