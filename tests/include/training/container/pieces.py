"""The pieces of a job without the job: settings, manifest, rows, and a fitted booster."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from include.training.container.checkpoints import Checkpoints
from include.training.container.manifest import Manifest, read_manifest
from include.training.container.rows import Rows, read_rows
from include.training.container.settings import TreeSettings
from include.training.container.trees import Learning
from tests.include.training import worlds
from tests.include.training.container.jobs import SMALL


class Pieces(NamedTuple):
    """What a job has read."""

    settings: TreeSettings
    manifest: Manifest
    rows: dict[str, Rows]

    def learning(self, stride: int = 15) -> Learning:
        """Every stride-th row of train, stopped by val."""
        horizons = self.settings.horizons
        train, val = (
            rows.take(rows.usable_for_all(horizons)) for rows in (self.rows["train"], self.rows["val"])
        )
        return Learning.of(self.settings, self.manifest.columns, train.take(slice(None, None, stride)), val)


def settings(place: Path, **given: str) -> TreeSettings:
    """Small settings for the data set ``tiny``."""
    named = {
        "pair": "eurusd", "model": "xgboost", "dataset_id": "tiny",
        "content_hash": worlds.content_hash(place, "tiny"),
    }  # fmt: skip
    return TreeSettings.of(SMALL["xgboost"] | named | given)


def read(place: Path, base: Path, **given: str) -> Pieces:
    """Read the data set as a job does."""
    asked = settings(place, **given)
    manifest = read_manifest(worlds.as_channel(place, "tiny", "eurusd", base), asked)
    return Pieces(asked, manifest, read_rows(manifest, asked))


def no_checkpoints(folder: Path) -> Checkpoints:
    """A place for checkpoints in which there are none."""
    return Checkpoints(folder / "checkpoints", "test")
