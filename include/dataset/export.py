"""Write a data set, and read it: files first, the manifest last and once.

A reader begins with the manifest. As long as there is none, nothing of a data set is there for anybody;
when it is there, every file and document it lists is complete. Their names hold the beginning of their hash:
a killed export is simply run again, and of two that write one data set none replaces a file of the other.
What is read is compared with the manifest byte by byte; what S3 says of an object proves nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from include.dataset.manifest import NAME, SHORT, Document, Manifest, Part, check_id, part_name
from include.errors import BadParameter, DatasetConflict, MissingInput, QualityError
from include.objects import ObjectStore

AT_ONCE = 4  # files that are read at once while a data set is finished
ROW_GROUP = 1 << 16  # rows: a month has at most 44,640, so one file is one group


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet; equal tables give equal bytes, however they are chunked.

    Writer settings are fixed: zstd 1, numbers split by byte (0.55 of the plain size for prices),
    no dictionaries, no metadata of pandas, nothing that depends on the moment.
    """
    sink = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(None),
        sink,
        row_group_size=ROW_GROUP,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        use_byte_stream_split=[one.name for one in table.schema if pa.types.is_floating(one.type)],
        write_statistics=True,
        store_schema=True,
    )
    return sink.getvalue()


def write_part(
    store: ObjectStore, dataset_id: str, pair: str, split: str, month: str, table: pa.Table
) -> Part:
    """Write one file of a data set unless it is there already. Memory: the table and its file.

    Args:
        store: where to.
        dataset_id: name of the data set.
        pair: spelt as in ``eurusd``.
        split: ``train``, ``val`` or ``test``.
        month: ``yyyy-mm``.
        table: its rows, in time order.

    Returns:
        What the manifest has to list.

    Raises:
        BadParameter: there is no such pair, split or month, or the table is empty.
        DatasetConflict: the data set is complete and this file is not in it as it is now.
    """
    check_id(dataset_id)
    if not table.num_rows:
        what = f"{pair}/{split}/{month}"
        raise BadParameter(f"{what} of {dataset_id} would be empty. Leave out months without rows.")
    body = parquet_bytes(table)
    sha256 = hashlib.sha256(body).hexdigest()
    key = store.key(dataset_id, part_name(pair, split, month, sha256))
    part = Part(key, table.num_rows, sha256, len(body))
    written = _stored(store, dataset_id)
    if written is not None and part not in written.files:
        raise _conflict(store, written, f"{part.name} is another one or not among its files")
    _ensure(store, key, body, sha256)
    return part


def write_document(store: ObjectStore, dataset_id: str, name: str, body: bytes) -> Document:
    """Write something that lies beside the files, such as ``scalers.json``.

    Args:
        store: where to.
        dataset_id: name of the data set.
        name: file name; the beginning of its hash is added to it.
        body: its bytes.

    Returns:
        What the manifest has to list.
    """
    check_id(dataset_id)
    sha256 = hashlib.sha256(body).hexdigest()
    stem, dot, kind = name.rpartition(".")
    key = store.key(dataset_id, f"{stem}-{sha256[:SHORT]}{dot}{kind}")
    _ensure(store, key, body, sha256)
    return Document(key, sha256, len(body))


def read_document(store: ObjectStore, manifest: Manifest, what: str) -> bytes:
    """The bytes of a document, compared with the manifest.

    Raises:
        MissingInput: the data set has none of that kind, or it is gone.
        QualityError: it is not the one that was written.
    """
    if what not in manifest.documents:
        raise MissingInput(
            f"Data set {manifest.dataset_id} has no {what}. It has {', '.join(manifest.documents)}."
        )
    document = manifest.documents[what]
    return _checked(store, document.key, document.sha256)


def finish(store: ObjectStore, manifest: Manifest) -> str:
    """Make a data set visible: read whatever it lists once more, then write the manifest.

    Args:
        store: where the files are.
        manifest: what the data set consists of.

    Returns:
        The content hash. A second call with the same content changes nothing and returns it again.

    Raises:
        BadParameter: the manifest contradicts itself.
        MissingInput: a file it lists is not there, or is another one.
        DatasetConflict: a data set of this id is there and has other content.
    """
    manifest.check()
    _refuse_other(store, _stored(store, manifest.dataset_id), manifest)
    listed = [(part.key, part.sha256) for part in manifest.files]
    listed += [(document.key, document.sha256) for document in manifest.documents.values()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        there = list(pool.map(lambda one: _is_there(store, *one), listed))
    if wrong := [key for (key, _), is_there in zip(listed, there, strict=True) if not is_there]:
        raise MissingInput(
            f"Data set {manifest.dataset_id} is not complete: {len(wrong)} of {len(listed)} files are "
            f"missing or are not those listed, the first is {wrong[0]}. Clear the task export of that pair."
        )
    if not store.put_once(_manifest_key(store, manifest.dataset_id), manifest.to_json().encode()):
        _refuse_other(store, open_manifest(store, manifest.dataset_id), manifest)
    return manifest.content_hash


def open_manifest(store: ObjectStore, dataset_id: str) -> Manifest:
    """The manifest of a complete data set.

    Raises:
        MissingInput: there is no such data set, or it is not complete.
        QualityError: the manifest was damaged.
    """
    manifest = _stored(store, dataset_id)
    if manifest is None:
        raise MissingInput(
            f"There is no data set {dataset_id} in s3://{store.bucket}/{store.prefix}, or its export has not "
            "ended. Run bqx_dataset, or choose one that is there."
        )
    return manifest


def read_parts(
    store: ObjectStore, manifest: Manifest, pair: str, split: str, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Read a pair's rows of a split month by month, each file checked against the manifest.

    Args:
        store: where the files are.
        manifest: from `open_manifest`.
        pair: spelt as in ``eurusd``.
        split: ``train``, ``val`` or ``test``.
        columns: those wanted, in that order; None for all.

    Yields:
        One table for each month, in time order.

    Raises:
        MissingInput: the data set has no such rows, or a file is gone.
        QualityError: a file is not the one that was written.
        BadParameter: there is no such column.
    """
    files = [part for part in manifest.files if (part.pair, part.split) == (pair, split)]
    if not files:
        pairs = ", ".join(sorted({part.pair for part in manifest.files}))
        raise MissingInput(
            f"Data set {manifest.dataset_id} has no rows of {pair} in {split}. Its pairs are {pairs}."
        )
    for part in files:
        yield _read(store, part, columns)


def read_split(
    store: ObjectStore, manifest: Manifest, pair: str, split: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """All rows of `read_parts` as one table."""
    return pa.concat_tables(read_parts(store, manifest, pair, split, columns))


def _checked(store: ObjectStore, key: str, sha256: str) -> bytes:
    """The bytes of an object that a manifest lists."""
    body = store.get(key)
    if body is None:
        raise MissingInput(
            f"s3://{store.bucket}/{key} is gone although its data set is complete. Export the data set "
            "under a new id."
        )
    if hashlib.sha256(body).hexdigest() != sha256:
        raise QualityError(
            f"s3://{store.bucket}/{key} is not the file that was written: its SHA-256 differs from the "
            "manifest's. Export the data set under a new id, and find out who changed it."
        )
    return body


def _read(store: ObjectStore, part: Part, columns: Sequence[str] | None) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(_checked(store, part.key, part.sha256)))
    if columns is None:
        return file.read()
    if unknown := [name for name in columns if name not in file.schema_arrow.names]:
        raise BadParameter(f"{part.key} has no column {unknown[0]}. Its manifest lists what it has.")
    return file.read(columns=list(columns)).select(list(columns))


def _stored(store: ObjectStore, dataset_id: str) -> Manifest | None:
    key = _manifest_key(store, dataset_id)
    text = store.get(key)
    if text is None:
        return None
    try:
        manifest = Manifest.of(text)
        if manifest.dataset_id != dataset_id:
            raise ValueError(f"it is the manifest of {manifest.dataset_id}")
        if strays := [each for each in manifest.keys if not each.startswith(store.key(dataset_id, ""))]:
            raise ValueError(f"it lists {min(strays)}, which is not a part of this data set")
        return manifest
    except ValueError as error:
        raise QualityError(
            f"s3://{store.bucket}/{key} cannot be trusted: {error}. Export the data set under a new id."
        ) from error


def _ensure(store: ObjectStore, key: str, body: bytes, sha256: str) -> None:
    """Write an object unless exactly its bytes are there."""
    if not _is_there(store, key, sha256):
        store.put(key, body)


def _is_there(store: ObjectStore, key: str, sha256: str) -> bool:
    body = store.get(key)
    return body is not None and hashlib.sha256(body).hexdigest() == sha256


def _manifest_key(store: ObjectStore, dataset_id: str) -> str:
    check_id(dataset_id)
    return store.key(dataset_id, NAME)


def _refuse_other(store: ObjectStore, written: Manifest | None, manifest: Manifest) -> None:
    if written is not None and written.content_hash != manifest.content_hash:
        raise _conflict(store, written, _difference(written, manifest))


def _conflict(store: ObjectStore, written: Manifest, difference: str) -> DatasetConflict:
    return DatasetConflict(
        f"Data set {written.dataset_id} is complete in s3://{store.bucket}/{store.prefix} and never changes; "
        f"what was to be written differs: {difference}. Choose another dataset_id, or "
        "delete that data set first."
    )


def _difference(old: Manifest, new: Manifest) -> str:
    """The first thing in which two data sets differ, for people."""
    before, after = ({part.name: part for part in one.files} for one in (old, new))
    if names := sorted(before.keys() ^ after.keys()):
        return f"{names[0]} is only in the {'old' if names[0] in before else 'new'} one"
    for name, part in before.items():
        if (part.rows, part.sha256) != (after[name].rows, after[name].sha256):
            return f"{name} has {part.rows:,} rows there and {after[name].rows:,} here, or other values"
    for what in ("columns_selected", "targets", "splits"):
        if getattr(old, what) != getattr(new, what):
            return f"the {what} are others"
    return "nothing that is listed"
