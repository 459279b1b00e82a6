"""Reports lie in the bucket or in a folder, open from their links, and the old ones go."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.objects import FolderStore, ObjectStore
from include.reports import FOLDER, KINDS, Reports
from tests.s3 import connect, served

PAGE = "<!doctype html><title>Ärger</title>"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Reports]:
    """Reports in a bucket of the stand-in, as `make run` has them."""
    with served(tmp_path / "s3", public=(f"{FOLDER}/",)) as server:
        client = connect(server.server_port)
        store = ObjectStore(client, "bqx-test", FOLDER)
        store.ensure_bucket()
        yield Reports(store)
        client.close()


@pytest.fixture(params=["bucket", "folder"])
def reports(request: pytest.FixtureRequest, tmp_path: Path) -> Reports:
    if request.param == "bucket":
        found: Reports = request.getfixturevalue("bucket")
        return found
    return Reports(FolderStore(tmp_path / "reports"))


def keys(reports: Reports) -> set[str]:
    prefix = reports.store.key("")
    return {found.key.removeprefix(f"{FOLDER}/") for found in reports.store.list(prefix)}


def test_what_was_written_is_read_back(reports: Reports) -> None:
    links = reports.write("plan", "manual__2024-07-01T00:00:00+00:00", {"plan.html": PAGE, "plan.md": b"# x"})
    assert list(links) == ["plan.html", "plan.md"]
    assert keys(reports) == {f"plan/manual__2024-07-01T00-00-00+00-00/{name}" for name in links}
    assert reports.read("plan", "manual__2024-07-01T00:00:00+00:00", "plan.html") == PAGE.encode()
    assert reports.read("plan", "another", "plan.html") is None


def test_a_link_opens_without_anything_but_the_bucket(bucket: Reports) -> None:
    run = "scheduled__2024-07-01T00:00:00+00:00"
    files: dict[str, str | bytes] = {"plan.html": PAGE, "plan.md": "# Ärger", "costs.png": b"\x89PNG"}
    for name, link in bucket.write("plan", run, files).items():
        with urllib.request.urlopen(link, timeout=10) as answer:
            body, kind = answer.read(), answer.headers["Content-Type"]
        content = files[name]
        assert body == (content.encode() if isinstance(content, str) else content)
        assert kind == {"plan.html": "text/html; charset=utf-8", "plan.md": "text/plain; charset=utf-8"}.get(
            name, "image/png"
        )


def test_the_first_file_is_what_the_log_links_to(reports: Reports, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    links = reports.write("plan", "run", {"plan.html": PAGE, "plan.md": "x"})
    assert caplog.messages == [f"Report: {links['plan.html']}"]


def test_a_file_that_the_clean_up_would_not_know_is_refused(reports: Reports) -> None:
    with pytest.raises(AssertionError, match=r"plan has no report notes\.txt"):
        reports.write("plan", "run", {"notes.txt": "mine"})
    assert keys(reports) == set()


def in_order_of_age(reports: Reports, *runs: str) -> None:
    """Write a report of each run; in a folder they are given times, in a bucket they have them."""
    for age, run in enumerate(runs):
        link = reports.write("plan", run, {"plan.html": PAGE})["plan.html"]
        if isinstance(reports.store, FolderStore):
            os.utime(link, (1e9 + age, 1e9 + age))


def test_the_newest_run_of_a_kind_is_the_one_that_was_written_last(reports: Reports) -> None:
    assert reports.newest("monitoring") is None
    for run in ("b", "a"):
        reports.write("monitoring", run, {"cost.png": b"x"})
        time.sleep(1.1)  # S3 tells times in seconds
    assert reports.newest("monitoring") == "a"


def test_the_newest_runs_stay(reports: Reports) -> None:
    in_order_of_age(reports, "a", "c", "b")
    reports.write("migration", "m", {"plan.txt": "x"})
    before = keys(reports)
    would = reports.remove_old("plan", 1, dry_run=True)
    assert keys(reports) == before
    done = reports.remove_old("plan", 1)
    assert would == done
    assert (done.kept, done.not_ours) == (1, [])
    if isinstance(reports.store, FolderStore):  # S3 tells seconds: the name decides there
        assert done.runs == ["plan/c", "plan/a"]
    assert len(keys(reports)) == 2
    assert "migration/m/plan.txt" in keys(reports)
    assert done.bytes == 2 * len(PAGE.encode())
    with pytest.raises(ValueError, match="-1"):
        reports.remove_old("plan", -1)


def test_a_run_with_anything_else_in_it_stays(reports: Reports) -> None:
    in_order_of_age(reports, "a", "b")
    reports.store.put(reports.key("plan", "a", "notes.txt"), b"mine")
    reports.store.put(reports.key("plan", "a", "sub/plan.html"), b"ours, deeper")
    removed = reports.remove_old("plan", 0)
    assert (removed.runs, removed.not_ours) == (["plan/b"], ["plan/a"])
    reports.remove("plan", "a")
    assert "plan/a/notes.txt" in keys(reports)


def test_an_empty_folder_goes_with_its_last_report(tmp_path: Path) -> None:
    reports = Reports(FolderStore(tmp_path))
    in_order_of_age(reports, "a")
    (tmp_path / "plan" / "a" / ".x.part").write_text("a killed process left it")
    (tmp_path / "link").symlink_to(tmp_path / "plan")
    assert reports.remove_old("plan", 0).runs == ["plan/a"]
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_every_kind_knows_its_files() -> None:
    for kind, name in {
        "quality": "s1_6_10_technical_idx_eurusd.html", "datasets": "3_shift.png", "migration": "tables.md",
        "plan": "cost.png", "training": "leaderboard.csv", "decisions": "eurusd.html",
    }.items():  # fmt: skip
        assert KINDS[kind].fullmatch(name)
        assert not KINDS[kind].fullmatch(f"x/{name}")
        assert not KINDS[kind].fullmatch("notes.txt")
