"""A small market with all its tables in a database of its own, and data sets made from it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from include.build.months import build
from include.build.shared import build_shared
from include.dataset import steps
from include.dataset.frame import plan_frame
from include.features.bars import Bars
from include.features.catalogue import STORED
from include.market.synthetic import simulate
from include.names import to_minute
from include.objects import ObjectStore
from local.postgres import Postgres
from tests.include.storage.samples import store as store_bars
from tests.reports import in_folder

FIRST, END = (to_minute(datetime(2024, *day, tzinfo=UTC)) for day in ((7, 15), (8, 7)))
PAIRS = ("eurusd", "gbpusd")
LOADED = (*PAIRS, "eurgbp")  # majors are missing: what needs the dollar grid is NULL
SMALL = {
    "sample_rows": 400, "trees": 10, "max_folds": 3,
    "fold_train_days": 5, "fold_test_days": 2, "fold_step_days": 3,
}  # fmt: skip

_numbers = itertools.count()


def market(seed: int = 5, signal: float = 0.0, pairs: Sequence[str] = LOADED) -> dict[str, Bars]:
    """Three weeks over the turn of a month."""
    return simulate(FIRST, END, seed, signal, pairs)


@contextmanager
def database(postgres: Postgres, template: str = "template1") -> Iterator[str]:
    """Name of a database like another one; it is dropped in the end."""
    name = f"world_{os.getpid()}_{next(_numbers)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with postgres.connect() as connection:
        connection.execute(create)
    yield name
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(url: str, bars: Mapping[str, Bars], pairs: Sequence[str] = PAIRS) -> None:
    """Store bars and build every table of some pairs; what is right already is left alone."""
    for pair, each in bars.items():
        store_bars(url, pair, each)
    build_shared(url)
    for pair in pairs:
        build(url, pair, list(STORED))


def plan(url: str, dataset_id: str = "one", pairs: Sequence[str] = PAIRS, **params: Any) -> dict[str, Any]:
    """The frame of a small data set."""
    return plan_frame(url, pairs, "a run", SMALL | {"dataset_id": dataset_id} | params).to_dict()


def make(url: str, store: ObjectStore, frame: Mapping[str, Any], reports: Path) -> dict[str, Any]:
    """Run the tasks one after the other; what `publish` returns."""
    for pair in frame["pairs"]:
        steps.examine(url, store, frame, pair)
    steps.choose(store, frame)
    for pair in frame["pairs"]:
        steps.export(url, store, frame, pair)
    return steps.publish(url, store, frame, in_folder(reports))


def plain_report(*_: Any) -> dict[str, bytes]:
    """In place of `report.draw` where the report does not matter: drawing takes seconds."""
    return {"index.html": b"<!doctype html><title>Report</title>"}
