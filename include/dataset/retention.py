"""Old data sets, and what killed exports left behind: found, reported, removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from include.dataset.export import open_manifest
from include.dataset.manifest import NAME
from include.errors import QualityError
from include.objects import Found, ObjectStore

GRACE = timedelta(hours=24)  # an export that wrote nothing for so long has died


class Cleanup(NamedTuple):
    """What was removed, or would be.

    Attributes:
        dry_run: nothing was removed.
        kept: ids of complete data sets that stay, the newest first.
        removed: ids of complete data sets that go.
        unfinished: ids without a manifest that go.
        in_work: ids without a manifest that stay: somebody may be writing them.
        strays: keys in a data set that stays which its manifest does not list; they go.
        bytes: size of what goes.
    """

    dry_run: bool
    kept: list[str]
    removed: list[str]
    unfinished: list[str]
    in_work: list[str]
    strays: list[str]
    bytes: int


def clean_up(
    store: ObjectStore,
    keep_last: int,
    *,
    in_work: Collection[str] = (),
    grace: timedelta = GRACE,
    dry_run: bool = False,
) -> Cleanup:
    """Remove all but the newest data sets, and files that belong to none.

    A data set whose id a person chose stays until a person deletes it.

    Args:
        store: where they are.
        keep_last: complete data sets to keep, by the time of their manifest; at least 1.
        in_work: ids that are left alone whatever they look like.
        grace: an unfinished data set is left alone until so long after its last file.
        dry_run: say what would be removed, remove nothing.

    Raises:
        ValueError: `keep_last` is less than 1.
    """
    if keep_last < 1:
        raise ValueError(f"keep_last is {keep_last}; at least the newest data set must stay")
    sets = _by_id(store)
    complete = _complete(store, sets)
    by_age = _by_age(complete)
    kept = [name for number, name in enumerate(by_age) if number < keep_last or name in in_work]
    kept += [name for name in by_age if name not in kept and _was_named(store, name)]
    removed = [name for name in by_age if name not in kept]
    now = datetime.now(UTC)
    unfinished = [
        name
        for name, files in sets.items()
        if name not in complete and name not in in_work and now - max(one.modified for one in files) >= grace
    ]
    strays = [one for name in kept if name not in in_work for one in _strays(store, name, sets[name])]
    gone = [one for name in (*removed, *unfinished) for one in sets[name]] + strays
    if not dry_run:
        # Manifests first: from then on a data set is not there, and a kill leaves an unfinished one.
        store.delete([complete[name].key for name in removed])
        store.delete([one.key for one in gone])
    return Cleanup(
        dry_run=dry_run,
        kept=kept,
        removed=removed,
        unfinished=unfinished,
        in_work=[name for name in sets if name not in complete and name not in unfinished],
        strays=[one.key for one in strays],
        bytes=sum(one.bytes for one in gone),
    )


def newest(store: ObjectStore) -> list[str]:
    """Ids of the complete data sets, the newest first, by the time of their manifest."""
    return _by_age(_complete(store, _by_id(store)))


def _complete(store: ObjectStore, sets: Mapping[str, Sequence[Found]]) -> dict[str, Found]:
    """Manifest of each complete data set, by id."""
    return {name: one for name, files in sets.items() for one in files if one.key == store.key(name, NAME)}


def _by_age(complete: Mapping[str, Found]) -> list[str]:
    return sorted(complete, key=lambda name: (complete[name].modified, name), reverse=True)


def _was_named(store: ObjectStore, name: str) -> bool:
    try:
        return bool(open_manifest(store, name).extra.get("named"))
    except QualityError:  # nothing is removed on the word of a damaged manifest
        return True


def _by_id(store: ObjectStore) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for one in store.list(f"{store.prefix}/"):
        name, _, inner = one.key.removeprefix(f"{store.prefix}/").partition("/")
        if inner:  # anything beside the data sets is not ours
            found.setdefault(name, []).append(one)
    return found


def _strays(store: ObjectStore, name: str, files: list[Found]) -> list[Found]:
    try:
        manifest = open_manifest(store, name)
    except QualityError:  # nothing is removed on the word of a damaged manifest
        return []
    listed = manifest.keys | {store.key(name, NAME)}
    return [one for one in files if one.key not in listed]
