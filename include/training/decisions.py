"""The decision records of a run, for the tasks that come after the choice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from include.errors import MissingInput
from include.objects import ObjectStore


def decisions_of(bucket: ObjectStore, choice: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The decision records of a run by their keys.

    Args:
        bucket: the whole bucket.
        choice: what the task `choose` returned; ``records`` has the key of each pair's record.

    Raises:
        MissingInput: one is not there.
    """
    records = {}
    for key in choice["records"].values():
        body = bucket.get(key)
        if body is None:
            raise MissingInput(
                f"{bucket.uri(key)} is gone. Clear the task choose: it writes the record again."
            )
        records[key] = dict(json.loads(body))
    return records
