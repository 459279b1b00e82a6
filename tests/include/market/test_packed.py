"""Archives are unpacked within limits, and refused in the words for a bad file."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from include.errors import BadInput
from include.market import packed


def zipped(members: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return whole.getvalue()


def test_members_are_named_without_their_folders_and_what_a_system_adds() -> None:
    members = {"deep/er/a": b"1", "deep/": b"", "__MACOSX/deep/._a": b"2", ".hidden": b"3", "b": b"4"}
    assert list(packed.unpack("x.ZIP", zipped(members), "x.ZIP")) == [("a", b"1"), ("b", b"4")]


def test_gzip_files_that_were_joined_are_one() -> None:
    content = gzip.compress(b"1\n") + gzip.compress(b"2\n") + b"\0" * 8
    assert list(packed.unpack("x.csv.gz", content, "x")) == [("x.csv", b"1\n2\n")]


@pytest.mark.parametrize("name", ["x.csv.gz", "x.zip"])
def test_what_unpacks_to_more_than_the_limit_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_BYTES", 1000)
    small, large = b"1" * 1000, b"1" * 1001
    pack = gzip.compress if name.endswith("gz") else lambda body: zipped({"a": body})
    assert [body for _, body in packed.unpack(name, pack(small), name)] == [small]
    with pytest.raises(BadInput, match=r"\[archive\]"):
        list(packed.unpack(name, pack(large), name))


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_half_an_archive_is_refused(cut: int) -> None:
    for name, content in (("x.gz", gzip.compress(b"1,2" * 99)), ("x.zip", zipped({"a": b"1,2" * 99}))):
        with pytest.raises(BadInput, match=r"it cannot be unpacked.*\[archive\]"):
            list(packed.unpack(name, content[:-cut], name))


def test_an_encrypted_member_is_refused() -> None:
    content = bytearray(zipped({"a": b"1"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the flag of both headers of the member
        at = content.index(mark)
        content[at + (6 if mark.endswith(b"\x04") else 8)] |= 1
    with pytest.raises(BadInput, match=r"a in it is encrypted.*\[archive\]"):
        list(packed.unpack("x.zip", bytes(content), "x.zip"))
