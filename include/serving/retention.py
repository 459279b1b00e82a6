"""Archives that no state of the routing table needs any more: found, reported, removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from include.objects import ObjectStore
from include.serving import routing
from include.serving.archives import FOLDER, key_of

__all__ = ["Cleanup", "clean_up"]

GRACE = timedelta(hours=24)  # a younger archive may belong to a deployment that runs, or waits for a person


class Cleanup(NamedTuple):
    """What was removed, or would be.

    Attributes:
        dry_run: nothing was removed.
        kept: how many archives stay.
        removed: keys of those that go.
        bytes: their size.
    """

    dry_run: bool
    kept: int
    removed: list[str]
    bytes: int


def clean_up(bucket: ObjectStore, keep: int, *, grace: timedelta = GRACE, dry_run: bool = False) -> Cleanup:
    """Remove the archives that none of the newest states of the routing table names.

    Args:
        bucket: the whole bucket.
        keep: how many states, the current one included, at least 1: one can go back to any of them.
        grace: an archive stays until so long after it was written.
        dry_run: say what would be removed, remove nothing.

    Raises:
        ValueError: `keep` is not positive.
    """
    if keep < 1:
        raise ValueError(f"{keep} states cannot be kept; the number is at least 1")
    named = {
        key_of(target.target)
        for state in routing.states(bucket, keep)
        for route in state.pairs.values()
        for target in route.targets
    }
    now = datetime.now(UTC)
    found = list(bucket.list(f"{FOLDER}/"))
    old = [each for each in found if each.key not in named and now - each.modified >= grace]
    if not dry_run:
        bucket.delete([each.key for each in old])
    return Cleanup(
        dry_run, len(found) - len(old), [each.key for each in old], sum(each.bytes for each in old)
    )
