"""Data sets: the same bytes again, all or nothing, never changed; kills and resumption."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError

from include.dataset.export import (
    finish,
    open_manifest,
    parquet_bytes,
    read_document,
    read_parts,
    read_split,
    write_document,
    write_part,
)
from include.dataset.manifest import Manifest
from include.errors import BadParameter, DatasetConflict, MissingInput, QualityError
from include.objects import ObjectStore
from tests.include.dataset.stores import (
    COLUMNS,
    MONTHS,
    PAIRS,
    PARTS,
    contents,
    empty_store,
    export,
    manifest,
    table,
    tables,
)
from tests.s3 import connect, process


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as store:
        yield store


def parts_of(store: ObjectStore, dataset_id: str = "one", seed: int = 1) -> list[Any]:
    return [write_part(store, dataset_id, *part, one) for part, one in tables(seed).items()]


def hash_of(store: ObjectStore, pair: str, split: str, month: str) -> str:
    """The beginning of the hash of a file, which is part of its name."""
    (part,) = (
        part for part in open_manifest(store, "one").files if part.name == f"{pair}/{split}/{month}.parquet"
    )
    return hashlib.sha256(store.get(part.key) or b"").hexdigest()[:12]


def puts(store: ObjectStore) -> list[str]:
    """A list that grows with the key of each object that is sent from now on."""
    sent: list[str] = []
    store.client.meta.events.register(
        "before-parameter-build.s3.PutObject", lambda params, **_: sent.append(params["Key"])
    )
    return sent


# Files


def test_a_data_set_comes_back_as_it_was(store: ObjectStore) -> None:
    export(store, "one")
    found = open_manifest(store, "one")
    for pair in PAIRS:
        for split, months in MONTHS.items():
            written = [tables()[pair, split, month] for month in months]
            assert list(read_parts(store, found, pair, split)) == written
            whole = read_split(store, found, pair, split)
            assert whole == pa.concat_tables(written)
            assert whole.schema == written[0].schema
            assert whole["lag__r_1"].null_count > 0
            assert pc.any(pc.is_nan(whole["lag__r_1"])).as_py() is False
    assert {part.key for part in found.files} == {key for key in contents(store) if key.endswith("parquet")}
    assert sorted(part.key for part in found.files) == sorted(
        f"datasets/one/{pair}/{split}/{month}-{hash_of(store, pair, split, month)}.parquet"
        for pair, split, month in PARTS
    )


def test_columns_come_in_the_order_asked_for(store: ObjectStore) -> None:
    export(store, "one")
    found = open_manifest(store, "one")
    wanted = ["target__w15_h15", "ts_utc"]
    assert read_split(store, found, "eurusd", "val", wanted).column_names == wanted
    with pytest.raises(BadParameter, match="no column lag__r_2"):
        read_split(store, found, "eurusd", "val", ["ts_utc", "lag__r_2"])


def test_equal_tables_give_equal_bytes() -> None:
    rows = 70_000  # more than a row group, and pages of the notes are full before that
    whole = table(1, rows).append_column("note", pa.array([f"{number:040d}" for number in range(rows)]))
    cuts = sorted(random.Random(1).sample(range(rows), 30))
    pieces = pa.concat_tables([whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, rows], strict=True)])
    inside = pa.concat_tables([whole.slice(5, 500), whole, whole]).slice(500, rows)
    noted = whole.replace_schema_metadata({"made": "just now"})
    assert len({parquet_bytes(one) for one in (whole, pieces, inside, noted)}) == 1
    assert parquet_bytes(table(1)) == parquet_bytes(table(1)) != parquet_bytes(table(2))


def test_names_are_checked(store: ObjectStore) -> None:
    for place, told in (
        (("One", "eurusd", "val", "2018-01"), "id"),
        (("../one", "eurusd", "val", "2018-01"), "id"),
        (("one", "eurxxx", "val", "2018-01"), "no pair 'eurxxx'"),
        (("one", "eurusd", "dev", "2018-01"), "no split 'dev'"),
        (("one", "eurusd", "val", "2018-13"), "no month"),
    ):
        with pytest.raises(BadParameter, match=told):
            write_part(store, *place, table(1))
    with pytest.raises(BadParameter, match="empty"):
        write_part(store, *("one", "eurusd", "val", "2018-01"), table(1, 0))
    assert contents(store) == {}


# The manifest


def test_the_manifest_is_as_the_contract_says(store: ObjectStore) -> None:
    made = export(store, "one")
    told = json.loads(store.get("datasets/one/manifest.json") or b"")
    assert told["content_hash"] == made
    assert told["dataset_id"] == "one"
    assert (told["columns_total"], told["columns_selected"]) == (730, list(COLUMNS))
    assert told["splits"]["train"] == {"from": "2018-01-01", "to": "2018-02-28", "rows": 2000}
    assert [one["key"] for one in told["files"]] == sorted(one["key"] for one in told["files"])
    assert {"key", "rows", "sha256"} <= set(told["files"][0])
    assert set(told) >= {"catalogue_hash", "targets", "source", "code_version", "extra"}
    found = open_manifest(store, "one")
    assert Manifest.of(found.to_json()) == found


def test_the_same_inputs_have_the_same_hash_and_others_another(store: ObjectStore) -> None:
    first = export(store, "one")
    assert export(store, "two") == first, "the id is not content"
    assert export(store, "three", seed=2) != first
    files = list(open_manifest(store, "one").files)
    base = manifest("one", files)
    assert manifest("one", files[::-1]).content_hash == base.content_hash == first
    assert replace(base, code_version="9").content_hash == first
    assert replace(base, columns_selected=COLUMNS[::-1]).content_hash != first
    assert replace(base, targets=("target__w15_h30",)).content_hash != first
    assert replace(base, splits={**base.splits, "val": {"rows": 2000}}).content_hash != first
    assert manifest("one", files[1:]).content_hash != first


def test_a_manifest_that_contradicts_itself_is_refused(store: ObjectStore) -> None:
    files = parts_of(store)
    good = manifest("one", files)
    wrong_rows = {**good.splits, "val": {**good.splits["val"], "rows": 1}}
    for bad, told in (
        (replace(good, splits=wrong_rows), "split val: the manifest says 1 rows, its files hold 2,000"),
        (replace(good, files=good.files[:-1]), "split val: the manifest says 2000 rows"),
        (replace(good, columns_selected=("a", "a")), "column a twice"),
        (replace(good, files=good.files + good.files[:1]), "file datasets/one/.* twice"),
        (replace(good, files=()), "no files"),
    ):
        with pytest.raises(BadParameter, match=told):
            finish(store, bad)
    assert "datasets/one/manifest.json" not in contents(store)


def test_a_manifest_needs_its_files(store: ObjectStore) -> None:
    files = parts_of(store)
    store.delete([files[3].key])
    with pytest.raises(MissingInput, match=rf"1 of 10 files are missing.*{files[3].key}"):
        finish(store, manifest("one", files))
    store.put(files[3].key, b"something else")
    with pytest.raises(MissingInput, match=r"1 of 10 files"):
        finish(store, manifest("one", files))
    with pytest.raises(MissingInput, match="There is no data set one"):
        open_manifest(store, "one")


def test_files_of_an_export_that_was_given_up_are_replaced(store: ObjectStore) -> None:
    parts_of(store, "one", seed=2)
    export(store, "one")
    export(store, "undisturbed")
    one, other = (open_manifest(store, name) for name in ("one", "undisturbed"))
    assert one.content_hash == other.content_hash
    assert read_split(store, one, "eurusd", "test") == tables()["eurusd", "test", "2018-03"]


# Write-once


def test_a_second_export_of_the_same_changes_nothing(store: ObjectStore) -> None:
    made = export(store, "one")
    before, sent = contents(store), puts(store)
    assert export(store, "one") == made
    assert sent == ["datasets/one/manifest.json"], "and that write was refused"
    assert contents(store) == before


def test_other_content_under_the_same_id_is_refused(store: ObjectStore) -> None:
    export(store, "one")
    before = contents(store)
    with pytest.raises(DatasetConflict, match=r"one is complete.*eurusd/train/2018-01.*another dataset_id"):
        export(store, "one", seed=2)
    with pytest.raises(DatasetConflict, match=r"gbpjpy/train/2018-01\.parquet"):
        write_part(store, "one", "gbpjpy", "train", "2018-01", table(1))
    with pytest.raises(DatasetConflict, match="the targets are others"):
        finish(store, replace(open_manifest(store, "one"), targets=()))
    assert contents(store) == before


def test_of_two_exports_that_end_together_one_wins(store: ObjectStore) -> None:
    files = parts_of(store)
    mine = manifest("one", files)

    def somebody_is_faster(**_: Any) -> None:
        store.client.meta.events.unregister("before-call.s3.PutObject", somebody_is_faster)
        finish(store, replace(mine, targets=()))

    store.client.meta.events.register("before-call.s3.PutObject", somebody_is_faster)
    with pytest.raises(DatasetConflict, match="the targets are others"):
        finish(store, mine)
    assert open_manifest(store, "one").targets == ()


def test_a_lost_file_of_a_complete_data_set_is_put_back(store: ObjectStore) -> None:
    export(store, "one")
    before = contents(store)
    (lost,) = (key for key in before if "/eurusd/val/2018-02-" in key)
    store.delete([lost])
    with pytest.raises(MissingInput, match=f"{lost} is gone"):
        read_split(store, open_manifest(store, "one"), "eurusd", "val")
    export(store, "one")
    assert contents(store) == before


# Reading


def test_what_is_not_there_is_said(store: ObjectStore) -> None:
    export(store, "one")
    with pytest.raises(MissingInput, match="There is no data set two"):
        open_manifest(store, "two")
    with pytest.raises(MissingInput, match=r"no rows of usdjpy in val\. Its pairs are eurusd, gbpusd"):
        read_split(store, open_manifest(store, "one"), "usdjpy", "val")
    with pytest.raises(MissingInput, match="There is no data set one in s3://nowhere/datasets"):
        open_manifest(store._replace(bucket="nowhere"), "one")


def test_damage_is_noticed(store: ObjectStore) -> None:
    export(store, "one")
    found = open_manifest(store, "one")
    key = found.files[0].key
    body = bytearray(store.get(key) or b"")
    body[len(body) // 2] ^= 1
    store.client.put_object(Bucket=store.bucket, Key=key, Body=bytes(body))
    with pytest.raises(QualityError, match="is not the file that was written"):
        read_split(store, found, found.files[0].pair, found.files[0].split)


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("500", "501", 1), lambda text: text[:-9], lambda _: "[]"]
)
def test_a_manifest_changed_by_hand_is_refused(store: ObjectStore, change: Callable[[str], str]) -> None:
    export(store, "one")
    text = change(open_manifest(store, "one").to_json())
    store.client.put_object(Bucket=store.bucket, Key="datasets/one/manifest.json", Body=text.encode())
    with pytest.raises(QualityError, match=r"manifest.json cannot be trusted"):
        open_manifest(store, "one")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(code_version="9"),
        lambda told: told.update(catalogue_hash="d" * 64),
        lambda told: told["source"].update({"from": "2017-01-01"}),
        lambda told: told["extra"]["scaler"].update({"lag__r_1": [0.0, 1.0]}),
        lambda told: told["inputs"].update({"reg_idx_eurusd": {"2018-01": "x"}}),
        lambda told: told["documents"]["scalers"].update(sha256="0" * 64),
        lambda told: told["files"][0].update(key=told["files"][1]["key"]),
        lambda told: told["files"][0].update(bytes=1),
        lambda told: told.pop("manifest_hash"),
    ],
    ids=["version", "catalogue", "source", "extra", "inputs", "document", "path", "size", "unprotected"],
)
def test_nothing_in_a_manifest_can_be_changed(
    store: ObjectStore, change: Callable[[dict[str, Any]], Any]
) -> None:
    files = parts_of(store)
    finish(store, manifest("one", files, documents={"scalers": write_document(store, "one", "s.json", b"1")}))
    told = json.loads(store.get("datasets/one/manifest.json") or b"")
    change(told)
    store.put("datasets/one/manifest.json", json.dumps(told).encode())
    with pytest.raises(QualityError, match=r"manifest.json cannot be trusted"):
        open_manifest(store, "one")


def test_the_manifest_of_another_data_set_is_refused(store: ObjectStore) -> None:
    export(store, "one")
    export(store, "two", seed=2)
    store.put("datasets/one/manifest.json", store.get("datasets/two/manifest.json") or b"")
    with pytest.raises(QualityError, match="cannot be trusted: it is the manifest of two"):
        open_manifest(store, "one")
    stranger = replace(open_manifest(store, "two"), dataset_id="three")
    with pytest.raises(BadParameter, match="is listed but is not a part of data set three"):
        finish(store, stranger)
    store.put("datasets/three/manifest.json", stranger.to_json().encode())
    with pytest.raises(QualityError, match=r"it lists datasets/two/.* which is not a part"):
        open_manifest(store, "three")


def test_documents_are_as_protected_as_files(store: ObjectStore) -> None:
    files = parts_of(store)
    scalers = write_document(store, "one", "scalers.json", b"{}")
    finish(store, manifest("one", files, documents={"scalers": scalers}))
    found = open_manifest(store, "one")
    assert read_document(store, found, "scalers") == b"{}"
    with pytest.raises(MissingInput, match=r"has no report\. It has scalers"):
        read_document(store, found, "report")
    store.put(scalers.key, b"{ }")
    with pytest.raises(QualityError, match="is not the file that was written"):
        read_document(store, found, "scalers")
    store.delete([scalers.key])
    with pytest.raises(MissingInput, match="is gone although its data set is complete"):
        read_document(store, found, "scalers")


def test_what_s3_says_of_an_object_proves_nothing(store: ObjectStore) -> None:
    """Other bytes under the right name, with notes and a size that fit."""
    files = parts_of(store)
    victim = files[2]
    body = bytearray(store.get(victim.key) or b"")
    body[len(body) // 2] ^= 1
    store.client.put_object(
        Bucket=store.bucket, Key=victim.key, Body=bytes(body), Metadata={"sha256": victim.sha256}
    )
    with pytest.raises(MissingInput, match=f"1 of 10 files.*{victim.key}"):
        finish(store, manifest("one", files))
    write_part(store, "one", *PARTS[2], tables()[PARTS[2]])
    finish(store, manifest("one", files))
    assert read_split(store, open_manifest(store, "one"), victim.pair, victim.split).num_rows > 0


def test_of_two_publications_of_one_id_the_loser_changes_nothing(store: ObjectStore) -> None:
    """Both have written everything before the first manifest is there."""
    both = []
    for seed in (1, 2):
        files = [write_part(store, "one", *part, one) for part, one in tables(seed).items()]
        scalers = write_document(store, "one", "scalers.json", f"of {seed}".encode())
        both.append(manifest("one", files, documents={"scalers": scalers}))
    winner, loser = both
    finish(store, winner)
    before = contents(store)
    with pytest.raises(DatasetConflict):
        finish(store, loser)
    with pytest.raises(DatasetConflict):
        write_part(store, "one", *PARTS[0], tables(3)[PARTS[0]])
    assert contents(store) == before
    found = open_manifest(store, "one")
    assert found.content_hash == winner.content_hash
    assert read_document(store, found, "scalers") == b"of 1"
    for pair in PAIRS:
        for split, months in MONTHS.items():
            whole = pa.concat_tables([tables(1)[pair, split, month] for month in months])
            assert read_split(store, found, pair, split) == whole


def test_a_reader_sees_all_or_nothing(store: ObjectStore) -> None:
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        last = False
        while not last:
            last = done.is_set()  # looks once more when all was written
            try:
                found = open_manifest(store, "one")
            except MissingInput:
                continue
            splits = [read_split(store, found, pair, split) for pair in PAIRS for split in MONTHS]
            seen.append(sum(one.num_rows for one in splits))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        export(store, "one")
    finally:
        done.set()
        reader.join()
    assert set(seen) == {5000}


# Kills

REQUESTS = 3 * len(PARTS) + 1 + len(PARTS) + 1  # manifest?, head and put of each part; finish


def _die_at(port: int, number: int, delay: float | None) -> None:
    """Export, and be killed at a request: before it, or so many seconds after it was begun."""
    store = ObjectStore(connect(port), "bqx-test")
    asked = 0

    def count(**_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == number and delay is None:
            os.kill(os.getpid(), signal.SIGKILL)
        elif asked == number:
            threading.Timer(delay or 0, os.kill, (os.getpid(), signal.SIGKILL)).start()

    store.client.meta.events.register("before-send.s3", count)
    export(store, "one", rows=20_000)


def check_kill(folder: Path, number: int, delay: float | None, undisturbed: dict[str, bytes | None]) -> None:
    with empty_store(folder) as store:
        port = int(store.client.meta.endpoint_url.rpartition(":")[2])
        worker = get_context("spawn").Process(target=_die_at, args=(port, number, delay))
        worker.start()
        worker.join()
        complete = "datasets/one/manifest.json" in contents(store)
        assert worker.exitcode == -signal.SIGKILL or (complete and delay is not None), worker.exitcode
        if complete:  # the signal came when all was done, or on the way back from the last request
            assert number == REQUESTS or delay is not None
            assert contents(store) == undisturbed
            return
        with pytest.raises(MissingInput):
            open_manifest(store, "one")
        there, sent = contents(store), puts(store)
        assert set(there.items()) < set(undisturbed.items()), "half an object"
        export(store, "one", rows=20_000)
        assert contents(store) == undisturbed
        assert set(sent) == set(undisturbed) - set(there), "sent once, what was there not again"
        assert len(sent) == len(set(sent))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    with empty_store(tmp_path_factory.mktemp("undisturbed")) as store:
        asked: list[str] = []
        store.client.meta.events.register("before-send.s3", lambda **_: asked.append(""))
        export(store, "one", rows=20_000)
        assert len(asked) == REQUESTS, "what the kills count"
        return contents(store)


@pytest.mark.parametrize(
    ("number", "delay"), [(3 * 4, 0.002), (REQUESTS, None)], ids=["in a file", "manifest"]
)
def test_a_killed_export_is_not_there_and_goes_on(
    tmp_path: Path, undisturbed: dict[str, bytes | None], number: int, delay: float | None
) -> None:
    check_kill(tmp_path, number, delay, undisturbed)


@pytest.mark.parametrize("number", [3 * 5, REQUESTS - 3], ids=["in a file", "at the end"])
def test_a_killed_server_loses_nothing_it_confirmed(
    tmp_path: Path, undisturbed: dict[str, bytes | None], number: int
) -> None:
    with process(tmp_path / "s3") as (server, client):
        store = ObjectStore(client, "bqx-test")
        store.ensure_bucket()
        asked: list[str] = []

        def kill(**_: Any) -> None:
            asked.append("")
            if len(asked) == number:
                server.kill()
                server.wait()

        client.meta.events.register("before-send.s3", kill)
        with pytest.raises((BotoConnectionError, HTTPClientError)):
            export(store, "one", rows=20_000)
    with process(tmp_path / "s3") as (_, client):
        store = ObjectStore(client, "bqx-test")
        with pytest.raises(MissingInput):
            open_manifest(store, "one")
        there, sent = contents(store), puts(store)
        assert len(there) == min((number - 1) // 3, len(PARTS)), "what was confirmed is there"
        export(store, "one", rows=20_000)
        assert contents(store) == undisturbed
        assert set(sent) == set(undisturbed) - set(there)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_exports_killed_anywhere(tmp_path: Path, undisturbed: dict[str, bytes | None], seed: int) -> None:
    chance = random.Random(seed)
    number = chance.choice([chance.randrange(1, REQUESTS + 1), 3 * chance.randrange(1, len(PARTS) + 1)])
    delay = chance.choice([None, chance.uniform(0, 0.004)])
    check_kill(tmp_path, number, delay, undisturbed)
