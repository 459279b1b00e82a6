"""Intermediate results: whole or absent, apart from other frames, and removed in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from include.dataset.frame import Frame
from include.dataset.split import split
from include.dataset.work import Work, arrays_bytes, json_bytes, remove_abandoned
from include.errors import MissingInput
from include.objects import ObjectStore
from tests.include.dataset.stores import contents, empty_store, export

FRAME = Frame(
    dataset_id="one", pairs=("eurusd",), start=0, end=14_400, months=("1970-01",), split=split(0, 14_400),
    named=True,
    folds=(), columns="selected", target_window="matched", rows=100, trees=10, inputs={},
)  # fmt: skip


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with empty_store(tmp_path / "s3") as store:
        yield Work(store, FRAME)


def test_what_was_put_comes_back(work: Work) -> None:
    arrays = {"a": np.array([0.1, np.nan]), "names": np.array(["x", "yz"])}
    work.put("a/b.npz", arrays_bytes(arrays))
    work.put("c.json", json_bytes({"x": 0.1 + 0.2}))
    found = work.get_arrays("a/b.npz", "examine")
    assert list(found) == ["a", "names"]
    np.testing.assert_array_equal(found["a"], arrays["a"])
    assert work.get_json("c.json", "choose") == {"x": 0.1 + 0.2}
    assert arrays_bytes(arrays) == arrays_bytes(arrays)


def test_another_frame_does_not_see_it(work: Work) -> None:
    work.put("c.json", json_bytes(1))
    other = Work(work.store, replace(FRAME, trees=11))
    with pytest.raises(MissingInput, match=r"data set one|Data set one: choose has not ended"):
        other.get_json("c.json", "choose")


def test_clearing_takes_everything_of_the_id_and_nothing_else(work: Work) -> None:
    export(work.store, "one", rows=10)
    before = contents(work.store)
    neighbour = Work(work.store, replace(FRAME, dataset_id="one.more"))
    for each in (work, Work(work.store, replace(FRAME, trees=11)), neighbour):
        each.put("c.json", json_bytes(1))
    work.clear()
    assert set(contents(work.store)) == set(before) | {neighbour.key("c.json")}


def test_the_work_of_runs_that_were_given_up_goes(work: Work) -> None:
    work.put("c.json", json_bytes(1))
    assert remove_abandoned(work.store, timedelta(hours=1)) == []
    assert remove_abandoned(work.store, timedelta(0), dry_run=True) == ["one"]
    assert contents(work.store)
    assert remove_abandoned(work.store, timedelta(0)) == ["one"]
    assert contents(work.store) == {}


def test_it_lies_beside_the_data_sets(work: Work) -> None:
    assert work.key("x").startswith("work/one/")
    deep = ObjectStore(None, "bucket", "fx/datasets")
    assert Work(deep, FRAME).key("x").split("/")[:3] == ["fx", "work", "one"]
