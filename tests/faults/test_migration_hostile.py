"""Databases nobody would wish for, migrated from end to end: handled or refused by name, never partial.

Each case changes a simulated legacy database, carries the whole run out, looks at every object, and
takes the names back.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from include.build.months import build
from include.errors import MigrationFailed, MigrationRefused
from include.migration import journal, steps
from include.migration.plan import make_plan
from include.names import Month
from include.storage.connection import connect
from include.storage.legacy_columns import aside_name
from include.storage.schema import columns_of, ensure_tables
from include.storage.tables import table_of
from local import postgres as postgres_module
from local.legacy import FAMILIES, REG_BQX, build_legacy
from local.postgres import Postgres
from tests.faults.migrations import Options, carry_out, request, state_of
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

PAIRS = ("eurusd", "gbpusd")
MONTHS = (Month(2024, 1), Month(2024, 2))
JANUARY = "FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
REPLACE, RATE = Options(replace_empty=True), Options(accept_rate_names=True)


@pytest.fixture(scope="module")
def copies(postgres: Postgres) -> Callable[[], str]:
    """Makes copies of one legacy database; returns the URL of a fresh one."""
    made, numbers = [f"hostile_{os.getpid()}"], itertools.count()
    postgres.create_database(made[0])
    build_legacy(postgres.url(made[0]), pairs=PAIRS, months=MONTHS, step_minutes=120, reg_extra_months=1)

    def copy() -> str:
        made.append(f"{made[0]}_{next(numbers)}")
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (made[-1], made[0])))
        with postgres.connect() as connection:
            connection.execute(query)
        return postgres.url(made[-1])

    return copy  # not dropped: each drop is a checkpoint, and the server is thrown away with all of them


@pytest.fixture
def url(copies: Callable[[], str]) -> str:
    return copies()


def change(url: str, statements: str) -> None:
    with connect(url) as connection, connection.transaction():
        connection.execute(statements)


def our_empty_table(url: str) -> None:
    with connect(url) as connection:
        ensure_tables(connection, [table_of("volume_idx", "eurusd")])


def renamed_months(old: str, new: str) -> str:
    return "".join(f"ALTER TABLE bqx.{old}_{m} RENAME TO {new}_{m};" for m in ("2024_01", "2024_02"))


class Case(NamedTuple):
    """A start and what becomes of it.

    Attributes:
        statements: what makes the database hostile.
        untouched: tables that must keep their names.
        renamed: old to new names that are expected.
        says: a note or reason of the plan: the object and a word about it.
        fails: what the run complains of in the end; empty if it succeeds.
        options: what is allowed beyond the rules.
    """

    statements: str
    untouched: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    says: tuple[str, str] = ("", "")
    fails: str = ""
    options: Options = Options()


FULL = f"""
CREATE TABLE bqx.volume_idx_eurusd (ts_utc timestamptz PRIMARY KEY, x float8) PARTITION BY RANGE (ts_utc);
CREATE TABLE bqx.volume_idx_eurusd_2024_01 PARTITION OF bqx.volume_idx_eurusd {JANUARY};
INSERT INTO bqx.volume_idx_eurusd VALUES ('2024-01-02', 1)
"""
RATE_NAMES = (
    "ALTER TABLE bqx.statistics_features_eurusd RENAME TO statistics_rate_eurusd;"
    + renamed_months("statistics_features_eurusd", "statistics_rate_eurusd")
    + "CREATE TABLE bqx.reg_rate_eurusd (ts_utc timestamptz PRIMARY KEY, w15_r2 float8)"
    " PARTITION BY RANGE (ts_utc);"
    f"CREATE TABLE bqx.reg_rate_eurusd_2024_01 PARTITION OF bqx.reg_rate_eurusd {JANUARY}"
)
DEPENDENTS = f"""
CREATE FUNCTION bqx.stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch_reg_eurusd BEFORE UPDATE ON bqx.reg_eurusd FOR EACH ROW EXECUTE FUNCTION bqx.stop();
CREATE PUBLICATION changes FOR TABLE bqx.reg_eurusd;
ALTER TABLE bqx.reg_eurusd ADD CONSTRAINT reg_eurusd_positive CHECK (rate_index > 0);
ALTER TABLE bqx.reg_eurusd ALTER COLUMN w60_r2 SET STATISTICS 500;
CREATE INDEX {"idx_reg_eurusd_" + 48 * "x"} ON bqx.reg_eurusd (rate_index);
CREATE VIEW bqx.above AS SELECT ts_utc, w60_r2 FROM bqx.reg_eurusd WHERE rate_index > 100
"""

CASES = {
    "half-renamed parents": Case(
        "ALTER TABLE bqx.reg_eurusd RENAME TO reg_idx_eurusd;"
        "ALTER TABLE bqx.statistics_features_gbpusd RENAME TO statistics_idx_gbpusd",
        renamed=(("reg_eurusd_2024_01", "reg_idx_eurusd_2024_01"),),
        says=("reg_idx_eurusd", "interrupted"),
    ),
    "half-renamed children": Case(
        "ALTER TABLE bqx.reg_eurusd_2024_02 RENAME TO reg_idx_eurusd_2024_02;"
        "ALTER INDEX bqx.reg_eurusd_2024_01_pkey RENAME TO reg_idx_eurusd_2024_01_pkey;"
        + renamed_months("spread_features_gbpusd", "spread_idx_gbpusd"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"), ("spread_features_gbpusd", "spread_idx_gbpusd")),
        says=("reg_idx_eurusd", "interrupted"),
    ),
    "full target": Case(
        FULL,
        untouched=("volume_features_eurusd_2024_01", "volume_features_eurusd", "volume_idx_eurusd_2024_01"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"), ("volume_features_gbpusd", "volume_idx_gbpusd")),
        says=("volume_idx_eurusd", "holds rows"),
        fails="volume_features_eurusd still has its old name",
        options=REPLACE,
    ),
    "a view has the new name": Case(
        "CREATE VIEW bqx.reg_idx_eurusd AS SELECT 1 AS x",
        untouched=("reg_eurusd", "reg_eurusd_2024_01"),
        says=("reg_idx_eurusd", "no partitioned table"),
        fails="reg_eurusd still has its old name",
    ),
    "the name of a partition is taken": Case(
        "CREATE TABLE bqx.reg_idx_eurusd_2024_02 (x int)",
        untouched=("reg_eurusd", "reg_eurusd_2024_01", "reg_eurusd_2024_02", "reg_idx_eurusd_2024_02"),
        renamed=(("reg_gbpusd", "reg_idx_gbpusd"),),
        says=("reg_idx_eurusd", "reg_idx_eurusd_2024_02 exist already"),
        fails="reg_eurusd still has its old name",
    ),
    "orphan": Case(
        "CREATE TABLE bqx.reg_eurusd_2023_01 (LIKE bqx.reg_eurusd);"
        "INSERT INTO bqx.reg_eurusd_2023_01 (ts_utc) VALUES ('2023-01-02')",
        untouched=("reg_eurusd_2023_01",),
        renamed=(("reg_eurusd", "reg_idx_eurusd"),),
        says=("bqx.reg_eurusd_2023_01", "attached to no parent"),
    ),
    "empty default partition": Case(
        "CREATE TABLE bqx.others PARTITION OF bqx.reg_eurusd DEFAULT",
        untouched=("others",),
        renamed=(("reg_eurusd_2024_01", "reg_idx_eurusd_2024_01"),),
        says=("bqx.others", "has to stay empty"),
    ),
    "default partition with rows": Case(
        "CREATE TABLE bqx.reg_eurusd_default PARTITION OF bqx.reg_eurusd DEFAULT;"
        "INSERT INTO bqx.reg_eurusd (ts_utc) VALUES ('2031-01-02')",
        untouched=("reg_eurusd", "reg_eurusd_default", "reg_eurusd_2024_01"),
        says=("reg_idx_eurusd", "DEFAULT partition reg_eurusd_default holds rows"),
        fails="reg_eurusd still has its old name",
    ),
    "a foreign key to the table": Case(
        "CREATE TABLE bqx.orders (ts_utc timestamptz REFERENCES bqx.reg_eurusd (ts_utc));"
        "INSERT INTO bqx.orders SELECT ts_utc FROM bqx.reg_eurusd LIMIT 5",
        untouched=("reg_eurusd", "reg_eurusd_2024_01"),
        says=("reg_idx_eurusd", "the foreign key orders_ts_utc_fkey of bqx.orders"),
        fails="reg_eurusd still has its old name",
    ),
    "odd names": Case(
        "ALTER TABLE bqx.statistics_features_eurusd_2024_01 RENAME TO old_stuff_7;"
        'ALTER TABLE bqx.statistics_features_eurusd_2024_02 RENAME TO "Statistics February"',
        untouched=("old_stuff_7", "Statistics February"),
        renamed=(("statistics_features_eurusd", "statistics_idx_eurusd"),),
        says=("bqx.old_stuff_7", "under another name"),
    ),
    "unknown pair": Case(
        "CREATE TABLE bqx.reg_usdsek (LIKE bqx.reg_eurusd) PARTITION BY RANGE (ts_utc);"
        f"CREATE TABLE bqx.reg_usdsek_2024_01 PARTITION OF bqx.reg_usdsek {JANUARY}",
        untouched=("reg_usdsek", "reg_usdsek_2024_01"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"),),
        says=("bqx.reg_usdsek", "none of the 28"),
    ),
    "other schema": Case(
        "CREATE SCHEMA archive;"
        "CREATE TABLE archive.reg_eurusd (ts_utc timestamptz PRIMARY KEY) PARTITION BY RANGE (ts_utc);"
        f"CREATE TABLE archive.reg_eurusd_2024_01 PARTITION OF archive.reg_eurusd {JANUARY};"
        "INSERT INTO archive.reg_eurusd VALUES ('2024-01-02')",
        untouched=("archive.reg_eurusd", "archive.reg_eurusd_2024_01"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"),),
        says=("archive", "another schema"),
    ),
    "missing months": Case(
        "DROP TABLE bqx.reg_eurusd_2024_02",
        renamed=(("reg_eurusd_2024_03", "reg_idx_eurusd_2024_03"),),
        says=("bqx.reg_eurusd", "no partition for 2024-02"),
    ),
    "rate names": Case(
        RATE_NAMES,
        untouched=("reg_rate_eurusd", "reg_rate_eurusd_2024_01", "statistics_rate_eurusd_2024_01"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"), ("bollinger_features_eurusd", "bollinger_idx_eurusd")),
        says=("bqx.statistics_rate_eurusd", "left by an older migration"),
    ),
    "rate names accepted": Case(
        RATE_NAMES,
        untouched=("reg_rate_eurusd", "reg_rate_eurusd_2024_01"),
        renamed=(("statistics_rate_eurusd_2024_02", "statistics_idx_eurusd_2024_02"),),
        options=RATE,
    ),
    "rate names and old names": Case(
        "CREATE TABLE bqx.volume_rate_eurusd (LIKE bqx.volume_features_eurusd) PARTITION BY RANGE (ts_utc)",
        untouched=("volume_rate_eurusd", "volume_features_eurusd", "volume_features_eurusd_2024_01"),
        renamed=(("reg_eurusd", "reg_idx_eurusd"),),
        says=("volume_idx_eurusd", "both exist"),
        fails="volume_features_eurusd still has its old name",
        options=RATE,
    ),
    "all that can hang on a table": Case(
        DEPENDENTS,
        renamed=(("reg_eurusd_2024_03", "reg_idx_eurusd_2024_03"),),
        says=("bqx.above", "follows by itself"),
    ),
}


def names_of(url: str) -> dict[int, str]:
    """Names of all tables by identity; those of other schemas with their schema."""
    query = """
        SELECT oid::BIGINT, CASE relnamespace::REGNAMESPACE::TEXT WHEN 'bqx' THEN relname::TEXT
            ELSE relnamespace::REGNAMESPACE || '.' || relname END
        FROM pg_class WHERE relkind IN ('r', 'p') AND relname !~ '^migration_'
            AND relnamespace::REGNAMESPACE::TEXT !~ '^(pg_|information_schema)'
    """
    with connect(url) as connection:
        return dict(connection.execute(query).fetchall())


def assert_names_as_journaled(url: str, before: dict[int, str]) -> dict[int, str]:
    """Tables in the journal have their new name, all others the one they had. The names now."""
    now, expected = names_of(url), dict(before)
    with connect(url) as connection:
        for entry in (entry for pair in PAIRS for entry in journal.in_force(connection, pair)):
            if entry.rename.kind in ("table", "partition"):
                expected[entry.rename.oid] = entry.rename.new
    assert now == expected
    return now


def said(url: str, options: Options) -> list[tuple[str, str]]:
    plan = make_plan(url, pairs=PAIRS, options=options)
    return [(note.name, note.text) for note in plan.notes] + [
        (batch.new, f"{batch.state} {batch.reason}") for batch in plan.batches
    ]


def migrate(url: str, folder: Path, case: Case, *, views: bool) -> None:
    """The whole run; what it complains of must be what was expected."""
    wanted = request(PAIRS, views=views, options=case.options)
    if not case.fails:
        results = carry_out(url, folder, wanted)
        assert results["publish"]["rows_before"] == results["publish"]["rows_after"] > 0
        return
    for pair in PAIRS:  # the DAG carries the other pairs out as well
        alone = folder.with_name(f"{folder.name} {pair}")  # beside the other runs, whose documents it sees
        if pair in case.fails:
            with pytest.raises(MigrationFailed, match=case.fails):
                carry_out(url, alone, wanted._replace(pairs=(pair,)))
        else:
            carry_out(url, alone, wanted._replace(pairs=(pair,)))


def take_back(url: str, folder: Path) -> None:
    carry_out(url, folder, request(PAIRS, "revert"))


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_start(copies: Callable[[], str], tmp_path: Path, name: str) -> None:
    """With compatibility views: they must not be in the way of the revert."""
    assert_handled_or_refused(copies(), tmp_path, CASES[name], views=True)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_start_without_views(copies: Callable[[], str], tmp_path: Path, name: str) -> None:
    assert_handled_or_refused(copies(), tmp_path, CASES[name], views=False)


def assert_handled_or_refused(url: str, tmp_path: Path, case: Case, *, views: bool) -> None:
    change(url, case.statements)
    before, names = state_of(url), names_of(url)
    if any(case.says):
        assert any(case.says[0] == about and case.says[1] in text for about, text in said(url, case.options))
    migrate(url, tmp_path / "migrate", case, views=views)
    after, now = state_of(url, schema=False), assert_names_as_journaled(url, names)
    assert after.contents == before.contents
    assert {found[:3] for found in after.objects} == {found[:3] for found in before.objects}
    for untouched in case.untouched:
        assert untouched in {name for oid, name in now.items() if names[oid] == name}
    assert set(case.renamed) <= {(names[oid], now[oid]) for oid in names}
    take_back(url, tmp_path / "revert")
    assert state_of(url) == before


def test_an_empty_target_is_a_conflict_until_it_may_be_replaced(url: str, tmp_path: Path) -> None:
    our_empty_table(url)
    change(url, "DROP TABLE bqx.volume_idx_eurusd")
    original = state_of(url)
    our_empty_table(url)
    names = names_of(url)
    refused = Case("", fails="volume_features_eurusd still has its old name")
    assert [about for about, text in said(url, Options()) if "replace_empty" in text] == ["volume_idx_eurusd"]
    migrate(url, tmp_path / "first", refused, views=True)
    now = assert_names_as_journaled(url, names)
    assert {"volume_features_eurusd", "volume_features_eurusd_2024_01", "volume_idx_eurusd"} <= {
        *now.values()
    }
    results = carry_out(url, tmp_path / "second", request(PAIRS, views=True, options=REPLACE))
    assert results["apply eurusd"]["batches"] == 1
    assert "apply gbpusd" not in results
    assert state_of(url, schema=False).contents == original.contents
    take_back(url, tmp_path / "revert")
    assert state_of(url) == original  # the empty table stays dropped: nothing was in it


def test_a_function_that_would_break_is_refused_without_views(url: str, tmp_path: Path) -> None:
    """Said in the plan, and by the check unless it was waived or the views keep it going."""
    wanted = request(PAIRS, waive=False)
    assert any(name.startswith("bqx.latest_rate_index") for name, _ in said(url, Options()))
    with pytest.raises(MigrationFailed, match=r"function bqx\.latest_rate_index.*mentions"):
        carry_out(url, tmp_path / "plain", wanted)
    take_back(url, tmp_path / "revert")
    results = carry_out(url, tmp_path / "views", wanted._replace(compatibility_views=True))
    assert results["check eurusd"]["functions"] != []
    with connect(url) as connection:
        assert connection.execute("SELECT bqx.latest_rate_index() > 0").fetchone() == (True,)
    with pytest.raises(MigrationRefused, match="latest_rate_index"):
        carry_out(url, tmp_path / "drop", wanted._replace(action="drop views"))
    carry_out(url, tmp_path / "waived", request(PAIRS, "drop views"))
    with connect(url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT bqx.latest_rate_index()")


def test_a_failed_comparison_is_not_forgotten(url: str, tmp_path: Path) -> None:
    """A run whose check failed leaves nothing to rename: the next one has to compare all the same."""
    pair, wanted = PAIRS[0], request(PAIRS[:1])
    made = steps.plan(url, wanted, reports=in_folder(tmp_path), run_label="run")
    steps.prepare(url, wanted, made, parallel=1)
    steps.count(url, wanted, made["hash"], pair)
    steps.apply(url, wanted, made["hash"], pair)
    row = "bqx.spread_idx_eurusd_2024_02 WHERE ts_utc = '2024-02-01 12:00+00'"
    change(url, f"CREATE TABLE public.kept AS SELECT * FROM {row}; DELETE FROM {row}")
    with pytest.raises(MigrationFailed, match="spread_idx_eurusd_2024_02 has"):
        steps.check(url, wanted, pair)
    again = steps.plan(url, wanted, reports=in_folder(tmp_path), run_label="again")
    assert again["pairs"] == [pair]
    assert "Renamed by an earlier run, compared by this one: eurusd" in again["page"]
    with pytest.raises(MigrationFailed, match="spread_idx_eurusd_2024_02 has"):
        carry_out(url, tmp_path / "second", wanted)
    change(url, "INSERT INTO bqx.spread_idx_eurusd SELECT * FROM public.kept")
    results = carry_out(url, tmp_path / "second", wanted)
    assert results["apply eurusd"]["batches"] == 0
    assert results["check eurusd"]["batches"] == 1
    assert carry_out(url, tmp_path / "third", wanted).keys() == {"plan"}


def test_a_server_with_few_locks_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten locks for each of ten sessions: refused before anything is locked, done after the remedy."""
    server = Postgres(tmp_path / "postgres", durable=False)
    settings = postgres_module.server_settings(durable=False)
    few = settings | {"max_locks_per_transaction": "10", "max_connections": "10"}
    months = [Month(2023, month) for month in range(1, 13)]
    try:
        server.start()
        server.create_database("legacy")
        url = server.url("legacy")
        build_legacy(url, pairs=PAIRS, months=months, step_minutes=1440 * 7)
        before = state_of(url)
        server.stop()
        monkeypatch.setattr(postgres_module, "server_settings", lambda *, durable: few)
        server.start()
        with pytest.raises(MigrationRefused, match=r"room for \d+: raise max_locks_per_transaction"):
            carry_out(server.url("legacy"), tmp_path / "first", request(PAIRS), parallel=8)
        server.stop()
        monkeypatch.setattr(postgres_module, "server_settings", lambda *, durable: settings)
        server.start()
        assert state_of(server.url("legacy")) == before
        carry_out(server.url("legacy"), tmp_path / "second", request(PAIRS), parallel=8)
        assert state_of(server.url("legacy"), schema=False).contents == before.contents
    finally:
        server.stop(seconds=1)


ORIGINAL = {  # legacy columns by the new name of their table
    "reg_idx_eurusd": ["ts_utc", *FAMILIES["reg"]],
    "statistics_idx_eurusd": ["ts_utc", *FAMILIES["statistics_features"]],
    "reg_bqx_eurusd": ["ts_utc", *REG_BQX],
}
OLD = {"reg_idx_eurusd": "reg_eurusd", "statistics_idx_eurusd": "statistics_features_eurusd"}
BUILT = ("reg_idx", "statistics_idx", "reg_bqx")
KEYS = """
CREATE SCHEMA kept;
CREATE TABLE kept.reg_idx_eurusd AS SELECT ts_utc FROM bqx.reg_eurusd;
CREATE TABLE kept.statistics_idx_eurusd AS SELECT ts_utc FROM bqx.statistics_features_eurusd
WHERE entropy_60min IS NOT NULL; -- a row without any legacy value has nothing to keep
CREATE TABLE kept.reg_bqx_eurusd AS SELECT ts_utc FROM bqx.reg_bqx_eurusd
"""
LEGACY_VALUES = """
SELECT count(*), coalesce(sum(hashint8extended(hash_record_extended(ROW({}), 0), 0)), 0)
FROM {} JOIN kept.{} USING (ts_utc)
"""


def legacy_values(url: str) -> dict[str, tuple[int, int]]:
    """Rows and fingerprint of the legacy columns at the minutes of the origin, in a table and beside it."""
    found = {}
    with connect(url) as connection:

        def measured(name: str, new: str) -> tuple[int, int]:
            present = list(columns_of(connection, name))
            columns = [f"legacy_{one}" if f"legacy_{one}" in present else one for one in ORIGINAL[new]]
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            query = sql.SQL(LEGACY_VALUES).format(listed, sql.Identifier("bqx", name), sql.Identifier(new))
            rows, values = connection.execute(query).fetchone()
            return rows, int(values)

        for new in ORIGINAL:
            names = [new, OLD.get(new, ""), aside_name(new)]
            parts = [measured(name, new) for name in names if name and _is_table(connection, name)]
            found[new] = tuple(map(sum, zip(*parts, strict=True)))
    return found


def _is_table(connection: psycopg.Connection, name: str) -> bool:
    query = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p')"
    return connection.execute(query, [f"bqx.{name}"]).fetchone() is not None


def test_legacy_values_survive_builds_and_migrations_in_turn(url: str, tmp_path: Path) -> None:
    change(url, KEYS)
    store(url, PAIRS[0], sample_bars(days_around=1, months=1))
    original = legacy_values(url)
    assert all(rows > 400 for rows, _ in original.values())
    assert all(values for _, values in original.values())
    untouched = {name for name in names_of(url).values() if "gbpusd" in name}
    aside = 0
    for number in range(2):
        carry_out(url, tmp_path / f"migrate {number}", request(PAIRS, views=number == 0))
        assert legacy_values(url) == original, "after the migration"
        built = build(url, PAIRS[0], BUILT)
        assert built["built"] == 2 * len(BUILT)
        assert built["legacy_rows_aside"] > 0
        aside = aside or built["legacy_rows_aside"]
        assert built["legacy_rows_aside"] == aside
        assert legacy_values(url) == original, "after the build"
        assert build(url, PAIRS[0], BUILT)["built"] == 0
        assert carry_out(url, tmp_path / f"again {number}", request(PAIRS)).keys() == {"plan"}
        take_back(url, tmp_path / f"revert {number}")
        assert legacy_values(url) == original, "after the revert"
        assert untouched <= set(names_of(url).values())
        with connect(url) as connection:
            left = [name for name in names_of(url).values() if name.startswith(("reg_idx", "statistics_idx"))]
            assert left == []
            columns = columns_of(connection, "reg_eurusd")
            assert {"w60_r2", "catalogue_w60_r2", "w15_a2_norm"} <= set(columns)
            assert not any(name.startswith("legacy_") for name in columns)
