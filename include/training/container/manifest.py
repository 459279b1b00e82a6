"""The data set's manifest, read without trust: its own hash, then the hash of its content.

The algorithm is that of ``include/dataset/manifest.py``, written once more: nothing of it is in the image.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from include.training.container.problem import JobProblem
from include.training.container.sets import Interval
from include.training.container.settings import Settings

NAME = "manifest.json"
SETS = ("train", "val", "test")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGAIN = "Start the job again with the data set as bqx_dataset published it."


class File(NamedTuple):
    """A file of the pair, as the manifest lists it.

    Attributes:
        split: train, val or test.
        path: where it lies in this job.
        rows: how many it must hold.
        sha256: of its bytes.
    """

    split: str
    path: Path
    rows: int
    sha256: str


class Manifest(NamedTuple):
    """What a job needs of a manifest.

    Attributes:
        columns: feature columns, in the order in which a model takes them.
        targets: target columns in the files.
        splits: train, val and test, by name.
        files: of the pair, by set and time.
        scalers: of the pair's columns: low, high, mean and sd by name.
        content_hash: of the data set.
        manifest_hash: over the whole manifest.
    """

    columns: tuple[str, ...]
    targets: tuple[str, ...]
    splits: dict[str, Interval]
    files: tuple[File, ...]
    scalers: dict[str, dict[str, float]]
    content_hash: str
    manifest_hash: str


def read_manifest(folder: Path, settings: Settings) -> Manifest:
    """Read and check the manifest and the scalers of a job's data set.

    Args:
        folder: of the channel.
        settings: name pair, data set and content hash that are meant.

    Raises:
        JobProblem: a file is missing or not the one that was published; says which.
    """
    told = _checked(_read(folder / NAME), settings)
    try:
        return _manifest(folder, told, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobProblem(
            f"{NAME} of data set {settings.dataset_id} lacks what a job needs ({type(error).__name__}: "
            f"{error}). Another version of this bundle wrote it: make the data set anew with bqx_dataset."
        ) from error


def checked_bytes(path: Path, sha256: str) -> bytes:
    """The bytes of a file that the manifest lists.

    Raises:
        JobProblem: it is missing, or another one.
    """
    body = _read(path)
    if hashlib.sha256(body).hexdigest() != sha256:
        raise JobProblem(
            f"{_short(path)} is not the file that the manifest lists: its SHA-256 differs. Find out who "
            "changed the object, and make the data set anew under another dataset_id."
        )
    return body


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise JobProblem(
            f"{_short(path)} is missing in the input channel dataset. The channel must list the manifest, "
            "the scalers and every file of the pair."
        ) from None


def _short(path: Path) -> str:
    """The last parts of a path, enough to find the object."""
    return "/".join(path.parts[-3:])


def _checked(body: bytes, settings: Settings) -> dict[str, Any]:
    """The manifest as plain values, if its hashes are right and it is the one that is meant."""
    try:
        told: dict[str, Any] = json.loads(body)
        whole, content = told.pop("manifest_hash"), told["content_hash"]
        genuine = _hash(told) == whole and _content_hash(told) == content
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JobProblem(
            f"{NAME} is no manifest of a data set ({type(error).__name__}: {error}). {_AGAIN}"
        ) from error
    if not genuine:
        raise JobProblem(
            f"{NAME} was changed after it was published: its hashes do not fit what it says. {_AGAIN}"
        )
    for name, found in (("dataset_id", told["dataset_id"]), ("content_hash", content)):
        if found != getattr(settings, name):
            raise JobProblem(
                f"The job was asked to learn from {name} {getattr(settings, name)}, but the channel holds "
                f"{found}. Request and channel belong to different data sets; run bqx_train again."
            )
    return told | {"manifest_hash": whole}


def _hash(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _content_hash(told: dict[str, Any]) -> str:
    files = sorted(told["files"], key=lambda file: str(file["key"]))
    names = []
    for file in files:
        *_, pair, split, name = file["key"].split("/")
        names.append([f"{pair}/{split}/{name[: len('yyyy-mm')]}.parquet", file["rows"], file["sha256"]])
    return _hash(
        {
            "files": names,
            "columns": told["columns_selected"],
            "targets": told["targets"],
            "splits": told["splits"],
        }
    )


def _manifest(folder: Path, told: dict[str, Any], settings: Settings) -> Manifest:
    files = _files(folder, told, settings)
    document = told["documents"]["scalers"]
    scalers = json.loads(checked_bytes(folder / document["key"].split("/")[-1], document["sha256"]))
    splits = {
        name: Interval(_minute(told["splits"][name]["from"]), _minute(told["splits"][name]["to"]))
        for name in SETS
    }
    return Manifest(
        columns=tuple(told["columns_selected"]),
        targets=tuple(told["targets"]),
        splits=splits,
        files=files,
        scalers=scalers[settings.pair]["columns"],
        content_hash=told["content_hash"],
        manifest_hash=told["manifest_hash"],
    )


def _files(folder: Path, told: dict[str, Any], settings: Settings) -> tuple[File, ...]:
    files = []
    for file in sorted(told["files"], key=lambda file: str(file["key"])):
        *_, pair, split, name = file["key"].split("/")
        if pair == settings.pair:
            files.append(File(split, folder / pair / split / name, file["rows"], file["sha256"]))
    if lacking := [name for name in SETS if name not in {file.split for file in files}]:
        pairs = sorted({file["key"].split("/")[-3] for file in told["files"]})
        raise JobProblem(
            f"Data set {settings.dataset_id} has no rows of {settings.pair} in {lacking[0]}. Its pairs are "
            f"{', '.join(pairs)}."
        )
    return tuple(sorted(files, key=lambda file: (SETS.index(file.split), file.path.name)))


def _minute(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(minutes=1)
