"""Fire every alarm and drill every runbook, and keep the result, `include/plan/drills.json`.

`python -m tools.drill` runs the tests that do it, those of the soak too; BQX_DRILL_STATE names the folder of
a running stack, else they start one. With ``--alarms`` only the alarms are fired; drills stay as they were.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.plan import drills
from include.plan.drills import FILE, Drill, Drills

_ROOT = Path(__file__).resolve().parents[1]
ALARMS, DRILLS = "tests/include/monitoring/test_alarms.py", "tests/runbooks/test_drills.py"
FIRING = "test_values_beyond_the_limit_fire_the_alarm_and_usual_ones_end_it"


class _Results:
    """Notes how each test ended; one that was skipped has not passed."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for set-up, call and tear-down of each test."""
        if report.failed or (report.when == "call" and report.passed):
            self.passed[report.nodeid] = self.passed.get(report.nodeid, True) and report.passed


def run(*paths: str) -> dict[str, bool]:
    """Run tests, those of the soak too; whether each passed, by its id."""
    import pytest

    results = _Results()
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--rootdir", str(_ROOT), "-m", ""]
    pytest.main([*options, *(str(_ROOT / path) for path in paths)], plugins=[results])
    return results.passed


def counted(passed: Mapping[str, bool], before: Drills, day: str) -> Drills:
    """What the file is to say.

    Args:
        passed: whether each test passed, by its id.
        before: what it says; drills that were not run again stay.
        day: of the tests.
    """
    fired = sum(good for test, good in passed.items() if FIRING in test)
    pages = dict(before.pages)
    for test, good in passed.items():
        if match := re.search(r"test_drills\.py::test_(\w+)$", test):
            page = match[1].replace("_", "-")
            pages.pop(page, None)
            if good:
                pages[page] = Drill(drills.page_hash(page), day)
    return Drills(drills.declaration()[0], fired, dict(sorted(pages.items())))


def write(found: Drills, file: Path = FILE) -> None:
    """Keep a result."""
    pages = {name: drill._asdict() for name, drill in found.pages.items()}
    content = {"declaration": found.declaration, "fired": found.fired, "pages": pages}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Test and write; 0 if everything passed."""
    parser = argparse.ArgumentParser(prog="python -m tools.drill", description=__doc__)
    parser.add_argument("--alarms", action="store_true", help="only fire the alarms")
    options = parser.parse_args(arguments)
    passed = run(*((ALARMS,) if options.alarms else (ALARMS, DRILLS)))
    write(counted(passed, drills.read(), f"{datetime.now(UTC):%Y-%m-%d}"))
    return 0 if passed and all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
