"""What a job leaves in S3: archives of its folders, and its checkpoints while it runs."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from local.aws.storage import Place, Storage


def pack(folder: Path, archive: Path) -> bool:
    """Write a folder's content to a ``.tar.gz`` whose bytes depend on nothing but the content.

    Args:
        folder: what is packed, without the folder itself.
        archive: where to.

    Returns:
        False, and nothing is written, if the folder has no file.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    if not paths:
        return False
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in paths:
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_plain)
    return True


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    member.mode = 0o644
    return member


class Checkpoints:
    """A folder that is copied to S3 while the job writes to it, and back when the job begins again.

    Args:
        folder: of the job.
        place: prefix in S3.
        storage: S3.
    """

    def __init__(self, folder: Path, place: Place, storage: Storage) -> None:
        self._folder, self._place, self._storage = folder, place, storage
        self._sent: dict[Path, tuple[int, int]] = {}

    def restore(self) -> None:
        """Fetch what is there."""
        folder = self._place.folder
        for key in self._storage.list(folder):
            path = self._folder / key.removeprefix(folder.key)
            if not key.endswith("/") and self._storage.fetch(Place(folder.bucket, key), path):
                self._sent[path] = _state(path)

    def send(self) -> None:
        """Write what is new or has changed since; what the job deleted stays in S3, as at AWS."""
        for path in sorted(self._folder.rglob("*")):
            try:
                state = _state(path)
                if path.is_file() and self._sent.get(path) != state:
                    self._storage.send(path, self._place.below(str(path.relative_to(self._folder))))
                    self._sent[path] = state
            except FileNotFoundError:
                continue  # the job renamed it meanwhile


def _state(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_mtime_ns, told.st_size
