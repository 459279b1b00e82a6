"""Loading end to end against a real PostgreSQL: all or nothing, in place, again and again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest

from include.errors import BadInput, BadParameter, MigrationDue, MissingInput
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.names import Month, to_datetime, to_minute
from include.storage.connection import connect
from include.storage.log import baseline_of, watermark
from include.storage.tables import table_of
from local.legacy import build_legacy
from tests.include.market.bar_files import walk, write
from tests.include.storage.test_bars import ORIGIN

START = Month(2024, 2).first_minute - 300
TS = np.delete(np.arange(START, START + 600), [10, 11, 400, 401, 402, 403, 404, 405, 406])
PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
WHERE inhparent = 'bqx.m1_eurusd'::regclass ORDER BY 1
"""
LEVELS = {"eurusd": 1.1, "gbpusd": 1.3, "usdjpy": 150.0, "audusd": 0.65}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (pair, level) in enumerate(LEVELS.items()):
        write(tmp_path, pair, walk(TS, level, seed))
    return tmp_path


def load(url: str, request: LoadRequest) -> dict:
    prepared = prepare(url, request)
    return {pair: load_pair(url, request, pair) for pair in prepared["pairs"]}


def query(db: psycopg.Connection, text: str) -> list[tuple]:
    db.execute("SET TimeZone = 'UTC'")
    return db.execute(text).fetchall()


def test_bars_indices_and_bqx_arrive(folder: Path, database_url: str, db: psycopg.Connection) -> None:
    results = load(database_url, LoadRequest(str(folder), price_side="bid"))
    assert set(results) == set(LEVELS)
    for pair, level in LEVELS.items():
        bars = walk(TS, level, list(LEVELS).index(pair))
        found = query(
            db, f"SELECT ts_utc, close, rate_index, low_index <= rate_index FROM bqx.m1_{pair} ORDER BY 1"
        )
        assert [row[0] for row in found] == [to_datetime(int(minute)) for minute in bars.ts]
        assert [row[1] for row in found] == bars.close.tolist()
        assert found[0][2] == 100.0, "the index is exactly 100 at the baseline bar"
        assert all(row[3] for row in found)


def test_bqx_by_hand(folder: Path, database_url: str, db: psycopg.Connection) -> None:
    """w15_bqx_return is the sum of (S[t-i] - S[t]) / S[t]: positive after a fall."""
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    found = query(db, "SELECT rate_index, w15_bqx_return, is_filled FROM bqx.bqx_eurusd ORDER BY ts_utc")
    index = [row[0] for row in found]
    for t in (15, 60, 500):
        by_hand = sum((index[t - i] - index[t]) / index[t] for i in range(1, 16))
        assert found[t][1] == pytest.approx(by_hand, rel=1e-9)
    assert all(row[1] is None for row in found[:15])
    assert sum(row[2] for row in found) == 2 + 5, "a gap of 2 is filled, of one of 7 the first five minutes"
    assert len(found) == len(TS) + 7


def test_months_are_partitions_of_the_documented_names(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    names = query(db, PARTITIONS)
    assert names == [("m1_eurusd_2024_01",), ("m1_eurusd_2024_02",)]


def test_loading_again_writes_nothing(folder: Path, database_url: str) -> None:
    request = LoadRequest(str(folder))
    load(database_url, request)
    again = load(database_url, request)
    assert all((one["months"], one["bqx_months"], one["rows"]) == (0, 0, 0) for one in again.values())


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM bqx.m1_eurusd WHERE ts_utc > '2024-02-01 00:01Z'",
        "UPDATE bqx.m1_eurusd SET close = 9.9 WHERE ts_utc = '2024-02-01 00:05Z'",
        "UPDATE bqx.m1_eurusd SET price_side = 'ask'",
        "INSERT INTO bqx.m1_eurusd (ts_utc, open, high, low, close) VALUES ('2024-02-02Z', 1, 1, 1, 1)",
        "TRUNCATE bqx.m1_eurusd",
        "DROP TABLE bqx.m1_eurusd_2024_02",
        "DROP TABLE bqx.m1_eurusd",
    ],
)
def test_loading_again_restores_what_is_not_what_was_loaded(
    folder: Path, database_url: str, db: psycopg.Connection, damage: str
) -> None:
    request = LoadRequest(str(folder), pairs=("eurusd",))
    load(database_url, request)
    names = ", ".join(column for column in table_of("m1", "eurusd").columns)
    told = f"SELECT ts_utc, {names} FROM bqx.m1_eurusd ORDER BY ts_utc"
    bqx = "SELECT ts_utc, w15_bqx_return FROM bqx.bqx_eurusd ORDER BY 1"
    before, series = query(db, told), query(db, bqx)
    db.execute(damage)
    again = load(database_url, request)["eurusd"]
    assert again["restored"] > 0
    if "INSERT" not in damage:  # a row that no file has stays, and the result says that there are such rows
        assert query(db, told) == before
        assert query(db, bqx) == series
        assert again["partly_restored"] == []
    else:
        assert again["partly_restored"] == ["2024-02"]
    assert load(database_url, request)["eurusd"]["rows"] == 0, "then it is right"


def test_a_source_that_covers_a_part_says_what_it_cannot_vouch_for(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    db.execute("DELETE FROM bqx.m1_eurusd WHERE ts_utc = '2024-02-01 00:05Z'")
    whole = (folder / "eurusd.parquet").read_bytes()
    write(folder, "eurusd", walk(TS[450:460], 1.1, seed=99))
    told = load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))["eurusd"]
    assert told["partly_restored"] == ["2024-02"]
    assert query(db, "SELECT count(*) FROM bqx.m1_eurusd") == [(len(TS) - 1,)]
    (folder / "eurusd.parquet").write_bytes(whole)
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    assert query(db, "SELECT count(*) FROM bqx.m1_eurusd") == [(len(TS),)]


def test_months_that_are_right_are_written_again_if_asked_for(folder: Path, database_url: str) -> None:
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    again = load(database_url, LoadRequest(str(folder), pairs=("eurusd",), rebuild=True))["eurusd"]
    assert (again["months"], again["bqx_months"], again["restored"]) == (2, 2, 0)


def test_a_table_of_ours_in_looks_only_is_not_rewritten(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    request = LoadRequest(str(folder), pairs=("eurusd",))
    load(database_url, request)
    db.execute("CREATE TABLE bqx.own (LIKE bqx.m1_eurusd)")
    db.execute("DROP TABLE bqx.m1_eurusd")
    db.execute("ALTER TABLE bqx.own RENAME TO m1_eurusd")
    with pytest.raises(BadParameter, match="eurusd were not made by this bundle and are never rewritten"):
        prepare(database_url, request)


def test_no_load_while_legacy_tables_wait(folder: Path, database_url: str) -> None:
    build_legacy(database_url, pairs=["gbpusd"], months=[Month(2024, 1)], step_minutes=600, decoys=False)
    with pytest.raises(MigrationDue, match=r"gbpusd.* Run the DAG bqx_migrate .* or leave these pairs out"):
        prepare(database_url, LoadRequest(str(folder)))
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    with pytest.raises(MigrationDue):
        load_pair(database_url, LoadRequest(str(folder)), "gbpusd")


def test_days_cut_what_is_loaded_and_a_later_load_extends_it(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",), first_day="2024-02-01"))
    assert query(db, "SELECT min(ts_utc) FROM bqx.m1_eurusd") == [(datetime(2024, 2, 1, tzinfo=UTC),)]
    with connect(database_url) as connection:
        base = baseline_of(connection, "eurusd")
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    assert query(db, "SELECT count(*) FROM bqx.m1_eurusd") == [(len(TS),)]
    with connect(database_url) as connection:
        assert baseline_of(connection, "eurusd") == base, "older history must not move the base"
    first = query(db, "SELECT w15_bqx_return FROM bqx.bqx_eurusd WHERE ts_utc = '2024-02-01 00:03+00'")
    assert first[0][0] is not None, "the month that was warm-up poor before must be built again"


def test_a_partial_file_keeps_the_bars_it_does_not_cover(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    write(folder, "eurusd", walk(TS[350:360], 1.1, seed=99))
    load(database_url, LoadRequest(str(folder), pairs=("eurusd",)))
    assert query(db, "SELECT count(*) FROM bqx.m1_eurusd") == [(len(TS),)]


def test_one_bad_file_leaves_the_database_untouched(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    (folder / "usdjpy.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BadInput, match=r"usdjpy\.parquet"):
        prepare(database_url, LoadRequest(str(folder)))
    assert query(db, "SELECT 1 FROM pg_namespace WHERE nspname = 'bqx'") == []


def test_crosses_follow_from_their_dollar_legs(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    prepared = prepare(database_url, LoadRequest(str(folder), crosses="derive"))
    assert prepared["derived"] == ["audjpy", "euraud", "eurgbp", "eurjpy", "gbpaud", "gbpjpy"]
    load_pair(database_url, LoadRequest(str(folder), crosses="derive", price_side="bid"), "eurjpy")
    euro, yen = walk(TS, 1.1, 0), walk(TS, 150.0, 2)
    found = query(
        db, "SELECT close, volume, spread_close, price_side, hl_source FROM bqx.m1_eurjpy ORDER BY ts_utc"
    )
    assert [row[0] for row in found] == (euro.close * yen.close).tolist()
    assert {row[1:] for row in found} == {(None, None, "unknown", "derived")}


def test_a_file_that_contradicts_the_others_is_refused(folder: Path, database_url: str) -> None:
    write(folder, "eurgbp", walk(TS, 1.1 / 1.3 * 1.02, 0))
    with pytest.raises(BadInput, match=r"eurgbp contradicts the other pairs|triangle-broken"):
        prepare(database_url, LoadRequest(str(folder)))


def test_crosses_are_left_out_unless_asked_for(folder: Path, database_url: str) -> None:
    assert prepare(database_url, LoadRequest(str(folder)), dry_run=True)["pairs"] == sorted(LEVELS)


def test_a_dry_run_checks_and_writes_nothing(folder: Path, database_url: str, db: psycopg.Connection) -> None:
    assert prepare(database_url, LoadRequest(str(folder)), dry_run=True)["pairs"] == sorted(LEVELS)
    assert query(db, "SELECT 1 FROM pg_namespace WHERE nspname = 'bqx'") == []


def test_the_watermark_is_the_newest_bar_of_any_pair_and_never_goes_back(
    folder: Path, database_url: str
) -> None:
    write(folder, "gbpusd", walk(TS[:-100], 1.3, 1))
    prepare(database_url, LoadRequest(str(folder)))
    with connect(database_url) as connection:
        assert watermark(connection) == TS[-1]
    prepare(database_url, LoadRequest(str(folder), pairs=("gbpusd",)))
    with connect(database_url) as connection:
        assert watermark(connection) == TS[-1]


def test_tables_of_the_origin_are_registered_and_never_rewritten(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    db.execute(ORIGIN)
    db.execute("CREATE TABLE bqx.bqx_eurusd (ts_utc timestamptz, rate_index numeric, w15_bqx_return numeric)")
    before = query(db, "SELECT xmin, * FROM bqx.m1_eurusd ORDER BY time")
    with pytest.raises(BadParameter, match="eurusd were not made by this bundle and are never rewritten"):
        prepare(database_url, LoadRequest(str(folder), pairs=("eurusd", "gbpusd")))
    request = LoadRequest(None, pairs=("eurusd",))
    assert load(database_url, request)["eurusd"]["rows"] == 0
    assert query(db, "SELECT xmin, * FROM bqx.m1_eurusd ORDER BY time") == before
    assert query(db, "SELECT count(*) FROM bqx.bqx_eurusd") == [(0,)]
    with connect(database_url) as connection:
        assert baseline_of(connection, "eurusd").minute == to_minute(
            datetime(2024, 7, 31, 23, 57, tzinfo=UTC)
        )


def test_what_was_decided_about_files_is_in_the_result(
    folder: Path, database_url: str, db: psycopg.Connection
) -> None:
    (folder / "nzdusd.xlsx").touch()
    (folder / "bars.yaml").write_text("gbp*: {price_side: ask}\n")
    request = LoadRequest(str(folder), pairs=("eurusd", "gbpusd"), price_side="bid")
    told = prepare(database_url, request)
    assert told["read"]["eurusd"] == [
        {"file": f"{folder}/eurusd.parquet", "format": "Parquet", "clock": "utc as stated",
         "spread": "price units", "rows": len(TS)}
    ]  # fmt: skip
    assert set(told["left_out"]) == {"nzdusd.xlsx", "usdjpy.parquet", "audusd.parquet"}
    assert "is not unpacked here" in told["left_out"]["nzdusd.xlsx"]
    for pair in told["pairs"]:
        load_pair(database_url, request, pair)
    for pair, side in {"eurusd": "bid", "gbpusd": "ask"}.items():
        assert query(db, f"SELECT DISTINCT price_side FROM bqx.m1_{pair}") == [(side,)]


def test_a_pair_that_was_asked_for_and_has_no_file_fails_the_load(folder: Path, database_url: str) -> None:
    with pytest.raises(BadInput, match=r"nzdcad was asked for and has no file.*\[pair-missing\]"):
        prepare(database_url, LoadRequest(str(folder), pairs=("eurusd", "nzdcad")))


def test_what_is_not_there_is_said(folder: Path, database_url: str) -> None:
    with pytest.raises(BadParameter, match="none of these was asked for: nzdcad"):
        prepare(database_url, LoadRequest(str(folder), pairs=("nzdcad",)))
    with pytest.raises(BadParameter, match="no bar from 2030-01-01"):
        prepare(database_url, LoadRequest(str(folder), first_day="2030-01-01"))
    with pytest.raises(BadParameter, match="nothing to register"):
        prepare(database_url, LoadRequest(None))
    write(folder, "gbpusd", walk(TS[:-1] + 10_000_000 - 20_000_000, 1.3, 1))
    with pytest.raises(MissingInput, match="No minute has a bar of every pair"):
        prepare(database_url, LoadRequest(str(folder)))
