"""An archive holds what was decided, byte for byte, and nothing else ever gets that name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.errors import DeployRefused, MissingInput, QualityError
from include.objects import ObjectStore
from include.serving import archives
from include.serving.container import inference
from include.training.archive import pack_files
from tests.serving import decide, trained
from tests.versions import HORIZONS, rows, version

MIXED = ("random_forest", "xgboost")


@pytest.mark.parametrize("members", [("xgboost",), MIXED])
def test_it_forecasts_what_was_decided(bucket: ObjectStore, tmp_path: Path, members: tuple[str, ...]) -> None:
    decision = decide(bucket, members=members)
    made = archives.ensure(bucket, decision)
    assert made.key == f"serving/models/eurusd/{decision.hash[:16]}.tar.gz"
    for name, body in archives.opened(bucket, made.target).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    known, asked = version(members=members), rows()
    found = inference.forecast(inference.load(tmp_path), asked)
    for each in found:
        # A record has eight digits of a weight.
        np.testing.assert_allclose(each.raw.value, known.says(asked)[each.minutes], rtol=1e-7)


def test_it_says_what_it_is(bucket: ObjectStore) -> None:
    decision = decide(bucket, members=MIXED)
    made = archives.ensure(bucket, decision)
    files = archives.opened(bucket, made.target)
    told = json.loads(files["serving.json"])
    columns = [f"table__column_{number}" for number in range(6)]
    assert told == {
        "format": 1,
        "pair": "eurusd",
        "version": decision.hash[:16],
        "decision": decision.key,
        "decision_hash": decision.hash,
        "feature_hash": decision.content["columns_hash"],
        "columns": columns,
        "windows": {str(h): h for h in HORIZONS},
        "members": [
            {"folder": each["model"], "model": each["model"], "weight": each["weight"],
             "archive_sha256": each["sha256"]}
            for each in decision.content["archives"]
        ],
        "files": {
            name: hashlib.sha256(body).hexdigest() for name, body in files.items() if name != "serving.json"
        },
    }  # fmt: skip
    assert archives.described(bucket, made.target) == made


def test_it_is_written_once(bucket: ObjectStore) -> None:
    decision = decide(bucket)
    made = archives.ensure(bucket, decision)
    body = bucket.get(made.key)
    written = [found.modified for found in bucket.list(made.key)]
    assert archives.ensure(bucket, decision) == made
    assert bucket.get(made.key) == body
    assert [found.modified for found in bucket.list(made.key)] == written
    assert archives.kept(bucket, made.target)
    bucket.delete([made.key])
    assert not archives.kept(bucket, made.target)
    archives.ensure(bucket, decision)
    assert bucket.get(made.key) == body, "the same decision gives the same bytes"


def test_another_archive_of_that_name_is_neither_overwritten_nor_served(bucket: ObjectStore) -> None:
    first, second = decide(bucket, seed=1), decide(bucket, seed=2)
    made = archives.ensure(bucket, first)
    other = archives.ensure(bucket, second)
    stranger = bucket.get(other.key) or b""
    bucket.put(made.key, stranger)
    with pytest.raises(QualityError, match=r"exists and is not what decision .* Nothing was overwritten"):
        archives.ensure(bucket, first)
    assert bucket.get(made.key) == stranger


def damaged(bucket: ObjectStore, decision: Any, body: bytes | None) -> None:
    key = decision.content["archives"][0]["key"]
    if body is None:
        bucket.delete([key])
    else:
        bucket.put(key, body)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        (
            {"deployable": False, "why_not": "few days"},
            DeployRefused,
            "may not be deployed: few days",
        ),
        ({"deployable": True, "archives": []}, DeployRefused, "it chose no model"),
        ({"content_hash": "d" * 64}, QualityError, "data set is c+, not d+"),
        ({"columns_hash": "0" * 64}, QualityError, "feature hash is [0-9a-f]+, not 0+"),
        ({"windows": {"15": 30}}, QualityError, "windows is"),
        ({"about": {"pair": "gbpusd"}}, QualityError, "pair is gbpusd, not eurusd"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused(
    bucket: ObjectStore, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    decision = decide(bucket, **changes)
    with pytest.raises(error, match=text):
        archives.ensure(bucket, decision)
    assert list(bucket.list(archives.FOLDER)) == []


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ({"format": 3}, "format is 3, not 2"),
        ({"model": "random_forest"}, "model is random_forest, not xgboost"),
        ({"columns": ["table__other"]}, "feature hash of its columns"),
    ],
)
def test_a_model_of_another_kind_is_refused(bucket: ObjectStore, about: dict[str, Any], text: str) -> None:
    decision = decide(bucket, about=about)
    with pytest.raises(QualityError, match=text):
        archives.ensure(bucket, decision)


def test_a_network_is_refused_by_name(bucket: ObjectStore) -> None:
    decision = decide(bucket, members=("xgboost", "tft"))
    with pytest.raises(DeployRefused, match=r"needs tft\. The endpoint serves trees only"):
        archives.ensure(bucket, decision)


def test_members_with_other_columns_are_refused(bucket: ObjectStore) -> None:
    decision = decide(bucket, members=MIXED)
    forest = decision.content["archives"][0]
    body = trained(version(columns=5, members=MIXED), "random_forest")
    bucket.put(forest["key"], body)
    forest["sha256"] = hashlib.sha256(body).hexdigest()
    with pytest.raises(QualityError, match="feature hash"):
        archives.ensure(bucket, decision)


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (None, MissingInput, "is gone"),
        (b"broken", QualityError, "is not the model that decision .* Nothing was deployed"),
    ],
)
def test_a_model_that_is_not_the_one_that_was_scored_is_refused(
    bucket: ObjectStore, body: bytes | None, error: type[Exception], text: str
) -> None:
    decision = decide(bucket)
    damaged(bucket, decision, body)
    with pytest.raises(error, match=text):
        archives.ensure(bucket, decision)
    assert list(bucket.list(archives.FOLDER)) == []


def test_an_archive_that_was_changed_is_not_opened(bucket: ObjectStore) -> None:
    made = archives.ensure(bucket, decide(bucket))
    files = archives.opened(bucket, made.target)
    silent = {name: body for name, body in files.items() if name != "serving.json"}
    for body, text in (
        (pack_files(files | {"xgboost/h15.ubj": b"other"}), "was changed"),
        (pack_files(files | {"more": b""}), "was changed"),
        (
            pack_files(silent),
            "cannot be read",
        ),
        ((bucket.get(made.key) or b"")[:1000], "cannot be read"),
        (b"", "cannot be read"),
    ):
        bucket.put(made.key, body)
        with pytest.raises(QualityError, match=text):
            archives.opened(bucket, made.target)
    bucket.delete([made.key])
    with pytest.raises(MissingInput, match="is gone"):
        archives.opened(bucket, made.target)
