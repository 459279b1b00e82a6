"""Where a training job finds its inputs and leaves its outputs: SageMaker's contract."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

BASE = "SAGEMAKER_BASE_DIR"  # as SageMaker's own toolkit: another root than /opt/ml


class Folders(NamedTuple):
    """The folders of a job.

    Attributes:
        base: the root, /opt/ml on SageMaker.
    """

    base: Path

    @classmethod
    def of_environment(cls) -> Folders:
        """Those of this process."""
        return cls(Path(os.environ.get(BASE, "/opt/ml")))

    @property
    def hyperparameters(self) -> Path:
        """The JSON file with the settings, all of them strings."""
        return self.base / "input" / "config" / "hyperparameters.json"

    @property
    def dataset(self) -> Path:
        """The channel with the data set's files."""
        return self.base / "input" / "data" / "dataset"

    @property
    def checkpoints(self) -> Path:
        """What SageMaker copies to S3 while the job runs, and back when it is restarted."""
        return self.base / "checkpoints"

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """What becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """The text that becomes the job's FailureReason."""
        return self.base / "output" / "failure"
