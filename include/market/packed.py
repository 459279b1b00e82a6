"""Packed files as providers deliver them: gzip of one file, zip of bars and the reports beside them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from include.market.problems import bad

READ = (".gz", ".zip")
MOST_BYTES = 2 << 30  # unpacked: a year of minute bars has 20 MB


def unpack(name: str, content: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in an archive, without what a system adds (``__MACOSX``, dotfiles).

    Args:
        name: name of the archive; its ending says the kind.
        content: its bytes.
        source: path, to name it in errors.

    Raises:
        BadInput: ``archive``: it is damaged, encrypted or larger than `MOST_BYTES` when unpacked.
    """
    if name.lower().endswith(".gz"):
        yield PurePosixPath(name).stem, _gunzip(content, source)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                parts = PurePosixPath(member.filename).parts
                if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts):
                    continue
                if member.flag_bits & 1:
                    raise bad("archive", source, f"{member.filename} in it is encrypted")
                if member.file_size > MOST_BYTES:
                    raise bad("archive", source, f"{member.filename} in it has {member.file_size:,} bytes")
                yield parts[-1], archive.read(member)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise bad("archive", source, f"it cannot be unpacked: {error or 'it is cut off'}") from None


def _gunzip(content: bytes, source: str) -> bytes:
    """All members of a gzip file, one after the other, never more than `MOST_BYTES`."""
    parts: list[bytes] = []
    rest, size = content, 0
    try:
        while rest.rstrip(b"\0"):
            stream = zlib.decompressobj(wbits=31)
            parts.append(stream.decompress(rest, MOST_BYTES + 1 - size))
            size += len(parts[-1])
            if size > MOST_BYTES:
                raise bad("archive", source, f"it unpacks to more than {MOST_BYTES:,} bytes")
            if not stream.eof:
                raise zlib.error("it is cut off")
            rest = stream.unused_data
    except zlib.error as error:
        raise bad("archive", source, f"it cannot be unpacked: {error}") from None
    return b"".join(parts)
