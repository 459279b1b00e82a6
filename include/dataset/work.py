"""Intermediate results of a run, in the bucket: tasks of one run may be on different machines.

They lie beside the data sets, under ``work/{dataset_id}/{frame}/``, and go when the data set is complete.
The frame is part of the key, so that two runs with the same id and other settings do not read each other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.dataset.frame import Frame
from include.errors import MissingInput
from include.objects import ObjectStore

__all__ = ["Work", "arrays_bytes", "json_bytes", "remove_abandoned"]

FOLDER = "work"


class Work(NamedTuple):
    """The place of one run's intermediate results."""

    store: ObjectStore
    frame: Frame

    def key(self, name: str) -> str:
        """Key of a result."""
        return f"{_folder(self.store)}/{self.frame.dataset_id}/{self.frame.fingerprint}/{name}"

    def put(self, name: str, body: bytes) -> None:
        """Keep a result, in place of an earlier one."""
        self.store.put(self.key(name), body)

    def get(self, name: str, step: str) -> bytes:
        """A result.

        Args:
            name: what it was put as.
            step: what makes it, for people.

        Raises:
            MissingInput: it is not there.
        """
        body = self.store.get(self.key(name))
        if body is None:
            raise MissingInput(
                f"Data set {self.frame.dataset_id}: {step} has not ended, s3://{self.store.bucket}/"
                f"{self.key(name)} is not there. Clear that task; what is right is not done again."
            )
        return body

    def get_json(self, name: str, step: str) -> Any:
        """A result that `json_bytes` made."""
        return json.loads(self.get(name, step))

    def get_arrays(self, name: str, step: str) -> dict[str, npt.NDArray[Any]]:
        """A result that `arrays_bytes` made."""
        with np.load(io.BytesIO(self.get(name, step)), allow_pickle=False) as found:
            return dict(found)

    def clear(self) -> None:
        """Remove everything under the id, of whatever frame."""
        prefix = f"{_folder(self.store)}/{self.frame.dataset_id}/"
        self.store.delete([one.key for one in self.store.list(prefix)])


def json_bytes(plain: Any) -> bytes:
    """Plain values as text; numbers survive exactly."""
    return json.dumps(plain, indent=1, allow_nan=False).encode() + b"\n"


def arrays_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays by name as one npz file; the same arrays give the same bytes."""
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **dict(arrays))
    return sink.getvalue()


def remove_abandoned(store: ObjectStore, grace: timedelta, *, dry_run: bool = False) -> list[str]:
    """Remove the intermediate results of runs that wrote nothing for so long; returns their ids."""
    found: dict[str, list[tuple[str, datetime]]] = {}
    for one in store.list(f"{_folder(store)}/"):
        name = one.key.removeprefix(f"{_folder(store)}/").partition("/")[0]
        found.setdefault(name, []).append((one.key, one.modified))
    now = datetime.now(UTC)
    old = {name: each for name, each in found.items() if now - max(when for _, when in each) >= grace}
    if not dry_run:
        store.delete([key for each in old.values() for key, _ in each])
    return sorted(old)


def _folder(store: ObjectStore) -> str:
    """Beside the folder of the data sets."""
    return "/".join((*store.prefix.split("/")[:-1], FOLDER))
