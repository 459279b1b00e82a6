"""The hold-out is of whole trading days, after everything that either model has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.dataset.split import GAP
from include.monitoring.sessions import is_open
from include.objects import ObjectStore
from include.retraining.holdout import holdout, kept, key_of, seen_until
from include.training.truth.groups import trading_days
from tests.include.dataset.stores import empty_store
from tests.include.retraining.worlds import DAY, PAIR, START, export
from tests.serving import decide

END = START + 28 * DAY  # a Monday, 00:00 UTC


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path) as opened:
        yield opened._replace(prefix="")


def test_a_week_after_the_last_hold_out_has_five_days() -> None:
    before = holdout(END - 7 * DAY, [START], 20)
    assert before is not None
    found = holdout(END, [before.end, START], 20)
    assert found is not None
    assert len(found.days) == 5
    assert found.first >= before.end + GAP


def test_there_may_be_no_such_day() -> None:
    assert holdout(END, [END - DAY], 20) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 27 * DAY), st.integers(0, 27 * DAY), st.integers(1, 25))
def test_no_minute_was_seen_and_every_day_is_whole(one: int, other: int, days: int) -> None:
    found = holdout(END, [START + one, START + other], days)
    if found is None:
        return
    assert found.first >= START + max(one, other) + GAP
    assert found.end <= END
    assert len(found.days) <= days
    around = np.arange(found.first - 4 * DAY, found.end + 4 * DAY)
    around = around[is_open(around)]
    own = around[np.isin(trading_days(around), found.days)]
    assert (own.min(), own.max()) == (found.first, found.end - 1)


def test_a_model_has_seen_its_validation(bucket: ObjectStore) -> None:
    export(bucket, "one", 10)
    assert seen_until(bucket, decide(bucket, PAIR, dataset_id="one")) == START + 10 * DAY


def test_a_model_that_won_has_seen_its_hold_out(bucket: ObjectStore) -> None:
    export(bucket, "one", 10)
    made = decide(bucket, PAIR, dataset_id="one")
    told = {"holdout": {"first": START + 11 * DAY, "end": START + 16 * DAY}}
    bucket.put(key_of(PAIR, made.hash[:16], "0" * 16), json.dumps(told).encode())
    assert seen_until(bucket, made) == START + 16 * DAY


def test_a_comparison_without_days_says_nothing(bucket: ObjectStore) -> None:
    export(bucket, "one", 10)
    made = decide(bucket, PAIR, dataset_id="one")
    bucket.put(key_of(PAIR, made.hash[:16], "none"), json.dumps({"holdout": None}).encode())
    assert seen_until(bucket, made) == START + 10 * DAY
    assert kept(bucket, PAIR, "f" * 16) is None


def test_what_a_model_has_seen_may_be_forgotten(bucket: ObjectStore) -> None:
    assert seen_until(bucket, decide(bucket, PAIR, dataset_id="gone")) is None
