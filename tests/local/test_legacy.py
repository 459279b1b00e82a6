"""The simulated legacy database has what the migration must cope with, and is the same every time."""

from __future__ import annotations

import re
import time

import psycopg
import pytest

from include.errors import BadParameter
from include.features.catalogue import family
from include.migration.names import LEGACY_COLUMNS
from include.names import LEGACY, Month
from include.pairs import PAIRS
from local import legacy
from local.legacy import FAMILIES, build_legacy

MONTHS = (Month(2024, 7), Month(2024, 8))
TWO = ("eurusd", "gbpjpy")
OLD = re.compile(
    rf"^(reg|(statistics|bollinger|fibonacci|volume|spread|correlation)_features)_({'|'.join(PAIRS)})$"
)
FINGERPRINT = "SELECT count(*), sum(hashint8extended(hash_record_extended(t, 0), 0)) FROM {} AS t"


def names(db: psycopg.Connection, kind: str, schema: str = "bqx") -> list[str]:
    query = """
        SELECT relname FROM pg_class
        WHERE relnamespace = %s::regnamespace AND relkind = %s ORDER BY relname
    """
    return [name for (name,) in db.execute(query, [schema, kind])]


def content(db: psycopg.Connection) -> dict[str, tuple[int, object]]:
    return {name: db.execute(FINGERPRINT.format(f"bqx.{name}")).fetchone() for name in names(db, "p")}


def test_the_columns_are_those_the_migration_expects() -> None:
    assert list(FAMILIES) == list(LEGACY.values())
    for new, old in LEGACY.items():
        assert set(FAMILIES[old]) == set(LEGACY_COLUMNS[new]), old


def test_every_family_has_its_tables_partitions_and_rows(db: psycopg.Connection, database_url: str) -> None:
    counts = build_legacy(database_url, pairs=TWO, months=MONTHS, step_minutes=60, reg_extra_months=2)
    parents = names(db, "p")
    assert [name for name in parents if OLD.match(name)] == sorted(f"{f}_{p}" for f in FAMILIES for p in TWO)
    assert counts["parents"] == 2 * (len(FAMILIES) + 1), "reg_bqx too"
    assert counts["partitions"] == 2 * (len(FAMILIES) * 2 + 2 + 2)
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'bqx.{}'::regclass"
    assert db.execute(partitions.format("reg_eurusd")).fetchone() == (4,)
    assert db.execute(partitions.format("spread_features_eurusd")).fetchone() == (2,)
    found = content(db)
    assert found["correlation_features_eurusd"] == (0, None)
    assert found["volume_features_eurusd"][0] > 900
    assert found["volume_features_eurusd"][1] != found["volume_features_gbpjpy"][1]
    for name in ("reg_eurusd", "reg_bqx_eurusd"):
        columns = db.execute(f"SELECT * FROM bqx.{name} LIMIT 0").description
        assert len(columns) == {"reg_eurusd": 57, "reg_bqx_eurusd": 56}[name]
        clash = {column.name for column in columns} & {c.name for c in family("reg_idx").columns}
        assert clash == {"w60_r2", "w90_r2"}
    indexes = names(db, "I")
    assert "idx_reg_eurusd_ts" in indexes
    assert "reg_eurusd_2024_07_ts_utc_idx" in names(db, "i")


def test_what_depends_on_the_tables_and_what_only_looks_like_them(
    db: psycopg.Connection, database_url: str
) -> None:
    build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240)
    assert names(db, "v", "bqx_features") == ["usable_statistics_eurusd"]
    assert names(db, "m") == ["training_eurusd"]
    assert "volume_features_eurusd_batch_seq" in names(db, "S")
    assert db.execute("SELECT count(*) > 0 FROM bqx.training_eurusd").fetchone() == (True,)
    latest = db.execute("SELECT bqx.latest_rate_index()").fetchone()[0]
    assert 98 <= latest <= 102
    decoys = {name for name in names(db, "p") if not OLD.match(name)}
    assert decoys == {
        *("reg_bqx_eurusd", "reg_bqx_gbpjpy", "regime_eurusd", "time_features_eurusd"),
        *("technical_features_eurusd", "correlation_eurusd", "m1_xauusd", "bqx_xauusd"),
    }
    assert {"ml_training_runs", "currency_indices", "legacy_fixture"} <= set(names(db, "r"))
    assert len(db.execute("SELECT * FROM bqx.m1_xauusd LIMIT 0").description) == 24
    assert len(db.execute("SELECT * FROM bqx.bqx_xauusd LIMIT 0").description) == 39
    granted = "SELECT has_table_privilege('public', 'bqx.reg_eurusd', 'SELECT')"
    assert db.execute(granted).fetchone() == (True,)


def test_again_makes_nothing_also_after_a_renaming(db: psycopg.Connection, database_url: str) -> None:
    build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240)
    db.execute("ALTER TABLE bqx.reg_eurusd RENAME TO reg_idx_eurusd")
    before = content(db)
    again = build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240)
    assert set(again.values()) == {0}
    assert content(db) == before


def test_tables_of_somebody_else_are_left_alone(db: psycopg.Connection, database_url: str) -> None:
    db.execute("CREATE SCHEMA bqx; CREATE TABLE bqx.reg_eurusd (precious int)")
    counts = build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240, decoys=False)
    assert counts["pairs"] == 1
    assert not any(name.endswith("eurusd") for name in names(db, "p"))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(
    db: psycopg.Connection, database_url: str
) -> None:
    found = []
    for seed in (3, 3, 4):
        build_legacy(database_url, pairs=TWO[:1], months=MONTHS[:1], step_minutes=60, seed=seed, decoys=False)
        found.append(content(db))
        db.execute("DROP SCHEMA bqx CASCADE")
    assert found[0] == found[1]
    assert found[0]["spread_features_eurusd"] != found[2]["spread_features_eurusd"]


def test_a_killed_pair_leaves_nothing_and_is_made_later(
    db: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = legacy.FAMILIES | {"spread_features": {"x": legacy.Column("NOT A TYPE")}}
    with monkeypatch.context() as patch:
        patch.setattr(legacy, "FAMILIES", broken)
        with pytest.raises(psycopg.Error):
            build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240, decoys=False)
    assert names(db, "p") == []
    counts = build_legacy(database_url, pairs=TWO, months=MONTHS[:1], step_minutes=240, decoys=False)
    assert counts["pairs"] == 2


def test_the_market_is_closed_at_the_week_end(db: psycopg.Connection, database_url: str) -> None:
    build_legacy(database_url, pairs=TWO[:1], months=MONTHS[:1], step_minutes=60, decoys=False)
    query = """
        SELECT count(*) FILTER (WHERE extract(isodow FROM ts_utc AT TIME ZONE 'UTC') = 6),
               count(*) FILTER (WHERE ts_utc = '2024-07-07 22:00+00'), count(w630_r2) < count(w60_r2)
        FROM bqx.reg_eurusd
    """
    assert db.execute(query).fetchone() == (0, 1, True)


def test_no_months_are_refused(database_url: str) -> None:
    with pytest.raises(BadParameter, match="at least one month"):
        build_legacy(database_url, months=())


def test_all_pairs_are_made_within_a_minute(database_url: str) -> None:
    started = time.monotonic()
    counts = build_legacy(database_url, months=MONTHS)
    assert counts["pairs"] == len(PAIRS)
    assert counts["rows"] > 600_000
    assert time.monotonic() - started < 60  # about 10 s on two free cores
