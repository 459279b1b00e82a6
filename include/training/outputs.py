"""What the completed jobs of a run left in the bucket."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from include.errors import MissingInput
from include.objects import ObjectStore
from include.training import truth
from include.training.jobs import result_of
from include.training.truth.reduce import FILES, reduce_job

__all__ = ["Results", "files_of", "missing", "reduced_output", "results_of"]

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


def reduced_output(bucket: ObjectStore, pair: str, model: str, result: Mapping[str, Any]) -> bytes:
    """What gate, report and choice need of a job: computed by the first of them, then kept beside its output.

    Args:
        bucket: the whole bucket.
        pair: for example ``eurusd``.
        model: of the job.
        result: what is noted of the job.

    Raises:
        MissingInput: the output is gone.
        QualityError: it cannot be judged.
    """
    output = str(result["output"])
    written = [[found.modified.isoformat(), found.bytes] for found in bucket.list(output)]
    digest = hashlib.sha256(f"{_reducing_code()} {written}".encode()).hexdigest()
    key = f"{output.rpartition('/')[0]}/reduced-{digest[:16]}.npz"
    kept = bucket.get(key)
    if kept is None:
        kept = reduce_job(pair, model, files_of(bucket, output))
        bucket.put(key, kept)
    return kept


@cache
def _reducing_code() -> str:
    """Hash of the code that reduces: another version does it anew."""
    modules = sorted(Path(truth.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()


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
