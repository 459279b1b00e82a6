"""Files of bars in a bucket: found, refused and named as those in a folder are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from psycopg.rows import dict_row

from include.errors import BadInput
from include.features.bars import Bars
from include.market import readers
from include.market.declared import Declarations
from include.market.file_source import FileSource
from include.market.files import BarFile
from include.market.folder import find_files
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.objects import ObjectStore
from tests.include.dataset.stores import empty_store
from tests.include.market import good_files as good
from tests.include.market.bad_files import FILES, BadFile
from tests.include.market.good_files import NOW, good_bars
from tests.s3 import connect

# What a file system has and a bucket does not: folders, pipes and links under the name of a file.
ONLY_IN_FOLDERS = {"is-a-folder", "not-a-regular-file", "no-such-file"}
PREFIX = "bars/m1"


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with empty_store(tmp_path_factory.mktemp("s3")) as store:
        yield store._replace(prefix=PREFIX)


@pytest.fixture
def store(_store: ObjectStore) -> ObjectStore:
    _store.delete([found.key for found in _store.list("")])
    return _store


def upload(store: ObjectStore, folder: Path) -> None:
    for path in folder.iterdir():
        store.put(store.key(path.name), path.read_bytes())


def read(file: BarFile, pair: str = "eurusd", timezone: str | None = None, declares: str = "") -> Bars:
    declarations = Declarations.read(declares.encode(), "bars.yaml")
    return readers.read_pair([file], pair, timezone=timezone, now=NOW, declarations=declarations)


@pytest.mark.parametrize(
    "bad",
    [bad for bad in FILES if bad.code not in ONLY_IN_FOLDERS],
    ids=lambda bad: f"{bad.code}: {bad.what}",
)
def test_a_bad_object_is_refused_with_the_words_for_a_bad_file(
    bad: BadFile, store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / bad.name
    bad.build(path)
    with pytest.raises(BadInput) as local:
        read(path, bad.pair, bad.timezone, bad.declares)
    upload(store, tmp_path)
    (file,) = find_files(store).get(bad.pair) or _named(store, bad.name)
    with pytest.raises(BadInput) as remote:
        read(file, bad.pair, bad.timezone, bad.declares)
    address = f"s3://{store.bucket}/{PREFIX}"
    assert str(remote.value) == str(local.value).replace(str(tmp_path), address)


def _named(store: ObjectStore, name: str) -> list[BarFile]:
    """A file that is not named after the pair as which it is read."""
    return [file for files in find_files(store).values() for file in files if file.name == name]


def test_what_lies_deeper_or_is_hidden_is_not_a_file_of_bars(store: ObjectStore, tmp_path: Path) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", good_bars())
    upload(store, tmp_path)
    for key in ("old/gbpusd.parquet", ".usdjpy.parquet", "readme.md", ""):
        store.put(f"{PREFIX}/{key}", b"x")
    store.put("bars/m1-old/audusd.parquet", b"x")
    found = find_files(store)
    assert {pair: [str(file) for file in files] for pair, files in found.items()} == {
        "eurusd": [f"s3://bqx-test/{PREFIX}/eurusd.parquet"]
    }
    np.testing.assert_array_equal(read(found["eurusd"][0]).close, good_bars().close)


def test_the_whole_bucket_may_be_the_folder(store: ObjectStore) -> None:
    store.put("eurusd.csv", b"x")
    assert list(find_files(store._replace(prefix=""))) == ["eurusd"]


def test_years_are_put_in_order(store: ObjectStore) -> None:
    for year in (2019, 2018):
        store.put(store.key(f"DAT_ASCII_EURUSD_M1_{year}.csv"), b"x")
    assert [file.name[-8:-4] for file in find_files(store)["eurusd"]] == ["2018", "2019"]


def test_nothing_no_pair_and_no_bucket_are_told_apart(store: ObjectStore) -> None:
    with pytest.raises(BadInput, match=rf"^s3://bqx-test/{PREFIX}: .*no object lies below.*\[no-folder\]"):
        find_files(store)
    store.put(store.key("notes.csv"), b"x")
    with pytest.raises(BadInput, match=r"\[no-files\]"):
        find_files(store)
    with pytest.raises(BadInput, match=r"^s3://bqx-none/bars/m1: .*NoSuchBucket.*\[no-folder\]"):
        find_files(store._replace(bucket="bqx-none"))


def test_packed_files_reports_and_bars_yaml_are_read_from_a_bucket(
    store: ObjectStore, tmp_path: Path
) -> None:
    lines = good.histdata_lines(good_bars())
    report = good.gap_report_lines()
    good.write_zip(tmp_path / "EURUSD_2024.zip", {"DAT_ASCII_EURUSD_M1_2024.csv": lines, "a.txt": report})
    good.write_lines(tmp_path / "DAT_ASCII_EURUSD_M1_2024.txt", report)
    (tmp_path / "bars.yaml").write_text("DAT_ASCII_*: {clock: histdata}\n")
    upload(store, tmp_path)
    source = FileSource(LoadRequest(f"s3://bqx-test/{PREFIX}", pairs=("eurusd",)), store)
    source.glance()
    source.check()
    np.testing.assert_array_equal(source.everything("eurusd").close, good_bars().close)
    zipped = f"s3://bqx-test/{PREFIX}/EURUSD_2024.zip"
    assert [told["file"] for told in source.read["eurusd"]] == [f"{zipped}/DAT_ASCII_EURUSD_M1_2024.csv"]
    assert set(source.left_out) == {
        f"{zipped}/a.txt", f"s3://bqx-test/{PREFIX}/DAT_ASCII_EURUSD_M1_2024.txt"
    }  # fmt: skip
    store.put(store.key("bars.yaml"), b"DAT_ASCII_*: {clock: mars}")
    with pytest.raises(BadInput, match=rf"^s3://bqx-test/{PREFIX}/bars.yaml: line 1: there is no clock"):
        find_files(store)


def test_a_refusal_is_final_and_a_hiccup_is_not(store: ObjectStore) -> None:
    port = int(store.client.meta.endpoint_url.rpartition(":")[2])
    stranger = store._replace(client=connect(port, key="stranger"))
    with pytest.raises(BadInput, match=r"InvalidAccessKeyId.*s3:ListBucket, s3:GetObject.*\[not-readable\]"):
        find_files(stranger)

    def fail(**_: object) -> None:
        error = {"Code": "SlowDown", "Message": "no"}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 503}}, "ListObjectsV2")

    busy = store._replace(client=connect(port))
    busy.client.meta.events.register("before-call.s3.ListObjectsV2", fail)
    with pytest.raises(ClientError, match="SlowDown"):
        find_files(busy)
    with pytest.raises(EndpointConnectionError):
        find_files(store._replace(client=connect(9)))


def test_an_object_that_went_meanwhile_is_named(store: ObjectStore) -> None:
    store.put(store.key("eurusd.csv"), b"x")
    (file,) = find_files(store)["eurusd"]
    store.delete([store.key("eurusd.csv")])
    with pytest.raises(BadInput, match=rf"^s3://bqx-test/{PREFIX}/eurusd.csv: .*\[no-such-file\]"):
        read(file)


def test_a_bucket_gives_the_tables_that_the_folder_gives(
    store: ObjectStore, tmp_path: Path, database_url: str, db: psycopg.Connection
) -> None:
    for pair, factor in {"eurusd": 1.0, "gbpusd": 1.2}.items():
        bars = good_bars()
        prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
        good.write_parquet(tmp_path / f"{pair}.parquet", replace(bars, **prices))
    upload(store, tmp_path)

    def rows_of(table: str) -> list[dict[str, object]]:
        rows = db.cursor(row_factory=dict_row).execute(f"TABLE bqx.{table} ORDER BY ts_utc")
        return [{name: value for name, value in row.items() if name != "created_at"} for row in rows]

    def loaded(request: LoadRequest, place: ObjectStore | None) -> list[list[dict[str, object]]]:
        prepared = prepare(database_url, request, place=place)
        for pair in prepared["pairs_to_write"]:
            load_pair(database_url, request, pair, place=place)
        tables = [rows_of(f"{table}_{pair}") for table in ("m1", "bqx") for pair in prepared["pairs"]]
        db.execute("DROP SCHEMA bqx CASCADE")
        return tables

    wanted = {"pairs": ("eurusd", "gbpusd", "eurgbp"), "crosses": "derive", "price_side": "bid"}
    from_folder = loaded(LoadRequest(str(tmp_path), **wanted), None)
    assert len(from_folder) == 6
    assert loaded(LoadRequest(f"s3://bqx-test/{PREFIX}", **wanted), store) == from_folder


def test_nothing_is_written_when_one_object_is_bad(
    store: ObjectStore, tmp_path: Path, database_url: str, db: psycopg.Connection
) -> None:
    good.write_parquet(tmp_path / "eurusd.parquet", good_bars())
    upload(store, tmp_path)
    store.put(store.key("gbpusd.parquet"), (tmp_path / "eurusd.parquet").read_bytes()[:-200])
    with pytest.raises(BadInput, match=rf"s3://bqx-test/{PREFIX}/gbpusd\.parquet"):
        prepare(database_url, LoadRequest(f"s3://bqx-test/{PREFIX}"), place=store)
    assert db.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'bqx'").fetchone() == (0,)
