"""What a job left is reduced once, and anew when it is another output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import MissingInput
from include.objects import ObjectStore
from include.training import outputs
from include.training.outputs import reduced_output, results_of
from tests import s3
from tests.include.training.choice.runs import complete, forecasts, planned


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with s3.served(tmp_path) as server:
        store = ObjectStore(s3.connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        yield store


def result_of(bucket: ObjectStore, seed: int) -> dict[str, Any]:
    run = planned({"eurusd": ("xgboost",)})
    complete(bucket, run, "eurusd", "xgboost", forecasts("eurusd", seed, few=True))
    return results_of(bucket, run)["eurusd", "xgboost"] or {}


def test_an_output_is_reduced_once(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    result = result_of(bucket, 1)
    first = reduced_output(bucket, "eurusd", "xgboost", result)
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "reduce_job", lambda *_: 1 / 0)
        assert reduced_output(bucket, "eurusd", "xgboost", result) == first
    assert reduced_output(bucket, "eurusd", "xgboost", result_of(bucket, 2)) != first, "another output"


def test_an_output_that_is_gone_is_named(bucket: ObjectStore) -> None:
    result = result_of(bucket, 1)
    bucket.delete([result["output"]])
    with pytest.raises(MissingInput, match="is gone, although its job has completed"):
        reduced_output(bucket, "eurusd", "xgboost", result)
