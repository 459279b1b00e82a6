"""Jobs go with their data set, unless a decision names their model or they may still run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from include.objects import ObjectStore
from include.training.requests import key_of
from include.training.retention import GRACE, clean_up
from tests import s3
from tests.include.training.worlds import content_hash, make_dataset

GONE = "e" * 64  # content of a data set that is not there any more
NOW = timedelta(0)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with s3.served(tmp_path) as server:
        store = ObjectStore(s3.connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        make_dataset(store._replace(prefix="datasets"), ["eurusd"], 9, dataset_id="there")
        alive = content_hash(store._replace(prefix="datasets"), "there")
        for content in (alive, GONE):
            for job in ("bqx-eurusd-rf-1", "bqx-eurusd-xgb-2"):
                store.put(key_of(content, job, "output/model.tar.gz"), b"model")
                store.put(key_of(content, job, "result.json"), b"{}")
        yield store


def left(bucket: ObjectStore) -> set[str]:
    return {"/".join(found.key.split("/")[1:3]) for found in bucket.list("training/")}


def test_jobs_of_a_data_set_that_is_gone_are_removed(bucket: ObjectStore) -> None:
    before = left(bucket)
    gone = {f"{GONE[:16]}/bqx-eurusd-rf-1", f"{GONE[:16]}/bqx-eurusd-xgb-2"}
    dry = clean_up(bucket, grace=NOW, dry_run=True)
    assert (set(dry.removed), dry.kept, dry.bytes) == (gone, 2, 14)
    assert left(bucket) == before
    assert clean_up(bucket, grace=NOW) == dry._replace(dry_run=False)
    assert left(bucket) == before - gone
    assert clean_up(bucket, grace=NOW).removed == []


def test_a_model_that_a_decision_names_stays(bucket: ObjectStore) -> None:
    named = key_of(GONE, "bqx-eurusd-xgb-2", "output/model.tar.gz")
    bucket.put("decisions/eurusd/0123.json", json.dumps({"archives": [{"key": named}]}).encode())
    assert clean_up(bucket, grace=NOW).removed == [f"{GONE[:16]}/bqx-eurusd-rf-1"]


def test_what_was_just_written_stays(bucket: ObjectStore) -> None:
    assert clean_up(bucket, grace=GRACE).removed == []
