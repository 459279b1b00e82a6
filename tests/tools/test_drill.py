"""The record of drills is about the declaration and pages of now; a drill that fails takes it away."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.plan import drills
from include.plan.drills import Drill, Drills
from tools.drill import ALARMS, DRILLS, FIRING, counted, write

FIRED = {f"{ALARMS}::{FIRING}[{name}]": True for name in ("cost-warning", "cost-critical")}


def test_the_stored_record_is_about_the_alarms_that_are_declared() -> None:
    known = drills.read()
    assert (known.declaration, known.fired) == drills.declaration(), "alarms changed: run `make drill`"


@pytest.mark.parametrize("path", [ALARMS, DRILLS])
def test_the_files_are_there(path: str) -> None:
    text = (Path(__file__).resolve().parents[2] / path).read_text()
    assert path == DRILLS or f"def {FIRING}(" in text


def test_what_passed_counts_what_failed_goes_and_the_rest_stays(tmp_path: Path) -> None:
    before = Drills("old", 9, {"cost": Drill("x", "2026-01-01"), "rollback": Drill("y", "2026-01-02")})
    passed = FIRED | {f"{DRILLS}::test_high_latency": True, f"{DRILLS}::test_rollback": False}
    found = counted(passed, before, "2026-11-29")
    assert (found.declaration, found.fired) == (drills.declaration()[0], 2)
    assert found.pages == {
        "cost": Drill("x", "2026-01-01"),
        "high-latency": Drill(drills.page_hash("high-latency"), "2026-11-29"),
    }
    assert found.holds("high-latency")
    assert not found.holds("cost"), "the page has changed since"
    write(found, tmp_path / "drills.json")
    assert drills.read(tmp_path / "drills.json") == found
    assert drills.read(tmp_path / "none.json") == Drills("", 0, {})
