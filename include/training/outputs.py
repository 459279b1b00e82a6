"""What the completed jobs of a run left in the bucket."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from include.errors import MissingInput
from include.objects import ObjectStore
from include.training.jobs import result_of
from include.training.truth.reduce import FILES

__all__ = ["Results", "files_of", "missing", "results_of"]

Results: TypeAlias = dict[tuple[str, str], dict[str, Any] | None]
"""By pair and model: what is noted of the completed job; None if it has not completed."""


def results_of(
    bucket: ObjectStore, planned: Mapping[str, Any], networks: Mapping[str, Any] | None = None
) -> Results:
    """The results of the jobs of a run.

    Args:
        bucket: the whole bucket.
        planned: from `include.training.jobs.plan`.
        networks: from `include.training.jobs.plan_networks`; None without networks.
    """
    jobs = [*planned["jobs"], *(networks or {"jobs": ()})["jobs"]]
    return {
        (job["pair"], job["model"]): result_of(bucket, planned["content_hash"], job["name"]) for job in jobs
    }


def missing(results: Results) -> list[str]:
    """Pair and model of the jobs that have not completed, in words."""
    return [f"{pair} {model}" for (pair, model), result in results.items() if result is None]


def files_of(bucket: ObjectStore, key: str, names: Collection[str] = FILES) -> dict[str, bytes]:
    """What a job wrote beside its model, by name.

    Args:
        bucket: the whole bucket.
        key: of the archive with the output of the job.
        names: of the files that are wanted.

    Raises:
        MissingInput: the archive is gone.
    """
    body = bucket.get(key)
    if body is None:
        raise MissingInput(
            f"{bucket.uri(key)} is gone, although its job has completed. Remove result.json of that job in "
            "the bucket and run bqx_train again: it finds the job and, if that is over, starts another."
        )
    files = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and member.name.removeprefix("./") in names:
                files[member.name.removeprefix("./")] = stream.read()
    return files
