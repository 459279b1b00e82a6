"""A data set of the same frame over the same tables is found; of anything else it is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.build.months import build
from include.dataset import steps
from include.dataset.export import open_manifest
from include.errors import NothingToDo
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.conftest import World
from tests.include.dataset.stores import contents
from tests.include.dataset.worlds import PAIRS, SMALL
from tests.reports import in_folder


@pytest.fixture
def copied(world: World, postgres: Postgres) -> Iterator[str]:
    """URL of a database like that of the world, to change something in."""
    with worlds.database(postgres, world.database) as name:
        yield postgres.url(name)


def planned(world: World, url: str = "", **params: Any) -> dict[str, Any]:
    return steps.plan(url or world.url, lambda: world.store, PAIRS, "another run", SMALL | params)


def test_the_newest_data_set_of_the_same_is_found_and_told(world: World, tmp_path: Path) -> None:
    frame = planned(world)
    assert frame["dataset_id"] == "one"
    with pytest.raises(NothingToDo, match="Data set one is there, made of the same tables"):
        steps.select(world.store, frame, dry_run=False)
    before = contents(world.store)
    told = steps.publish(world.url, world.store, frame, in_folder(tmp_path))
    assert told["content_hash"] == world.answer["content_hash"]
    assert contents(world.store) == before
    with pytest.raises(NothingToDo, match="Dry run"):
        steps.publish(world.url, world.store, frame, in_folder(tmp_path), dry_run=True)


@pytest.mark.parametrize(
    "params",
    [
        {"trees": 11}, {"end_day": "2024-08-03"}, {"columns": "all"}, {"sample_rows": 401},
        {"dataset_id": "mine"}, {"fold_step_days": 4},
    ],
)  # fmt: skip
def test_another_frame_is_another_data_set(world: World, params: dict[str, Any]) -> None:
    frame = planned(world, **params)
    assert frame["dataset_id"] != "one"
    assert steps.select(world.store, frame, dry_run=False) == list(PAIRS)


def test_a_month_that_was_built_anew_is_another_table(world: World, copied: str) -> None:
    """Whoever asks for `rebuild` thinks that somebody changed values in place, and the data set had them."""
    assert planned(world, copied)["dataset_id"] == "one"
    build(copied, PAIRS[0], ["technical_idx"], rebuild=True)
    assert planned(world, copied)["dataset_id"] != "one"


def test_a_data_set_that_lost_a_file_is_not_found(world: World) -> None:
    part = open_manifest(world.store, "one").files[0]
    body = world.store.get(part.key)
    assert body is not None
    world.store.delete([part.key])
    try:
        assert planned(world)["dataset_id"] != "one"
    finally:
        world.store.put(part.key, body)
    assert planned(world)["dataset_id"] == "one"
