"""What jobs have left that learned from data sets which are gone: found, reported, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from include.dataset.export import open_manifest
from include.dataset.retention import newest
from include.objects import Found, ObjectStore
from include.training.requests import DATASETS, DECISIONS, FOLDER, folder_of

GRACE = timedelta(hours=24)  # a folder in which something was written since may belong to a job that runs


class Cleanup(NamedTuple):
    """What was removed, or would be.

    Attributes:
        dry_run: nothing was removed.
        kept: how many jobs stay.
        removed: the jobs that go, ``content/job``.
        bytes: size of what goes.
    """

    dry_run: bool
    kept: int
    removed: list[str]
    bytes: int


def clean_up(bucket: ObjectStore, *, grace: timedelta = GRACE, dry_run: bool = False) -> Cleanup:
    """Remove the folders of jobs whose data set is gone, unless a decision names their model.

    Args:
        bucket: the whole bucket.
        grace: a job stays until so long after its last object.
        dry_run: say what would be removed, remove nothing.

    Raises:
        QualityError: a manifest is damaged; nothing is removed then.
    """
    datasets = bucket._replace(prefix=DATASETS)
    manifests = [open_manifest(datasets, dataset_id) for dataset_id in newest(datasets)]
    alive = tuple(folder_of(manifest.content_hash) for manifest in manifests)
    decided = {key.rpartition("/output/")[0] for key in _decided(bucket)}
    jobs: dict[str, list[Found]] = {}
    for found in bucket.list(f"{FOLDER}/"):
        jobs.setdefault("/".join(found.key.split("/")[:3]), []).append(found)
    now = datetime.now(UTC)
    old = {
        job: files
        for job, files in jobs.items()
        if not f"{job}/".startswith(alive)
        and job not in decided
        and now - max(found.modified for found in files) >= grace
    }
    gone = [found for files in old.values() for found in files]
    if not dry_run:
        bucket.delete([found.key for found in gone])
    return Cleanup(
        dry_run=dry_run,
        kept=len(jobs) - len(old),
        removed=[job.removeprefix(f"{FOLDER}/") for job in old],
        bytes=sum(found.bytes for found in gone),
    )


def _decided(bucket: ObjectStore) -> Iterator[str]:
    """Keys of the archives that any decision names."""
    for found in bucket.list(f"{DECISIONS}/"):
        record: dict[str, Any] = json.loads(bucket.get(found.key) or b"{}")
        yield from (archive["key"] for archive in record.get("archives", ()))
