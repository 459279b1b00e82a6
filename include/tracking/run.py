"""What is recorded of one training run, and what a tracking server has to be able to do with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol


class TrackedRun(NamedTuple):
    """The record of one model of one pair.

    Attributes:
        name: of the training job; a tracking server has one run of this name.
        params: hyperparameters; they never change.
        metrics: finite numbers by name; ``test/r2_h15``.
        tags: verdicts, lineage and links. Metrics and tags are those of the newest comparison.
        documents: small JSON documents to be kept as artefacts, by file name.
        seconds: how long the job trained.
    """

    name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    documents: dict[str, Mapping[str, Any]]
    seconds: float

    def to_json(self) -> str:
        """Canonical: the same record gives the same text."""
        return json.dumps(self._asdict(), sort_keys=True, allow_nan=False, indent=1)

    @classmethod
    def of(cls, text: str | bytes) -> TrackedRun:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


class Tracker(Protocol):
    """A tracking server."""

    def deliver(self, run: TrackedRun, recorded: datetime) -> None:
        """Let the server hold exactly one run of this name, with this content.

        It may be called any number of times for the same run, also after a call that was interrupted.

        Args:
            run: the record.
            recorded: when it was written, UTC.
        """
