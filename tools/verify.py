"""Test every family and keep the result, `include/plan/verified.json`.

`python -m tools.verify` runs the tests of the families and writes the file; with ``--check`` it only says
whether the file is about the present code.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from include.build.code import code_version
from include.features.catalogue import FAMILIES
from include.plan.verified import FILE, Score, Verified, read

_ROOT = Path(__file__).resolve().parents[1]
_UNIT = "tests/include/features/test_{}.py"

# A test belongs to the families that its id names; in a file of its own a family need not be named.
FILES: dict[str, tuple[str, ...]] = {
    "regression": ("reg_idx", "reg_bqx"),
    "statistics": ("statistics_idx", "statistics_bqx"),
    "bollinger": ("bollinger_idx", "bollinger_bqx"),
    "technical": ("technical_idx", "technical_bqx"),
    "fibonacci": ("fibonacci_idx", "fibonacci_bqx"),
    "lags": ("lag",),
    "averages": ("ma",),
    "xpair": ("xpair",),
    "dual": ("dual",),
    "calendar": ("time",),
    "spread": ("spread_idx",),
    "volume": ("volume_idx", "volume_bqx"),
    "events": ("event",),
    "regimes": ("event",),
    "mres": ("mres",),
    "correlation": ("correlation_idx", "correlation_bqx"),
    "shared": ("correlation_idx", "correlation_bqx"),
    "engine": (),
}
SHARED_FILES = ("tests/leakage",)


def problems(verified: Verified) -> list[str]:
    """Why the file does not hold for the present code; empty if it does."""
    if verified.code != code_version():
        return ["it is about other code than this"]
    found = [f"{name} was not tested" for name in FAMILIES if not verified.families.get(name, (0, 0))[0]]
    found += [
        f"{name}: {one.tests - one.passed} of {one.tests} tests failed"
        for name, one in verified.families.items()
        if one.passed != one.tests
    ]
    return found


def families_of(node: str) -> tuple[str, ...]:
    """Families that a test belongs to, by its id: ``tests/.../test_engine.py::test_x[lag-eurusd]``."""
    file, _, rest = node.partition("::")
    named = tuple(part for part in re.split(r"[\[\]\-:]", rest) if part in FAMILIES)
    own = FILES.get(Path(file).stem.removeprefix("test_"), ()) if "include/features/" in file else ()
    return tuple(dict.fromkeys(named)) or own


def counted(results: Iterable[tuple[str, bool]]) -> dict[str, Score]:
    """Tests by family, in the order of the catalogue, from test ids and whether each passed."""
    found = dict.fromkeys(FAMILIES, Score(0, 0))
    for node, passed in results:
        for name in families_of(node):
            tests, before = found[name]
            found[name] = Score(tests + 1, before + passed)
    return found


class _Results:
    """Notes how each test ended."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for set-up, call and tear-down of each test."""
        if report.failed or (report.when == "call" and report.passed):
            self.passed[report.nodeid] = self.passed.get(report.nodeid, True) and report.passed


def run(jobs: str = "auto") -> Verified:
    """Run the tests of every family, in parallel.

    Returns:
        The result; a test that fails outside of any family makes ``code`` empty.
    """
    import pytest

    code, results = code_version(), _Results()
    files = [_UNIT.format(name) for name in FILES]
    options = ["-q", "-n", jobs, "-p", "no:cacheprovider", "--rootdir", str(_ROOT), "--no-header"]
    paths = [str(_ROOT / path) for path in (*files, *SHARED_FILES)]
    status = pytest.main([*options, *paths], plugins=[results])
    families = counted(results.passed.items())
    blamed = any(one.passed != one.tests for one in families.values())
    return Verified(code if status == 0 or blamed else "", families)


def write(verified: Verified, file: Path = FILE) -> None:
    """Keep a result."""
    content = {
        "code": verified.code,
        "families": {name: one._asdict() for name, one in verified.families.items()},
    }
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Test and write, or only check; 0 if the file holds for the present code."""
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    parser.add_argument("--jobs", default="auto", help="processes for the tests")
    options = parser.parse_args(arguments)
    if not options.check:
        write(run(options.jobs))
    found = problems(read())
    if found:
        print(f"{FILE.name}: {'; '.join(found)}. Run `make verify`.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
