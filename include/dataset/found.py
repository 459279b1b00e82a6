"""A data set that is there is not made again: the same frame over the same tables gives the same files."""

from __future__ import annotations

from dataclasses import replace

from include.dataset.export import open_manifest
from include.dataset.frame import Frame
from include.dataset.manifest import Manifest
from include.dataset.retention import newest
from include.errors import MissingInput
from include.objects import ObjectStore

__all__ = ["found", "is_complete"]


def found(store: ObjectStore, frame: Frame) -> Frame:
    """The frame of the newest data set if it was made of the same, else the frame itself.

    Only the newest counts, which is the one that everything after it takes.
    """
    for dataset_id in newest(store)[:1]:
        manifest = open_manifest(store, dataset_id)
        same = replace(frame, dataset_id=dataset_id, named=bool(manifest.extra.get("named")))
        if _is_whole(store, manifest, same):
            return same
    return frame


def is_complete(store: ObjectStore, frame: Frame) -> bool:
    """Whether the data set of a frame is there, with every file."""
    try:
        return _is_whole(store, open_manifest(store, frame.dataset_id), frame)
    except MissingInput:
        return False


def _is_whole(store: ObjectStore, manifest: Manifest, frame: Frame) -> bool:
    if manifest.extra.get("frame") != frame.fingerprint:
        return False
    there = {(one.key, one.bytes) for one in store.list(store.key(frame.dataset_id, ""))}
    listed = {(part.key, part.bytes) for part in manifest.files}
    listed |= {(document.key, document.bytes) for document in manifest.documents.values()}
    return listed <= there
