"""Columns that are not ours survive every build: same values at the same minutes, nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest

from include.build.coverage import check_coverage
from include.build.months import build
from include.errors import Busy, MigrationFailed, SchemaMismatch
from include.features.catalogue import family
from include.names import Month, to_datetime
from include.quality.gate import check_stage
from include.storage import legacy_columns, locks, partitions
from include.storage.connection import connect
from include.storage.copying import encode
from include.storage.partitions import Replaced, lock_month, replace_month
from include.storage.schema import columns_of, ensure_tables
from include.storage.tables import Table, table_of
from local.legacy import build_legacy
from tests.faults.migrations import carry_out, request
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

TABLE = Table("demo", "eurusd", {"x": "DOUBLE PRECISION"})
NAME, MONTH = "demo_eurusd", Month(2024, 2)
OLD_VALUES = {0: 10.0, 1: 11.0, 2: None, 4: 14.0}  # legacy value by minute of the month
PAIR, FAMILY = "eurusd", "statistics_idx"
SAMPLE_MONTHS = [Month(2024, month) for month in (1, 2, 3, 4)]
LEGACY = ("skewness_60min", "kurtosis_60min", "median_absolute_deviation_60min", "entropy_60min")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as opened:
        ensure_tables(opened, [TABLE])
        yield opened


@pytest.fixture
def legacy(connection: psycopg.Connection) -> psycopg.Connection:
    """A table with legacy columns and a month of rows of the origin in a partition of its own making."""
    connection.execute(f"""
        ALTER TABLE bqx.{NAME} ADD old_value float8, ADD created_at timestamptz DEFAULT now();
        CREATE INDEX idx_{NAME}_ts ON bqx.{NAME} (ts_utc DESC, old_value);
        CREATE VIEW bqx.{NAME}_view AS SELECT ts_utc, old_value FROM bqx.{NAME};
        CREATE TABLE bqx.{NAME}_2024_02 PARTITION OF bqx.{NAME}
            FOR VALUES FROM ('2024-02-01 00:00+00') TO ('2024-03-01 00:00+00')
    """)
    for minute, value in OLD_VALUES.items():
        stamp = None if value is None else "2023-05-05 00:00+00"
        moment = to_datetime(MONTH.first_minute + minute)
        connection.execute(f"INSERT INTO bqx.{NAME} VALUES (%s, -1, %s, %s)", [moment, value, stamp])
    return connection


def write(
    connection: psycopg.Connection, minutes: Sequence[int], value: float = 1.0, month: Month = MONTH
) -> Replaced:
    ts = np.array(minutes, dtype=np.int64) + month.first_minute
    rows = encode(ts, {"x": np.full(len(ts), value)}, TABLE.columns)
    with connection.transaction():
        lock_month(connection, NAME, month)
        return replace_month(connection, TABLE, month, rows)


def stored(connection: psycopg.Connection, columns: str = "x, old_value", name: str = NAME) -> dict:
    rows = connection.execute(f"SELECT ts_utc, {columns} FROM bqx.{name} ORDER BY ts_utc")
    return {int(ts.timestamp()) // 60 - MONTH.first_minute: tuple(rest) for ts, *rest in rows}


def names(connection: psycopg.Connection) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relname ~ 'demo' AND relkind <> 'c' ORDER BY relname"
    return [name for (name,) in connection.execute(query)]


def test_values_stay_at_their_minutes_and_new_minutes_have_none(legacy: psycopg.Connection) -> None:
    stamps = stored(legacy, "created_at")
    assert write(legacy, [0, 1, 2, 3, 4, 5]) == (6, 0)
    values = {minute: row[1] for minute, row in stored(legacy).items()}
    assert values == {0: 10.0, 1: 11.0, 2: None, 3: None, 4: 14.0, 5: None}
    assert {row[0] for row in stored(legacy).values()} == {1.0}
    assert stored(legacy, "created_at") == stamps | {3: (None,), 5: (None,)}, "nothing may be stamped anew"
    assert stored(legacy, "old_value", f"{NAME}_view")[4] == (14.0,)
    assert write(legacy, [0, 1, 2, 3, 4, 5], 2.0) == (6, 0)
    assert stored(legacy)[4] == (2.0, 14.0)
    assert f"{NAME}_legacy_rows" not in names(legacy)


def test_rows_without_a_place_move_beside_the_table_and_are_counted(legacy: psycopg.Connection) -> None:
    assert write(legacy, [1, 7]) == (2, 2)
    assert stored(legacy) == {1: (1.0, 11.0), 7: (1.0, None)}
    aside = stored(legacy, "old_value, created_at IS NULL", f"{NAME}_legacy_rows")
    assert aside == {0: (10.0, False), 4: (14.0, False)}, "minute 2 held nothing of the origin's"
    assert write(legacy, [7]) == (1, 1)
    assert list(stored(legacy, "old_value", f"{NAME}_legacy_rows")) == [0, 1, 4]
    assert write(legacy, [7, 8]) == (2, 0)


def test_a_row_set_aside_twice_must_hold_the_same_values(legacy: psycopg.Connection) -> None:
    write(legacy, [0, 1])
    columns = f"bqx.{NAME} (ts_utc, old_value, created_at)"
    again = f"INSERT INTO {columns} SELECT * FROM bqx.{NAME}_legacy_rows"
    legacy.execute(again)
    assert write(legacy, [0, 1]) == (2, 1)
    legacy.execute(again)
    legacy.execute(f"UPDATE bqx.{NAME} SET old_value = 99 WHERE old_value = 14")
    before = stored(legacy)
    with pytest.raises(MigrationFailed, match=r"1 legacy rows .* holds other values"):
        write(legacy, [0, 1], 3.0)
    assert stored(legacy) == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE bqx.{} SET old_value = old_value + 1e-9 WHERE old_value = 11",
        "UPDATE bqx.{} SET old_value = NULL WHERE old_value = 11",
        "UPDATE bqx.{} SET created_at = now() WHERE old_value = 11",
        "UPDATE bqx.{} SET old_value = 5 WHERE old_value IS NULL",
        "UPDATE bqx.{} SET old_value = CASE old_value WHEN 10 THEN 11 WHEN 11 THEN 10 ELSE old_value END",
    ],
)
def test_a_value_that_would_not_survive_stops_the_swap(
    legacy: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    carry = legacy_columns.carry_over

    def broken(connection, table, month, columns) -> None:
        carry(connection, table, month, columns)
        connection.execute(damage.format(f"{NAME}_2024_02__build"))

    monkeypatch.setattr(legacy_columns, "carry_over", broken)
    before, objects = stored(legacy), names(legacy)
    with pytest.raises(MigrationFailed, match="would not survive"):
        write(legacy, [0, 1, 2, 3])
    assert stored(legacy) == before
    assert names(legacy) == objects


def test_a_month_without_rows_gets_no_stamps_and_keeps_its_defaults(legacy: psycopg.Connection) -> None:
    write(legacy, [0, 1], month=MONTH.next)
    write(legacy, [0, 1], month=MONTH.next)
    query = f"SELECT count(*), count(created_at) FROM bqx.{NAME}_2024_03"
    assert legacy.execute(query).fetchone() == (2, 0)
    default = """
        SELECT count(DISTINCT column_default), count(*) FROM information_schema.columns
        WHERE table_name LIKE 'demo%%' AND column_name = 'created_at' AND column_default IS NOT NULL
    """
    write(legacy, [0])
    assert legacy.execute(default).fetchone() == (1, 3), "parent and both months"


def test_indexes_of_the_origin_are_made_again_under_free_names(legacy: psycopg.Connection) -> None:
    before = names(legacy)
    for value in (1.0, 2.0):
        write(legacy, list(OLD_VALUES), value)
    assert names(legacy) == before
    attached = f"SELECT count(*) FROM pg_inherits WHERE inhparent = 'bqx.idx_{NAME}_ts'::regclass"
    assert legacy.execute(attached).fetchone() == (1,)


def test_a_view_of_the_partition_itself_is_named_and_nothing_changes(legacy: psycopg.Connection) -> None:
    legacy.execute(f"CREATE VIEW public.direct AS SELECT * FROM bqx.{NAME}_2024_02")
    before = stored(legacy)
    with pytest.raises(SchemaMismatch, match=rf"depends on the partition bqx\.{NAME}_2024_02.*direct"):
        write(legacy, [0, 1])
    assert stored(legacy) == before


def test_every_kind_of_column_is_carried(connection: psycopg.Connection) -> None:
    connection.execute(f"""
        CREATE TYPE bqx.mood AS ENUM ('calm', 'wild');
        ALTER TABLE bqx.{NAME} ADD a json, ADD b bit(3), ADD c text[], ADD d bqx.mood, ADD e numeric(8, 3),
            ADD f point, ADD g int NOT NULL DEFAULT 7, ADD "odd Name" int[], ADD CHECK (g > 0),
            ADD h float8 GENERATED ALWAYS AS (x * 2) STORED
    """)
    write(connection, [0, 1, 2])
    values = """'{"k": 1}', B'101', '{p,q}', 'wild', 1.500, '(1,2)', 8, '{1,NULL}'"""
    connection.execute(
        f'UPDATE bqx.{NAME} SET (a, b, c, d, e, f, g, "odd Name") = ROW ({values}) WHERE ts_utc < %s',
        [to_datetime(MONTH.first_minute + 2)],
    )
    columns = 'a::text, b, c, d, e, f, g, "odd Name"'
    before = stored(connection, columns)
    assert write(connection, [1, 2, 3], 5.0) == (3, 1)
    nothing = (None,) * 6 + (7, None)
    assert stored(connection, columns) == {1: before[1], 2: nothing, 3: nothing}
    assert stored(connection, "h")[1] == (10.0,)
    assert stored(connection, columns, f"{NAME}_legacy_rows") == {0: before[0]}


def test_a_failure_in_the_middle_leaves_the_month_and_no_table(legacy: psycopg.Connection) -> None:
    before, objects = stored(legacy), names(legacy)
    with pytest.raises(psycopg.errors.UniqueViolation):
        write(legacy, [0, 1, 1])
    with pytest.raises(psycopg.errors.CheckViolation):
        write(legacy, [0, -1])
    assert stored(legacy) == before
    assert names(legacy) == objects


def test_a_value_written_meanwhile_is_carried_too(
    legacy: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = connect(database_url)
    writer.execute("BEGIN")
    writer.execute(f"UPDATE bqx.{NAME} SET old_value = 77 WHERE old_value = 11")
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "SWAP_PATIENCE", 0.7)
        with pytest.raises(Busy, match="been writing to"):
            write(legacy, [0, 1])
    timer = threading.Timer(1.0, lambda: writer.execute("COMMIT"))
    timer.start()
    write(legacy, [0, 1])
    timer.join()
    writer.close()
    assert stored(legacy) == {0: (1.0, 10.0), 1: (1.0, 77.0)}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_ever_lost_whatever_the_minutes(legacy: psycopg.Connection, seed: int) -> None:
    random = np.random.default_rng(seed)
    wanted = {minute: value for minute, value in OLD_VALUES.items() if value is not None}
    for _ in range(5):
        minutes = np.flatnonzero(random.random(8) < 0.6).tolist()
        write(legacy, minutes)
        found = {minute: value for minute, (_, value) in stored(legacy).items() if value is not None}
        assert list(stored(legacy)) == minutes
        if f"{NAME}_legacy_rows" in names(legacy):
            aside = stored(legacy, "old_value", f"{NAME}_legacy_rows")
            assert not found.keys() & aside.keys()
            found |= {minute: value for minute, (value,) in aside.items()}
        assert found == wanted


def migrate(url: str, folder: Path) -> None:
    """Legacy tables, renamed as the DAG does it."""
    build_legacy(url, pairs=[PAIR], months=SAMPLE_MONTHS, step_minutes=5, decoys=False)
    carry_out(url, folder, request([PAIR]))


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> str:
    store(database_url, PAIR, sample_bars(days_around=1))
    migrate(database_url, tmp_path / "migration")
    return database_url


def test_missing_columns_are_added_and_legacy_ones_stay(url: str) -> None:
    table = table_of(FAMILY, PAIR)
    with connect(url) as connection:
        before = columns_of(connection, table.name)
        connection.execute(
            "INSERT INTO bqx.build_log (table_name, month, row_count, input_hash, seconds)"
            " VALUES (%s, '2024-02-01', 1, 'x', 1)",
            [table.name],
        )
        ensure_tables(connection, [table])
        after = columns_of(connection, table.name)
        assert list(after.items()) == [*before.items(), *table.columns.items()]
        assert columns_of(connection, f"{table.name}_2024_03") == after
        logged = "SELECT count(*) FROM bqx.build_log"
        assert connection.execute(logged).fetchone() == (0,), "what lacked columns was not right"
        ensure_tables(connection, [table])
        assert columns_of(connection, table.name) == after


def test_a_renamed_table_is_built_checked_and_built_again(url: str, tmp_path) -> None:
    table = table_of(FAMILY, PAIR)
    columns = ", ".join(LEGACY)
    with connect(url) as connection:
        before = stored(connection, columns, table.name)
        month_of = f"SELECT count(*) FROM bqx.{table.name} WHERE ts_utc < '2024-05-01'"
        legacy_rows = connection.execute(month_of).fetchone()[0]
    result = build(url, PAIR, ["bqx", FAMILY])
    assert result["built"] == 2 * 4
    aside = int(str(result["legacy_rows_aside"]))
    assert 0 < aside < legacy_rows
    with connect(url) as connection:
        kept = stored(connection, columns, table.name)
        moved = stored(connection, columns, f"{table.name}_legacy_rows")
        means = connection.execute(f"SELECT count(mean_20) FROM bqx.{table.name}").fetchone()
    assert len(moved) == aside
    nothing = (None,) * len(LEGACY)
    assert {minute: row for minute, row in kept.items() if row != nothing} | moved == {
        minute: row for minute, row in before.items() if row != nothing
    }
    assert means[0] == len(kept) - (family(FAMILY).columns[0].first_row)
    assert check_coverage(url, [PAIR], [FAMILY])["rows"] == {PAIR: len(kept)}
    check_stage(url, PAIR, [FAMILY], reports=in_folder(tmp_path), run_label="r")
    assert build(url, PAIR, [FAMILY])["already_right"] == 4
    again = build(url, PAIR, [FAMILY], rebuild=True)
    assert (again["built"], again["legacy_rows_aside"]) == (4, 0)
    with connect(url) as connection:
        assert stored(connection, columns, table.name) == kept


def test_adding_columns_waits_briefly_and_often(url: str) -> None:
    table = table_of(FAMILY, PAIR)
    blocker = connect(url)
    blocker.execute("BEGIN")
    blocker.execute(f"SELECT * FROM bqx.{table.name}_2024_03").fetchall()
    timer = threading.Timer(2.0, lambda: blocker.execute("COMMIT"))
    longest, stop = [0.0], threading.Event()

    def read() -> None:
        with connect(url) as reader:
            while not stop.is_set():
                started = time.monotonic()
                reader.execute(f"SELECT count(*) FROM bqx.{table.name}_2024_02")
                longest[0] = max(longest[0], time.monotonic() - started)

    thread = threading.Thread(target=read)
    thread.start()
    timer.start()
    with connect(url) as connection:
        ensure_tables(connection, [table])
        assert "mean_20" in columns_of(connection, table.name)
    stop.set()
    thread.join()
    timer.join()
    blocker.close()
    assert longest[0] < 1.5, "nobody may queue behind us"


def test_a_query_that_does_not_end_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.7)
    table = table_of(FAMILY, PAIR)
    with connect(url) as blocker, blocker.transaction(), connect(url) as connection:
        blocker.execute(f"SELECT * FROM bqx.{table.name}").fetchall()
        with pytest.raises(Busy, match=r"could not be added\. Nothing was changed"):
            ensure_tables(connection, [table])
        assert "mean_20" not in columns_of(connection, table.name)


def test_a_table_without_legacy_columns_takes_the_short_way(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_write_with_legacy", None)
    for value in (1.0, 2.0):
        write(connection, [0, 1], value)
    assert [x for (x,) in connection.execute(f"SELECT x FROM bqx.{NAME}")] == [2.0, 2.0]
