"""Entries: keys, and who belongs to whom."""

from __future__ import annotations

from include.plan.model import DESIRED
from include.plan.parsing import read_all


def test_who_belongs_to_whom() -> None:
    desired = read_all(DESIRED)
    phases = {phase.number: phase for phase in desired.phases}
    assert [stage.number for stage in desired.stages_of(phases["2"])] == ["2.1", "2.2", "2.3"]
    assert [stage.number for stage in desired.stages_of(phases["1.6"])] == [f"1.6.{n}" for n in range(9, 18)]
    assert sum(len(desired.tasks_of(stage)) for stage in desired.stages) == len(desired.tasks)
    assert desired.tasks_of(desired.updates[0]) == ()


def test_titles_and_keys() -> None:
    desired = read_all(DESIRED)
    assert desired.phases[-1].title == "Production Operations"
    assert desired.stages[0].key == "1.6.9 - Table Renaming & Migration"
    assert [stage.number for stage in desired.stages if stage.ongoing] == ["5.3"]
