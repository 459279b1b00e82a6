"""Old data sets go, unfinished ones too when nobody is at work on them; everything else stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from include.dataset.export import finish, open_manifest, write_document, write_part
from include.dataset.retention import clean_up
from include.errors import MissingInput
from include.objects import ObjectStore
from tests.include.dataset.stores import contents, empty_store, export, manifest, table, tables

AT_ONCE = timedelta(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as store:
        for name in ("c", "a", "b"):  # the newest is b
            export(store, name, rows=10)
        write_part(store, "half", "eurusd", "val", "2018-01", table(1))
        yield store


def ids(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in contents(store)}


def test_the_last_ones_stay_by_time(store: ObjectStore) -> None:
    done = clean_up(store, 2)
    assert (done.kept, done.removed, done.in_work, done.unfinished) == (["b", "a"], ["c"], ["half"], [])
    assert ids(store) == {"a", "b", "half"}
    assert done.bytes > 0
    with pytest.raises(MissingInput):
        open_manifest(store, "c")


def test_a_plan_changes_nothing_and_says_the_same(store: ObjectStore) -> None:
    before = contents(store)
    planned = clean_up(store, 1, grace=AT_ONCE, dry_run=True)
    assert contents(store) == before
    done = clean_up(store, 1, grace=AT_ONCE)
    assert done == planned._replace(dry_run=False)
    assert done.bytes == sum(len(before[key] or b"") for key in before.keys() - contents(store).keys())


def test_what_a_killed_export_left_goes_after_a_while(store: ObjectStore) -> None:
    assert clean_up(store, 9).in_work == ["half"]
    assert clean_up(store, 9, in_work=["half"], grace=AT_ONCE).in_work == ["half"]
    assert clean_up(store, 9, grace=AT_ONCE).unfinished == ["half"]
    assert ids(store) == {"a", "b", "c"}


def test_a_data_set_in_work_stays_although_it_is_old(store: ObjectStore) -> None:
    done = clean_up(store, 1, in_work=["c"])
    assert (done.kept, done.removed) == (["b", "c"], ["a"])


def test_a_data_set_that_a_person_named_stays(store: ObjectStore) -> None:
    export(store, "mine", seed=9, rows=10, named=True)
    for name in ("d", "e"):
        export(store, name, rows=10)
    done = clean_up(store, 1)
    assert (done.kept, sorted(done.removed)) == (["e", "mine"], ["a", "b", "c", "d"])


def test_files_that_no_manifest_lists_go(store: ObjectStore) -> None:
    stray = "datasets/b/eurusd/train/1999-01.parquet"
    beside = "datasets/readme.txt"
    for key in (stray, beside, "elsewhere/x"):
        store.client.put_object(Bucket=store.bucket, Key=key, Body=b"1")
    assert clean_up(store, 9, in_work=["b"]).strays == []
    done = clean_up(store, 9)
    assert done.strays == [stray]
    assert {beside, "elsewhere/x"} <= contents(store).keys()
    assert stray not in contents(store)
    assert len(open_manifest(store, "b").files) == 10


def test_a_damaged_manifest_protects_its_files(store: ObjectStore) -> None:
    before = contents(store)
    store.client.put_object(Bucket=store.bucket, Key="datasets/b/manifest.json", Body=b"{}")
    assert clean_up(store, 9).strays == []
    assert before.keys() == contents(store).keys()


def test_a_kill_between_manifest_and_files_leaves_what_the_next_clean_up_removes(store: ObjectStore) -> None:
    calls: list[int] = []

    def die(**_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    store.client.meta.events.register("before-call.s3.DeleteObjects", die)
    with pytest.raises(KeyboardInterrupt):
        clean_up(store, 1)
    for name in ("a", "c"):
        with pytest.raises(MissingInput):
            open_manifest(store, name)
    done = clean_up(store, 1, grace=AT_ONCE)
    assert done.unfinished == ["a", "c", "half"]
    assert ids(store) == {"b"}


def test_at_least_one_stays(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="at least the newest"):
        clean_up(store, 0)


def test_documents_that_a_manifest_names_are_no_strays(store: ObjectStore) -> None:
    files = [write_part(store, "documented", *part, one) for part, one in tables(rows=10).items()]
    report, stray = (write_document(store, "documented", name, b"") for name in ("report.html", "stray.html"))
    finish(store, manifest("documented", files, documents={"report": report}))
    done = clean_up(store, 9)
    assert done.strays == [stray.key]
    assert store.get(report.key) == b""
