"""Which file of a folder or a bucket holds which pair, and what is not read, with why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from include.market import declared, packed
from include.market.declared import Declarations
from include.market.files import BarFile, StoredFile, contents, refuse_error
from include.market.naming import ending_of, in_order, pairs_in, sides_in, why_not_read
from include.market.problems import bad
from include.objects import ObjectStore
from include.pairs import PAIRS

__all__ = ["Folder", "find_files", "look"]


class Folder(NamedTuple):
    """What lies in a place, by its names alone.

    Attributes:
        name: folder or address, to name it in errors.
        files: files of each pair wanted that was found, in the order of the pairs; years and months of one
            series are in order of time.
        left_out: name of each file that names a pair and is not read, and why.
        declarations: what ``bars.yaml`` says.
    """

    name: str
    files: dict[str, list[BarFile]]
    left_out: dict[str, str]
    declarations: Declarations


def find_files(place: Path | str | ObjectStore, pairs: Collection[str] = PAIRS) -> dict[str, list[BarFile]]:
    """The files of each pair, as `look` finds them."""
    return look(place, pairs).files


def look(place: Path | str | ObjectStore, pairs: Collection[str] = PAIRS) -> Folder:
    """Find the files of each pair by their names, in any case; subfolders are not searched.

    A pair may have several files, of years, months or any other periods: their rows say in which order they
    come and whether they overlap.

    Args:
        place: a folder, or a place in a bucket.
        pairs: pairs wanted.

    Raises:
        BadInput: ``no-folder``, ``no-files``, ``ambiguous-name``, ``mixed-files``,
            ``years-not-consecutive`` or ``declaration-wrong``.
    """
    name = place.uri(place.prefix) if isinstance(place, ObjectStore) else str(place)
    entries = _objects(place) if isinstance(place, ObjectStore) else _entries(Path(place))
    found: dict[str, list[BarFile]] = {}
    left_out = {path.name: why for path in entries if (why := _why_not_read(path))}
    for path in entries:
        for pair in () if path.name in left_out else _only_pair(path):
            found.setdefault(pair, []).append(path)
    if not any(pair in found for pair in pairs):
        more = "".join(f"; {other}: {why}" for other, why in left_out.items())
        raise bad("no-files", name, f"no file is named after a pair that is wanted{more}")
    files = {pair: _in_order(pair, found[pair]) for pair in pairs if pair in found}
    return Folder(name, files, left_out, _declarations(entries))


def _entries(folder: Path) -> Sequence[BarFile]:
    if not folder.is_dir():
        raise bad("no-folder", str(folder), "there is no such folder")
    try:
        return sorted(folder.iterdir())
    except PermissionError:
        raise bad("not-readable", str(folder), "the folder cannot be listed") from None


def _objects(place: ObjectStore) -> Sequence[BarFile]:
    prefix = f"{place.prefix}/" if place.prefix else ""
    try:
        keys = [found.key for found in place.list(prefix)]
    except place.client.exceptions.ClientError as error:
        refuse_error(place.uri(place.prefix), error)
        raise
    if not keys:
        raise bad("no-folder", place.uri(place.prefix), "no object lies below this address")
    beside = (key.removeprefix(prefix) for key in keys)
    return [StoredFile(place, prefix + name) for name in beside if name and "/" not in name]


def _why_not_read(path: BarFile) -> str:
    if pairs_in(path.name) and isinstance(path, Path) and path.is_dir():
        return "it is a folder, and subfolders are not searched"
    return why_not_read(path.name)


def _only_pair(path: BarFile) -> list[str]:
    names = [] if path.name.startswith(".") else pairs_in(path.name)
    if len(names) > 1:
        raise bad("ambiguous-name", str(path), f"the name holds {' and '.join(names)}")
    return names


def _in_order(pair: str, paths: Sequence[BarFile]) -> list[BarFile]:
    sides = {side: path.name for path in paths for side in sides_in(path.name)}
    if len(sides) > 1:
        names = " and ".join(f"{name} ({side})" for side, name in sorted(sides.items()))
        raise bad("mixed-files", str(paths[-1]), f"{pair} has files of different prices: {names}")
    order, hole = in_order([path.name for path in paths])
    if hole:
        one, other = (paths[i] for i in hole)
        raise bad("years-not-consecutive", str(other), f"it does not continue {one.name}")
    return [paths[i] for i in order]


def _declarations(entries: Sequence[BarFile]) -> Declarations:
    for path in entries:
        if path.name == declared.FILE:
            (content,) = contents(path)
            declarations = Declarations.read(content.body, str(path))
            declarations.check_used(_names(other for other in entries if other is not path))
            return declarations
    return Declarations()


def _names(entries: Iterable[BarFile]) -> Iterator[tuple[str, ...]]:
    """Names of all files, then of those packed in them: archives are opened only if need be."""
    archives = []
    for path in entries:
        yield (path.name,)
        if ending_of(path.name) in packed.READ and pairs_in(path.name):
            archives.append(path)
    for path in archives:
        yield from (content.names for content in contents(path))
