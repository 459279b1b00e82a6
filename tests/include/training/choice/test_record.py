"""Decision records: written once, a chain, the same for the same evidence, and refused when changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from include.errors import QualityError
from include.objects import Found, ObjectStore
from include.training.choice.record import Decision, current, decisions, deployable, write
from tests import s3


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with s3.served(tmp_path) as server:
        store = ObjectStore(s3.connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        yield store


class Coarse(ObjectStore):
    """A bucket in which everything was written at the same time; S3 knows seconds only."""

    def list(self, prefix: str) -> Iterator[Found]:
        return (found._replace(modified=datetime(2024, 7, 1, tzinfo=UTC)) for found in super().list(prefix))


def content(
    before: Decision | None, data: str = "one", allowed: bool = True, r2: float = 0.1
) -> dict[str, Any]:
    return {
        "dataset_id": data, "content_hash": data * 8, "windows": {"15": 15}, "deployable": allowed,
        "chosen": "xgboost", "scores": {"xgboost": {"val": {"r2": {"model": r2}}}},
        "previous": None if before is None else before.hash,
        "incumbent": None if before is None else before.incumbent,
    }  # fmt: skip


def test_the_key_is_made_of_the_hash_of_the_canonical_bytes(bucket: ObjectStore) -> None:
    decision = write(bucket, "eurusd", lambda before: content(before, r2=0.1 + 1e-12))
    body = bucket.get(decision.key)
    assert body is not None
    assert decision.hash == hashlib.sha256(body).hexdigest()
    assert decision.key == f"decisions/eurusd/{decision.hash[:16]}.json"
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    assert decision.content["scores"]["xgboost"]["val"]["r2"]["model"] == 0.1
    assert current(bucket, "eurusd") == decision


def test_the_same_evidence_is_written_once(bucket: ObjectStore) -> None:
    first = write(bucket, "eurusd", lambda before: content(before, "one"))
    assert write(bucket, "eurusd", lambda before: content(before, "one")) == first
    second = write(bucket, "eurusd", lambda before: content(before, "two"))
    assert write(bucket, "eurusd", lambda before: content(before, "two")) == second
    assert second.content["previous"] == first.hash
    assert len(list(bucket.list("decisions/"))) == 2


def test_older_evidence_after_a_newer_decision_is_a_new_decision(bucket: ObjectStore) -> None:
    write(bucket, "eurusd", lambda before: content(before, "one"))
    second = write(bucket, "eurusd", lambda before: content(before, "two"))
    third = write(bucket, "eurusd", lambda before: content(before, "one"))
    assert third.content["previous"] == second.hash
    assert current(bucket, "eurusd") == third


@pytest.mark.parametrize("names", [("one", "two", "three"), ("four", "five", "six"), ("a", "b", "c")])
def test_the_newest_of_one_second_is_the_end_of_the_chain(
    bucket: ObjectStore, names: tuple[str, ...]
) -> None:
    coarse = Coarse(*bucket)
    made = [write(coarse, "eurusd", lambda before, name=name: content(before, name)) for name in names]
    assert current(coarse, "eurusd") == made[-1]
    assert [each.content["previous"] for each in made] == [None, made[0].hash, made[1].hash]


def test_a_decision_that_allows_nothing_leaves_the_model_before_it(bucket: ObjectStore) -> None:
    assert deployable(bucket, "eurusd") is None
    write(bucket, "eurusd", lambda before: content(before, "nothing", allowed=False))
    assert deployable(bucket, "eurusd") is None
    first = write(bucket, "eurusd", lambda before: content(before, "one", r2=0.2))
    assert deployable(bucket, "eurusd") == first
    for data in ("two", "three"):
        newest = write(bucket, "eurusd", lambda before, data=data: content(before, data, allowed=False))
    assert current(bucket, "eurusd") == newest
    assert deployable(bucket, "eurusd") == first
    assert newest.content["incumbent"] == {
        "hash": first.hash, "model": "xgboost", "dataset_id": "one", "content_hash": "one" * 8,
        "windows": {"15": 15}, "r2": 0.2,
    }  # fmt: skip


def test_pairs_have_their_own_chain(bucket: ObjectStore) -> None:
    made = {pair: write(bucket, pair, content) for pair in ("eurusd", "gbpusd")}
    assert decisions(bucket) == made
    assert all(decision.content["previous"] is None for decision in made.values())
    assert current(bucket, "usdjpy") is None


def test_a_record_that_was_changed_or_removed_is_refused(bucket: ObjectStore) -> None:
    first = write(bucket, "eurusd", content)
    second = write(bucket, "eurusd", lambda before: content(before, "two", allowed=False))
    bucket.delete([first.key])
    with pytest.raises(QualityError, match="is gone; nothing is chosen or deployed by it"):
        deployable(bucket, "eurusd")
    bucket.put(second.key, b"{}")
    with pytest.raises(QualityError, match="was changed after it was written"):
        current(bucket, "eurusd")


def test_a_number_that_is_not_defined_is_null(bucket: ObjectStore) -> None:
    decision = write(bucket, "eurusd", lambda before: content(before, r2=float("nan"), allowed=False))
    assert decision.content["scores"]["xgboost"]["val"]["r2"]["model"] is None
