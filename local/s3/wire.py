"""Bodies of requests: HTTP framing, the chunks of ``aws-chunked``, checksums in headers and trailers."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator
from email.message import Message
from typing import BinaryIO, Protocol

from local.s3.faults import Fault

BLOCK = 1 << 20
CHECKSUMS = ("crc32", "sha1", "sha256")  # those of Python; crc32c and crc64nvme are accepted unverified
_HEADER = "x-amz-checksum-"


class _Hash(Protocol):
    def update(self, block: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, block: bytes, /) -> None:
        self._value = zlib.crc32(block, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class Body:
    """The body of one request, read once, block by block, and checked at its end.

    Args:
        stream: what follows the request's headers.
        headers: the request's headers.
    """

    def __init__(self, stream: BinaryIO, headers: Message) -> None:
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            raw: io.RawIOBase = _Chunked(stream)
        else:
            raw = _Fixed(stream, int(headers.get("Content-Length") or 0))
        self._reader = io.BufferedReader(raw, BLOCK)
        self._declared = headers.get("x-amz-content-sha256", "")
        encodings = headers.get("Content-Encoding", "")
        self._in_chunks = self._declared.startswith("STREAMING-") or "aws-chunked" in encodings
        self._md5_expected = headers.get("Content-MD5")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._expected = {
            name: headers[_HEADER + name] for name in CHECKSUMS if headers.get(_HEADER + name) is not None
        }
        promised = headers.get("x-amz-trailer", "").lower()
        self._hashes: dict[str, _Hash] = {
            name: _Crc32() if name == "crc32" else hashlib.new(name, usedforsecurity=False)
            for name in CHECKSUMS
            if name in self._expected or promised == _HEADER + name or self._is_signed_as(name)
        }

    @property
    def etag(self) -> str:
        """MD5 of what was read, hexadecimal."""
        return self._md5.hexdigest()

    @property
    def checksums(self) -> dict[str, str]:
        """Response headers of the checksums that the client gave and that were right."""
        return {_HEADER + name: value for name, value in self._expected.items()}

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of the payload.

        Raises:
            Fault: it ends too early, is malformed, or a checksum does not fit.
        """
        for block in self._decoded() if self._in_chunks else self._plain():
            self._md5.update(block)
            for one in self._hashes.values():
                one.update(block)
            yield block
        self._check()

    def read(self) -> bytes:
        """The whole payload, for the small bodies that are XML."""
        return b"".join(self)

    def drain(self) -> None:
        """Read what nobody wanted, so that the connection can be used again."""
        while self._reader.read(BLOCK):
            pass

    def _is_signed_as(self, name: str) -> bool:
        return name == "sha256" and len(self._declared) == 64

    def _plain(self) -> Iterator[bytes]:
        while block := self._reader.read(BLOCK):
            yield block

    def _decoded(self) -> Iterator[bytes]:
        while size := _size(self._reader.readline()):
            while size:
                block = self._reader.read(min(size, BLOCK))
                if not block:
                    raise Fault("IncompleteBody")
                size -= len(block)
                yield block
            self._reader.readline()
        while line := self._reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            short = name.strip().lower().removeprefix(_HEADER)
            if short in self._hashes:
                self._expected[short] = value.strip()

    def _check(self) -> None:
        if self._is_signed_as("sha256") and self._hashes["sha256"].digest().hex() != self._declared:
            raise Fault("XAmzContentSHA256Mismatch")
        if self._md5_expected not in (None, _base64(self._md5.digest())):
            raise Fault("BadDigest")
        for name, value in self._expected.items():
            if _base64(self._hashes[name].digest()) != value:
                raise Fault("BadDigest")


class _Fixed(io.RawIOBase):
    """So many bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # RawIOBase says Buffer
        wanted = min(len(buffer), self._left)
        block = self._stream.read(wanted) if wanted else b""
        if len(block) < wanted:
            raise Fault("IncompleteBody")
        self._left -= wanted
        buffer[:wanted] = block
        return wanted


class _Chunked(io.RawIOBase):
    """The chunks of HTTP's ``Transfer-Encoding: chunked``."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left, self._ended = stream, 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # RawIOBase says Buffer
        if not self._left and not self._ended:
            self._left = _size(self._stream.readline())
            self._ended = not self._left
            if self._ended:
                while self._stream.readline().strip():
                    pass
        wanted = min(len(buffer), self._left)
        block = self._stream.read(wanted) if wanted else b""
        if len(block) < wanted:
            raise Fault("IncompleteBody")
        buffer[:wanted] = block
        self._left -= wanted
        if wanted and not self._left:
            self._stream.readline()
        return wanted


def _size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError as error:
        raise Fault("IncompleteBody") from error


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
