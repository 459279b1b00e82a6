"""Table and plot of replayed weeks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools import replay_report


def week(monday: str, *outcomes: str, skill: float | None = 0.01) -> dict[str, Any]:
    scored = {"champion": 0.02, "challenger": 0.03}
    return {
        "monday": monday, "state": "success", "seconds": 60,
        "values": {"skill": skill, "r2": 0.2, "r2_no_skill": 0.19},
        "pairs": [{"outcome": each, "skill": scored if each != "keep" else None} for each in outcomes],
    }  # fmt: skip


def test_a_line_for_each_week(tmp_path: Path) -> None:
    weeks = [week("2019-04-08", "deploy", "keep"), week("2019-04-15", "keep", "keep", skill=None)]
    replay_report.write(weeks, tmp_path)
    lines = (tmp_path / replay_report.TABLE).read_text().splitlines()
    assert lines[2] == (
        "| 2019-04-08 | success | +0.0100 | +0.2000 / +0.1900 | 1, 1, 0 | +0.0200 | +0.0300 | 60 |"
    )
    assert lines[3] == (
        "| 2019-04-15 | success | no data | +0.2000 / +0.1900 | 0, 2, 0 | no data | no data | 60 |"
    )
    assert (tmp_path / replay_report.PICTURE).read_bytes().startswith(b"\x89PNG")
