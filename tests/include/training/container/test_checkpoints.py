"""Checkpoints: what was saved comes back, and nothing else is ever taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.training.container.checkpoints import Checkpoints, Progress

PROGRESS = Progress(b"trees\nwith\x00bytes", (3.0, 0.1 + 0.2, 2.5), 2, finished=False)


def saved(folder: Path) -> Checkpoints:
    checkpoints = Checkpoints(folder, "these inputs")
    checkpoints.save("h15", PROGRESS)
    return checkpoints


def test_progress_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    assert saved(tmp_path / "new" / "folder").load("h15") == PROGRESS


def test_a_training_without_checkpoint_begins_anew(tmp_path: Path) -> None:
    assert saved(tmp_path).load("h30") == Progress()
    assert Checkpoints(tmp_path / "nothing", "").load("h15") == Progress()


def test_that_of_other_inputs_is_ignored_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path)
    assert Checkpoints(tmp_path, "others").load("h15") == Progress()
    assert "h15.checkpoint belongs to other inputs" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_damaged_one_is_ignored(kept: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = saved(tmp_path)
    path = tmp_path / "h15.checkpoint"
    path.write_bytes(path.read_bytes()[:kept])
    assert checkpoints.load("h15") == Progress()
    assert "is damaged" in capsys.readouterr().out


def test_a_write_that_was_cut_off_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = saved(tmp_path)

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save("h15", PROGRESS._replace(blocks=3))
    assert checkpoints.load("h15") == PROGRESS


def test_who_copies_a_checkpoint_while_it_is_replaced_gets_the_old_one(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path)
    with (tmp_path / "h15.checkpoint").open("rb") as copied:
        checkpoints.save("h15", PROGRESS._replace(state=b"other trees", blocks=3))
        assert copied.read().endswith(PROGRESS.state)
    assert [path.name for path in tmp_path.iterdir()] == ["h15.checkpoint"]
