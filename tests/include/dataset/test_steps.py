"""From tables to a data set on S3: what is in it, that it is the same again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from psycopg import sql

from include.build.months import build
from include.build.shared import build_shared
from include.dataset import report, steps, transform
from include.dataset.assemble import export_pair
from include.dataset.evidence import FEATURES
from include.dataset.export import open_manifest, read_document, read_split
from include.dataset.frame import Frame
from include.dataset.matrix import read_matrix
from include.dataset.publish import DOCUMENTS
from include.dataset.select import Selection
from include.dataset.split import GAP, SETS
from include.dataset.targets import TARGETS
from include.errors import (
    BadParameter,
    DatasetConflict,
    Incomplete,
    LeakedColumn,
    MigrationDue,
    MissingInput,
    QualityError,
)
from include.features.arrays import Columns, Minutes
from include.features.catalogue import STORED
from include.names import Month, to_datetime
from include.objects import ObjectStore
from include.storage.connection import connect
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.conftest import World
from tests.include.dataset.stores import contents, empty_store, export
from tests.include.dataset.test_export import puts
from tests.include.dataset.worlds import PAIRS, make, plan
from tests.reports import in_folder


@pytest.fixture(autouse=True)
def undrawn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the report of the world itself is drawn."""
    monkeypatch.setattr(report, "draw", worlds.plain_report)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path / "s3") as empty:
        yield empty


@pytest.fixture
def copied(world: World, postgres: Postgres) -> Iterator[str]:
    """URL of a database like that of the world, to break something in."""
    with worlds.database(postgres, world.database) as name:
        yield postgres.url(name)


def rows_of(table: pa.Table) -> Minutes:
    return table["ts_utc"].to_numpy().astype("datetime64[m]").astype(np.int64)


def whole_matrix(world: World, pair: str) -> tuple[Minutes, Columns]:
    """Every grid row of the period, read without anything that is tested here."""
    with connect(world.url) as connection:
        months = [read_matrix(connection, pair, Month.parse(month)) for month in world.frame["months"]]
    columns = [month.features | month.base | month.targets for month in months]
    return (
        np.concatenate([month.ts for month in months]),
        {name: np.concatenate([each[name] for each in columns]) for name in columns[0]},
    )


def document(world: World, what: str) -> dict:
    return json.loads(read_document(world.store, open_manifest(world.store, "one"), what))


def report_of(world: World) -> bytes:
    return read_document(world.store, open_manifest(world.store, "one"), "report")


# What is there


def test_the_manifest_says_what_the_data_set_is(world: World) -> None:
    manifest, frame = open_manifest(world.store, "one"), Frame.of(world.frame)
    assert world.answer["content_hash"] == manifest.content_hash
    assert manifest.columns_total == 730
    assert manifest.columns_selected == tuple(document(world, "selection")["selection"]["columns"])
    assert len(manifest.columns_selected) == world.answer["selected"] == 195
    assert manifest.targets == TARGETS
    assert {part.pair for part in manifest.files} == set(PAIRS)
    for name in SETS:
        part = getattr(frame.split, name)
        told = {"from": to_datetime(part.start).isoformat(), "to": to_datetime(part.end).isoformat()}
        assert manifest.splits[name].items() >= told.items()
    assert sum(part["rows"] for part in manifest.splits.values()) == world.answer["rows"]
    assert manifest.source == {"from": "2024-07-15T00:00:00+00:00", "to": "2024-08-07T00:00:00+00:00"}
    assert 0.0 < manifest.extra["stability"] <= 1.0
    assert len(manifest.catalogue_hash) == 64
    assert manifest.code_version


def test_documents_lie_beside_it_and_the_work_is_gone(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    keys = {one.key for one in world.store.list("")}
    documents = {each.key for each in manifest.documents.values()}
    assert manifest.documents.keys() == DOCUMENTS.keys()
    assert keys == documents | {part.key for part in manifest.files} | {"datasets/one/manifest.json"}
    features = document(world, "features")["columns"]
    assert [one["name"] for one in features] == list(manifest.columns_selected)
    assert {one["domain"] for one in features} == {"idx", "bqx", "shared"}
    assert {"min", "warm", "dtype", "unit", "formula"} <= set(features[0])
    page = Path(world.answer["report"])
    assert page == world.reports / "datasets" / "one" / "index.html"
    assert page.read_bytes() == read_document(world.store, manifest, "report")


@pytest.mark.parametrize("pair", PAIRS)
def test_files_hold_the_rows_and_values_of_the_matrix(world: World, pair: str) -> None:
    manifest, frame = open_manifest(world.store, "one"), Frame.of(world.frame)
    ts, columns = whole_matrix(world, pair)
    assert (np.diff(ts) > 0).all()
    there = columns["base__is_trainable"] == 1.0
    for name in manifest.columns_selected:
        there &= ~np.isnan(columns[name])
    names = [*manifest.columns_selected, *(name for name in columns if "base__" in name), *TARGETS]
    for name in SETS:
        table = read_split(world.store, manifest, pair, name)
        assert table.column_names == ["ts_utc", *names]
        wanted = np.flatnonzero(there & getattr(frame.split, name).rows(ts))
        np.testing.assert_array_equal(rows_of(table), ts[wanted])
        assert wanted.size > 1000
        for column in names:
            kind = pa.float32() if column in manifest.columns_selected else pa.float64()
            assert table.schema.field(column).type == kind
            found = table[column].to_numpy()
            np.testing.assert_array_equal(found, columns[column][wanted].astype(found.dtype), err_msg=column)
            assert table[column].null_count == np.isnan(columns[column][wanted]).sum(), "NULL, never NaN"
    assert table.schema.field("ts_utc").type == pa.timestamp("us", "UTC")


def test_stored_values_are_those_of_the_database(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    stored = [name for name in manifest.columns_selected if name.startswith("technical_bqx__")]
    table = read_split(world.store, manifest, "eurusd", "val")
    bare = ", ".join(name.removeprefix("technical_bqx__") for name in stored)
    with connect(world.url) as connection:
        query = f"SELECT ts_utc, {bare} FROM bqx.technical_bqx_eurusd ORDER BY ts_utc"
        rows = {row[0]: row[1:] for row in connection.execute(query)}
    found = zip(table["ts_utc"].to_pylist(), *(table[name].to_pylist() for name in stored), strict=True)
    for moment, *values in found:
        assert values == [float(np.float32(value)) for value in rows[moment]], moment


def test_the_gaps_are_empty_and_the_same_for_all_pairs(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    ends = {
        (pair, name): rows_of(read_split(world.store, manifest, pair, name, ["ts_utc"]))[[0, -1]]
        for pair in PAIRS
        for name in SETS
    }
    for before, after in (("train", "val"), ("val", "test")):
        last = max(ends[pair, before][1] for pair in PAIRS)
        first = min(ends[pair, after][0] for pair in PAIRS)
        assert first - last > GAP


def test_scalers_follow_from_the_training_files_alone(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    scalers = document(world, "scalers")
    assert set(scalers) == set(PAIRS)
    for pair, told in scalers.items():
        table = read_split(world.store, manifest, pair, "train", manifest.columns_selected)
        columns = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
        fitted = transform.fit(columns, np.ones(len(table), np.bool_))
        assert transform.Scaler.of(told) == fitted


def test_all_columns_can_be_written(world: World, store: ObjectStore, tmp_path: Path) -> None:
    frame = plan(world.url, pairs=["eurusd"], columns="all", trees=2, max_folds=0)
    told = make(world.url, store, frame, tmp_path)
    manifest = open_manifest(store, "one")
    assert manifest.columns_selected == tuple(FEATURES)
    table = read_split(store, manifest, "eurusd", "train")
    assert table.column_names[1:731] == list(FEATURES)
    assert told["selected"] == 195 < 730
    absent = [name for name in FEATURES if table[name].null_count == len(table)]
    scaled = json.loads(read_document(store, manifest, "scalers"))["eurusd"]["columns"]
    assert set(scaled) == set(FEATURES) - set(absent)
    assert absent, "nothing to scale in columns that have no input here"


def test_a_week_is_cut_in_trading_time_where_the_clock_leaves_a_set_in_a_weekend(
    world: World, store: ObjectStore, tmp_path: Path
) -> None:
    days = {"first_day": "2024-07-21", "end_day": "2024-07-30"}  # nine from a Sunday
    frame = plan(world.url, "week", pairs=["eurusd"], trees=2, max_folds=0, **days)
    assert Frame.of(frame).is_cut_in_trading_time
    make(world.url, store, frame, tmp_path)
    manifest = open_manifest(store, "week")
    assert min(each["rows"] for each in manifest.splits.values()) > 500
    assert manifest.extra["boundaries"] == "trading time"
    assert "boundaries" not in open_manifest(world.store, "one").extra


# The same again


def test_the_same_tables_give_the_same_content(world: World, store: ObjectStore, tmp_path: Path) -> None:
    frame = plan(world.url, "other", pairs=PAIRS[::-1])
    for pair in PAIRS[::-1]:  # in another order, as other workers would
        steps.examine(world.url, store, frame, pair)
    steps.choose(store, frame)
    for pair in PAIRS[::-1]:
        steps.export(world.url, store, frame, pair)
    told = steps.publish(world.url, store, frame, in_folder(tmp_path))
    assert told["content_hash"] == world.answer["content_hash"]
    one, other = open_manifest(world.store, "one"), open_manifest(store, "other")
    for what in ("selection", "scalers", "features", "profile"):
        assert read_document(store, other, what) == read_document(world.store, one, what), what


def test_a_second_build_changes_nothing(world: World, tmp_path: Path) -> None:
    before, sent = contents(world.store), puts(world.store)
    told = make(world.url, world.store, world.frame, tmp_path)
    where = {"report": "", "summary": ""}
    assert told | where == world.answer | where
    assert told["content_hash"] in told["summary"]
    assert contents(world.store) == before
    assert [key for key in sent if not key.startswith("work/")] == []
    again = steps.publish(world.url, world.store, world.frame, in_folder(tmp_path / "later"))
    assert again["content_hash"] == world.answer["content_hash"], "without the work it was made from"
    assert Path(again["report"]).read_bytes() == read_document(
        world.store, open_manifest(world.store, "one"), "report"
    )
    assert contents(world.store) == before


def test_a_page_that_is_not_the_one_of_the_bucket_is_replaced(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "datasets" / "one" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("half a pa")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            steps.publish(world.url, world.store, world.frame, in_folder(tmp_path))
    assert [(each.name, each.read_text()) for each in page.parent.iterdir()] == [(page.name, "half a pa")]
    steps.publish(world.url, world.store, world.frame, in_folder(tmp_path))
    assert page.read_bytes() == report_of(world)


def test_other_content_under_the_same_id_is_refused(world: World, tmp_path: Path) -> None:
    before = contents(world.store)
    frame = plan(world.url, end_day="2024-08-03")
    with pytest.raises(DatasetConflict, match="one is complete"):
        make(world.url, world.store, frame, tmp_path)
    with pytest.raises(MissingInput):
        steps.publish(world.url, world.store, frame, in_folder(tmp_path))
    after = contents(world.store)
    assert {key: body for key, body in after.items() if not key.startswith("work/")} == before
    world.store.delete([key for key in after if key not in before])


def test_whole_or_not_at_all(world: World, store: ObjectStore, tmp_path: Path) -> None:
    frame = plan(world.url, trees=2, max_folds=0)
    steps.examine(world.url, store, frame, "eurusd")
    with pytest.raises(MissingInput, match="examine of gbpusd has not ended"):
        steps.choose(store, frame)
    with pytest.raises(MissingInput, match="choose has not ended"):
        steps.export(world.url, store, frame, "eurusd")
    steps.examine(world.url, store, frame, "gbpusd")
    assert steps.choose(store, frame)["stability"] is None
    steps.export(world.url, store, frame, "eurusd")
    with pytest.raises(MissingInput, match="export of gbpusd has not ended"):
        steps.publish(world.url, store, frame, in_folder(tmp_path))
    with pytest.raises(MissingInput, match="There is no data set one"):
        open_manifest(store, "one")
    steps.export(world.url, store, frame, "gbpusd")
    steps.publish(world.url, store, frame, in_folder(tmp_path))
    assert open_manifest(store, "one").splits["test"]["rows"] > 0


# What is refused


def test_a_value_that_cannot_be_stops_the_pair(copied: str, store: ObjectStore) -> None:
    frame = plan(copied, max_folds=0)
    change = "UPDATE bqx.technical_idx_gbpusd SET rsi_14 = 100.5 WHERE ts_utc = '2024-08-01 09:30+00'"
    with connect(copied) as connection:
        connection.execute(change)
    told = r"gbpusd, column technical_idx__rsi_14, 2024-08-01 09:30 UTC: the value is .*100\.5"
    with pytest.raises(QualityError, match=told):
        steps.examine(copied, store, frame, "gbpusd")
    assert contents(store) == {}


def test_a_planted_future_stops_the_pair(world: World, copied: str, store: ObjectStore) -> None:
    """A stored column that holds the target of its row; nothing about its values is odd."""
    ts, columns = whole_matrix(world, "eurusd")
    planted = np.nan_to_num(columns["target__w30_h45"])
    with connect(copied) as connection:
        connection.execute("CREATE TEMP TABLE planted (ts_utc TIMESTAMPTZ PRIMARY KEY, x FLOAT8)")
        with connection.cursor().copy("COPY planted FROM STDIN") as copy:
            for minute, value in zip(ts.tolist(), planted.tolist(), strict=True):
                copy.write_row((to_datetime(minute), value))
        connection.execute(
            "UPDATE bqx.reg_bqx_eurusd AS t SET w45_a1_norm = x FROM planted WHERE planted.ts_utc = t.ts_utc"
        )
    with pytest.raises(LeakedColumn, match=r"reg_bqx__w45_a1_norm correlates .* target__w30_h45"):
        steps.examine(copied, store, plan(copied, max_folds=0), "eurusd")
    assert contents(store) == {}


def test_a_set_without_rows_stops_the_pair(world: World, copied: str, store: ObjectStore) -> None:
    """A column that is NULL after training was known: selection looks at training rows only."""
    frame, selection = Frame.of(world.frame), Selection.of(document(world, "selection")["selection"])
    column = next(name for name in selection.columns if name.startswith("technical_bqx__"))
    with connect(copied) as connection:
        bare = sql.Identifier(column.removeprefix("technical_bqx__"))
        change = sql.SQL("UPDATE bqx.technical_bqx_gbpusd SET {} = NULL WHERE ts_utc >= %s").format(bare)
        connection.execute(change, [to_datetime(frame.split.test.start)])
    told = rf"gbpusd has no row .* in test, .* NULL is {column}, in [\d,]{{5,}} rows\. Leave the pair out"
    with pytest.raises(BadParameter, match=told):
        export_pair(copied, store, frame, "gbpusd", selection)
    with pytest.raises(MissingInput, match="There is no data set one"):
        open_manifest(store, "one")
    assert export_pair(copied, store, frame, "eurusd", selection).files, "the other pair is as it was"


# What does not follow from what is there now

CORRECTED = (
    "UPDATE bqx.m1_gbpusd SET close = close * 1.0001, high = high * 1.0002"
    " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_gbpusd WHERE ts_utc < '2024-08-01Z')"
)


def correct(url: str, statement: str = CORRECTED) -> None:
    with connect(url) as connection:
        connection.execute(statement)


def test_the_manifest_lists_what_the_tables_were_made_from(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    with connect(world.url) as connection:
        logged = connection.execute(
            "SELECT table_name, to_char(month, 'YYYY-MM'), input_hash FROM bqx.build_log"
            " WHERE table_name NOT LIKE 'm1%' AND table_name <> 'correlation_shared'"
        ).fetchall()
    told = {(table, month): h for table, months in manifest.inputs.items() for month, h in months.items()}
    assert told == {(table, month): h for table, month, h in logged}
    assert len(told) == len(PAIRS) * len(STORED) * 2


def test_stale_tables_are_refused_by_name_with_the_run_that_heals_them(copied: str) -> None:
    correct(copied)
    told = r"bqx\.reg_idx_gbpusd 2024-07: it was built from other bars.*more months of tables\. Run the DAG "
    with pytest.raises(
        Incomplete, match=told + r'bqx_features with "pairs": \["eurusd", "gbpusd"\], "months"'
    ):
        plan(copied)
    build_shared(copied)
    for pair in PAIRS:
        build(copied, pair, STORED, ["2024-07"])
    with pytest.raises(Incomplete, match=r"gbpusd 2024-08: .*\"months\": \[\"2024-08\"\]"):
        plan(copied)
    build(copied, "gbpusd", STORED, ["2024-08"])
    build(copied, "eurusd", STORED, ["2024-08"])
    plan(copied)


@pytest.mark.parametrize("rebuilt", [False, True], ids=["bars only", "and built again"])
def test_nothing_that_changed_since_the_plan_is_read_or_published(
    copied: str, store: ObjectStore, tmp_path: Path, *, rebuilt: bool
) -> None:
    frame = plan(copied, trees=2, max_folds=0)
    for pair in PAIRS:
        steps.examine(copied, store, frame, pair)
    steps.choose(store, frame)
    steps.export(copied, store, frame, "eurusd")
    steps.export(copied, store, frame, "gbpusd")
    correct(copied)
    if rebuilt:
        build_shared(copied)
        for pair in PAIRS:
            build(copied, pair, STORED)
    told = "gbpusd in 2024-07 changed since this data set was planned. Nothing is published"
    for step in (steps.examine, steps.export):
        with pytest.raises(Incomplete, match=told):
            step(copied, store, frame, "gbpusd")
    with pytest.raises(
        Incomplete, match="changed since" if rebuilt else "do not follow from the present bars"
    ):
        steps.publish(copied, store, frame, in_folder(tmp_path))
    with pytest.raises(MissingInput, match="There is no data set one"):
        open_manifest(store, "one")
    if rebuilt:
        make(copied, store, plan(copied, "two", trees=2, max_folds=0), tmp_path)


def test_a_bar_of_a_pair_that_is_not_in_the_data_set_stops_its_publication(
    copied: str, store: ObjectStore, tmp_path: Path
) -> None:
    """Correlations follow from every pair that was loaded."""
    frame = plan(copied, pairs=["eurusd"], trees=2, max_folds=0)
    steps.examine(copied, store, frame, "eurusd")
    steps.choose(store, frame)
    steps.export(copied, store, frame, "eurusd")
    correct(copied, CORRECTED.replace("gbpusd", "eurgbp"))
    with pytest.raises(Incomplete, match=r"correlation_idx_eurusd 2024-07: what all pairs share"):
        steps.publish(copied, store, frame, in_folder(tmp_path))


def test_no_data_set_while_legacy_tables_wait(copied: str, store: ObjectStore) -> None:
    frame = plan(copied, trees=2, max_folds=0)
    columns = "(ts_utc TIMESTAMPTZ PRIMARY KEY) PARTITION BY RANGE (ts_utc)"
    correct(copied, f"CREATE TABLE bqx.volume_features_eurusd {columns}")
    with pytest.raises(MigrationDue, match="Run the DAG bqx_migrate"):
        plan(copied)
    with pytest.raises(MigrationDue, match="Run the DAG bqx_migrate"):
        steps.examine(copied, store, frame, "eurusd")


# Cleaning up


def test_cleaning_up_leaves_documents_and_says_what_goes(world: World, tmp_path: Path) -> None:
    before = contents(world.store)
    told = steps.clean_up(world.store, in_folder(world.reports), 1)
    assert (told["kept"], told["strays"], told["work"]) == (["one"], [], [])
    assert contents(world.store) == before
    assert Path(world.answer["report"]).exists()


def test_a_data_set_goes_with_its_report(store: ObjectStore, tmp_path: Path) -> None:
    reports = in_folder(tmp_path)
    for name in ("old", "new"):
        export(store, name)
        reports.write("datasets", name, {"index.html": "a page", "1_ranking.png": b"a picture"})
    assert steps.clean_up(store, reports, 1, dry_run=True)["removed"] == ["old"]
    assert (tmp_path / "datasets" / "old").exists()
    steps.clean_up(store, reports, 1)
    assert [each.name for each in (tmp_path / "datasets").iterdir()] == ["new"]
