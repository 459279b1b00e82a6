"""What a job refuses: every failure is a text for people in ``output/failure``, and exit code 1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.dataset.export import open_manifest, parquet_bytes, read_split
from include.training.container import job
from include.training.container.folders import BASE, Folders
from include.training.container.manifest import read_manifest
from include.training.container.problem import LONGEST, JobProblem, failure_text
from include.training.container.rows import read_rows
from tests.include.training import worlds
from tests.include.training.container import jobs
from tests.include.training.container.pieces import Pieces, read, settings


@pytest.fixture
def folders(planted: Path, tmp_path: Path) -> Folders:
    """A job that would succeed."""
    return jobs.prepare(tmp_path, planted)


def failure(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a job that must fail; what people read."""
    monkeypatch.setenv(BASE, str(folders.base))
    assert job.main() == 1
    assert not (folders.model / "model.json").exists()
    return folders.failure.read_text()


def train_file(folders: Folders) -> Path:
    return next((folders.dataset / "eurusd" / "train").iterdir())


def test_rows_are_those_of_the_data_set(planted: Path, tmp_path: Path) -> None:
    pieces: Pieces = read(planted, tmp_path)
    store: Any = worlds.FolderBucket(planted)
    manifest = open_manifest(store, "tiny")
    assert pieces.manifest.columns == manifest.columns_selected
    assert pieces.manifest.content_hash == manifest.content_hash
    for split in ("train", "val", "test"):
        table, rows = read_split(store, manifest, "eurusd", split), pieces.rows[split]
        assert (rows.ts == table["ts_utc"].cast(pa.int64()).to_numpy() // 60_000_000).all()
        for number, name in enumerate(manifest.columns_selected):
            np.testing.assert_array_equal(rows.x[:, number], table[name].to_numpy())
        np.testing.assert_array_equal(rows.s[30], table["base__ewma_vol_60_w30"].to_numpy())
        np.testing.assert_array_equal(rows.q[75], table["base__w75_bqx_return"].to_numpy())
        np.testing.assert_array_equal(rows.actual["target__w45_h45"], table["target__w45_h45"].to_numpy())


def test_the_first_rows_without_s_are_not_learned_from(planted: Path, tmp_path: Path) -> None:
    pieces = read(planted, tmp_path)
    train = pieces.rows["train"]
    usable = train.usable_for_all(pieces.settings.horizons)
    assert np.isnan(train.s[75][:1300]).all()
    assert not usable[:1300].any()
    assert usable.mean() > 0.8


@pytest.mark.parametrize("what", ["manifest.json", "scalers", "file"])
def test_a_missing_object_is_named(what: str, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    path = {
        "manifest.json": folders.dataset / "manifest.json",
        "scalers": next(folders.dataset.glob("scalers-*.json")),
        "file": train_file(folders),
    }[what]
    path.unlink()
    text = failure(folders, monkeypatch)
    assert path.name in text
    assert "is missing in the input channel" in text


def test_a_changed_file_is_named(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    path = train_file(folders)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    assert f"eurusd/train/{path.name} is not the file" in failure(folders, monkeypatch)


def test_changed_scalers_are_named(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(folders.dataset.glob("scalers-*.json"))
    path.write_text("{}")
    assert f"{path.name} is not the file" in failure(folders, monkeypatch)


def rewritten(folders: Folders, change: Callable[[dict[str, Any]], None], *, honest: bool) -> None:
    """Change the manifest; an honest forger mends its hashes."""
    path = folders.dataset / "manifest.json"
    told = json.loads(path.read_text())
    change(told)
    if honest:
        del told["manifest_hash"]
        told["manifest_hash"] = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(told))


def more_rows(told: dict[str, Any]) -> None:
    told["splits"]["train"]["rows"] += 1


@pytest.mark.parametrize("honest", [False, True])
def test_a_changed_manifest_is_refused(
    honest: bool, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash over all of it, and the hash of its content: either alone finds a change."""
    rewritten(folders, more_rows, honest=honest)
    assert "was changed after it was published" in failure(folders, monkeypatch)


def test_a_change_outside_the_content_is_found_too(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(folders, lambda told: told.update(code_version="0.0.0"), honest=False)
    assert "was changed after it was published" in failure(folders, monkeypatch)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_what_is_no_manifest_is_refused(
    body: bytes, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders.dataset / "manifest.json").write_bytes(body)
    assert "is no manifest of a data set" in failure(folders, monkeypatch)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"content_hash": "0" * 64}, f"learn from content_hash {'0' * 64}, but the channel holds"),
        ({"dataset_id": "other"}, "learn from dataset_id other, but the channel holds tiny"),
        ({"pair": "gbpusd"}, "has no rows of gbpusd in train. Its pairs are eurusd"),
        ({"train_stride": "1000"}, "at least 100 are needed"),
        ({"roundz": "3"}, "There is no hyperparameter roundz"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    given: dict[str, str], text: str, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = jobs.prepare(tmp_path, planted)
    told = json.loads(folders.hyperparameters.read_text())
    folders.hyperparameters.write_text(json.dumps(told | given))
    assert text in failure(folders, monkeypatch)


def test_without_hyperparameters_it_says_so(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.hyperparameters.unlink()
    assert "hyperparameters cannot be read" in failure(folders, monkeypatch)


def forged(place: Path, base: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write another training file, let the manifest list it, and read it as a job does."""
    asked = settings(place)
    folder = worlds.as_channel(place, "tiny", "eurusd", base)
    path = next((folder / "eurusd" / "train").iterdir())
    body = parquet_bytes(change(pq.read_table(path)))
    path.write_bytes(body)
    told = read_manifest(folder, asked)
    files = [
        file._replace(sha256=hashlib.sha256(body).hexdigest()) if file.path == path else file
        for file in told.files
    ]
    read_rows(told._replace(files=tuple(files)), asked)


def cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))


def infinite(table: pa.Table) -> pa.Table:
    values = table["regime__hour"].to_numpy().copy()
    values[3] = np.inf
    return table.set_column(table.schema.get_field_index("regime__hour"), "regime__hour", pa.array(values))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda table: table.slice(1), "rows, the manifest says"),
        (lambda table: table.drop_columns(["target__w30_h30"]), "has no column target__w30_h30"),
        (lambda table: table.drop_columns(["regime__hour"]), "has no column regime__hour"),
        (cast("regime__hour", pa.float64()), "column regime__hour is double, not float"),
        (cast("base__w15_bqx_return", pa.float32()), "base__w15_bqx_return is float, not double"),
        (infinite, "column regime__hour is infinite"),
        (lambda table: table.take(list(range(len(table)))[::-1]), "are not in time order"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused(
    change: Callable[[pa.Table], pa.Table], text: str, planted: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobProblem, match=text):
        forged(planted, tmp_path, change)


def test_rows_outside_their_set_are_refused(planted: Path, tmp_path: Path) -> None:
    pieces = read(planted, tmp_path)
    train = pieces.manifest.splits["train"]
    cut = pieces.manifest._replace(
        splits=pieces.manifest.splits | {"train": train._replace(end=train.end - 60)}
    )
    with pytest.raises(JobProblem, match="rows outside the interval of train"):
        read_rows(cut, pieces.settings)


def test_an_unexpected_error_is_told_as_such(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_train", lambda *_: 1 / 0)
    text = failure(folders, monkeypatch)
    assert "failed unexpectedly (ZeroDivisionError: division by zero)" in text
    assert "log" in text


def test_a_long_reason_fits_the_field_of_sagemaker() -> None:
    assert len(failure_text(JobProblem("x" * 5000))) == LONGEST
    assert failure_text(JobProblem("short")) == "short"
    assert "ran out of memory" in failure_text(MemoryError())
