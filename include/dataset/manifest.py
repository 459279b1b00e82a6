"""The manifest of a data set: what it consists of. A data set without one does not exist."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from include.dataset.split import SETS
from include.errors import BadParameter
from include.pairs import PAIRS

NAME = "manifest.json"
SHORT = 12  # digits of a hash that are part of a name
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class Document(NamedTuple):
    """Something beside the files that belongs to a data set, such as its scalers.

    Attributes:
        key: its whole name in the bucket; the beginning of its hash is part of it.
        sha256: of its bytes, hexadecimal.
        bytes: its size.
    """

    key: str
    sha256: str
    bytes: int


class Part(NamedTuple):
    """One file of a data set.

    Attributes:
        key: its whole name in the bucket, ``datasets/{dataset_id}/{pair}/{split}/{yyyy-mm}-{hash}.parquet``:
            the beginning of its hash is part of it, so no writer ever replaces the file of another.
        rows: how many it holds.
        sha256: of its bytes, hexadecimal.
        bytes: its size.
    """

    key: str
    rows: int
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        """What it is within the data set, ``{pair}/{split}/{yyyy-mm}.parquet``."""
        *_, pair, split, file = self.key.split("/")
        return f"{pair}/{split}/{file[: len('yyyy-mm')]}.parquet"

    @property
    def pair(self) -> str:
        """The pair it belongs to."""
        return self.key.split("/")[-3]

    @property
    def split(self) -> str:
        """The split it belongs to."""
        return self.key.split("/")[-2]


@dataclass(frozen=True)
class Manifest:
    """What a data set consists of.

    Attributes:
        dataset_id: its name, for ever.
        catalogue_hash: of the feature catalogue that made it.
        columns_total: features that were computed and checked.
        columns_selected: matrix columns in the files, ``table__column``.
        targets: target columns in the files.
        splits: ``{"train": {"from": ..., "to": ..., "rows": ...}, ...}``; rows over all pairs.
        files: every file; the order does not matter, it is sorted by key.
        source: range of the bars it was made from, ``{"from": ..., "to": ...}``.
        code_version: of this project.
        inputs: what the stored tables were made from: table to month to hash, as in the log of builds.
        documents: scalers, selection, report and so on, by what they are.
        extra: anything else worth keeping; plain JSON, not part of the content hash.
    """

    dataset_id: str
    catalogue_hash: str
    columns_total: int
    columns_selected: tuple[str, ...]
    targets: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Any]]
    files: tuple[Part, ...]
    source: Mapping[str, Any]
    code_version: str
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = sorted(Part(*part) for part in self.files)
        object.__setattr__(self, "files", tuple(files))
        object.__setattr__(self, "columns_selected", tuple(self.columns_selected))
        object.__setattr__(self, "targets", tuple(self.targets))
        documents = {what: Document(*each) for what, each in self.documents.items()}
        object.__setattr__(self, "documents", documents)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content: names, rows and hashes of the files, columns, targets and splits.

        It does not depend on the data set's id, on when, or by which version of the code it was made.
        Parquet bytes depend on the version of pyarrow, which ``requirements.txt`` fixes.
        """
        content = {
            "files": [(part.name, part.rows, part.sha256) for part in self.files],
            "columns": self.columns_selected,
            "targets": self.targets,
            "splits": self.splits,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def keys(self) -> set[str]:
        """Everything that belongs to the data set besides the manifest itself."""
        return {part.key for part in self.files} | {document.key for document in self.documents.values()}

    def to_json(self) -> str:
        """As it is stored; the same content gives the same text."""
        told = asdict(self) | {
            "files": [part._asdict() for part in self.files],
            "documents": {what: document._asdict() for what, document in self.documents.items()},
            "content_hash": self.content_hash,
        }
        return json.dumps(told | {"manifest_hash": _hash(told)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def of(cls, text: str | bytes) -> Manifest:
        """Read the stored form.

        Raises:
            ValueError: it is no manifest, or was changed: its hashes do not fit what it says.
        """
        try:
            told = json.loads(text)
            if "manifest_hash" not in told:
                raise ValueError("it is no manifest, or one of an older version of this bundle")
            whole = told.pop("manifest_hash")
            if _hash(told) != whole:
                raise ValueError("its hash does not fit what it says")
            stored = told.pop("content_hash")
            files = tuple(Part(**one) for one in told.pop("files"))
            documents = {what: Document(**one) for what, one in told.pop("documents").items()}
            manifest = cls(files=files, documents=documents, **told)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no manifest of a data set: {error}") from error
        if manifest.content_hash != stored:
            raise ValueError("its content hash does not fit what it lists")
        return manifest

    def check(self) -> None:
        """Refuse a manifest that contradicts itself.

        Raises:
            BadParameter: it does; says where.
        """
        check_id(self.dataset_id)
        if not self.files:
            raise BadParameter(f"Data set {self.dataset_id} has no files. Choose a range that has bars.")
        for what, names in (
            ("file", [part.key for part in self.files]),
            ("column", [*self.columns_selected, *self.targets]),
        ):
            if twice := [name for name, number in Counter(names).items() if number > 1]:
                raise BadParameter(f"Data set {self.dataset_id} lists the {what} {twice[0]} twice.")
        if strays := sorted(key for key in self.keys if f"/{self.dataset_id}/" not in key):
            raise BadParameter(f"{strays[0]} is listed but is not a part of data set {self.dataset_id}.")
        rows: Counter[str] = Counter()
        for part in self.files:
            rows[part.split] += part.rows
        for split in sorted({*rows, *self.splits}):
            said = self.splits.get(split, {}).get("rows")
            if said != rows[split]:
                raise BadParameter(
                    f"Data set {self.dataset_id}, split {split}: the manifest says {said} rows, its files "
                    f"hold {rows[split]:,}. A part is missing or was written for another data set."
                )


def check_id(dataset_id: str) -> None:
    """Refuse an id that cannot be a part of a key.

    Raises:
        BadParameter: with the rule.
    """
    if not _ID.fullmatch(dataset_id):
        raise BadParameter(
            f"{dataset_id!r} cannot be a data set's id: use small letters, digits, '.', '_' and '-', "
            "at most 128, and begin with a letter or digit."
        )


def _hash(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def part_name(pair: str, split: str, month: str, sha256: str) -> str:
    """Name of a file within its data set: what it holds, and the beginning of its hash.

    Raises:
        BadParameter: there is no such pair, split or month.
    """
    if pair not in PAIRS:
        raise BadParameter(f"There is no pair {pair!r}. The pairs are {', '.join(PAIRS)}.")
    if split not in SETS:
        raise BadParameter(f"There is no split {split!r}. The splits are {', '.join(SETS)}.")
    if not _MONTH.fullmatch(month):
        raise BadParameter(f"{month!r} is no month. Write it as in 2018-07.")
    return f"{pair}/{split}/{month}-{sha256[:SHORT]}.parquet"
