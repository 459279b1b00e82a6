"""Archives depend on their content alone; checkpoints are sent when they change."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws.artefacts import Checkpoints, pack
from local.aws.storage import Place, Storage
from local.s3.server import KEY_ID, SECRET
from tests.s3 import connect, served


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder, names in (("a", ["x", "d/y"]), ("b", ["d/y", "x"])):
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    os.utime(tmp_path / "a" / "x", (1, 1))
    (tmp_path / "a" / "x").chmod(0o700)
    assert pack(tmp_path / "a", tmp_path / "a.tar.gz")
    assert pack(tmp_path / "b", tmp_path / "b.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert archive.getnames() == ["d/y", "x"]
        assert {(one.mtime, one.uid, one.mode) for one in archive} == {(0, 0, 0o644)}


def test_an_empty_folder_gives_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a" / "empty").mkdir(parents=True)
    assert not pack(tmp_path / "a", tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with served(tmp_path / "s3") as server:
        client = connect(server.server_port)
        client.create_bucket(Bucket="bucket")
        client.close()
        storage = Storage(f"http://127.0.0.1:{server.server_port}", KEY_ID, SECRET)
        yield storage
        storage.close()


@pytest.mark.parametrize("prefix", ["checkpoints/job/", "checkpoints/job", ""])
def test_checkpoints_go_up_and_come_back(storage: Storage, tmp_path: Path, prefix: str) -> None:
    here = tmp_path / "here"
    (here / "deep").mkdir(parents=True)
    (here / "deep" / "a").write_text("1")
    checkpoints = Checkpoints(here, Place("bucket", prefix), storage)
    checkpoints.send()
    (here / "deep" / "a").unlink()
    (here / "b").write_text("2")
    checkpoints.send()
    there = tmp_path / "there"
    Checkpoints(there, Place("bucket", prefix), storage).restore()
    files = {str(path.relative_to(there)): path.read_text() for path in there.rglob("*") if path.is_file()}
    assert files == {"deep/a": "1", "b": "2"}, "what the job deleted stays in S3"


def test_only_what_has_changed_is_sent(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(storage, "send", lambda path, place: sent.append(place.key))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a").write_text("1")
    checkpoints = Checkpoints(tmp_path / "c", Place("bucket", "p"), storage)
    checkpoints.send()
    checkpoints.send()
    (tmp_path / "c" / "a").write_text("longer")
    checkpoints.send()
    assert sent == ["p/a", "p/a"]


def test_a_neighbour_with_a_longer_name_is_not_restored(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    storage.send(tmp_path / "a", Place("bucket", "checkpoints/job-2/a"))
    Checkpoints(tmp_path / "there", Place("bucket", "checkpoints/job"), storage).restore()
    assert not (tmp_path / "there").exists()
