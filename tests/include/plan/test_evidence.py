"""Evidence is what is there: each planted lack takes it away, and names the pair."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from include.build import chunks
from include.build.chunks import read_chunk
from include.build.code import code_version
from include.build.months import build
from include.dataset.export import open_manifest
from include.errors import PlanRefused, QualityError
from include.features.catalogue import STORED
from include.migration import steps
from include.names import Month
from include.objects import ObjectStore
from include.plan import counts, verified
from include.plan.counts import grid_rows_of, rows_of, stale_tables
from include.plan.evidence import Proof, gather
from include.plan.model import Evidence
from include.quality.gate import check_stage
from include.reports import Reports
from include.storage.connection import connect
from include.training.choice.record import Decision, write
from local.legacy import build_legacy
from local.postgres import Postgres
from tests.include.dataset.stores import empty_store, export
from tests.include.quality.samples import change, copy_of
from tests.include.storage.samples import sample_bars, store
from tests.reports import NOWHERE, in_folder

PAIRS = ("eurusd", "gbpusd")
FAMILIES = ("statistics_bqx",)
TABLE = "statistics_bqx_eurusd"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def template(postgres: Postgres, reports: Path) -> Iterator[str]:
    """Two pairs, loaded, built and found right by the gate."""
    name = f"evidence_{os.getpid()}"
    postgres.create_database(name)
    url = postgres.url(name)
    for seed, pair in enumerate(PAIRS):
        store(url, pair, sample_bars(seed, days_around=1, months=2))
    for pair in PAIRS:
        build(url, pair, FAMILIES)
        check_stage(url, pair, FAMILIES, reports=in_folder(reports), run_label="run 1")
    yield name
    with closing(postgres.connect()) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def url(postgres: Postgres, template: str) -> Iterator[str]:
    with copy_of(postgres, template) as url:
        yield url


def proof(url: str, reports: Path, kind: str, families: tuple[str, ...] = FAMILIES) -> Proof:
    evidence = Evidence(kind, families, "bqx_features", "x")
    return gather(url, [evidence], PAIRS, reports=NOWHERE)[evidence]


def test_everything_is_there(url: str, reports: Path) -> None:
    for kind in ("schema", "backfill", "gate"):
        found = proof(url, reports, kind)
        assert found.done, kind
        assert found.missing == ()
        assert found.text.startswith("2 of 2 pairs")
    assert proof(url, reports, "gate").report.endswith("_eurusd.html")


def test_an_empty_database_has_nothing(database_url: str, tmp_path: Path) -> None:
    kinds = ("schema", "backfill", "gate", "renamed", "counts", "documented")
    found = gather(database_url, [Evidence(kind, FAMILIES) for kind in kinds], PAIRS, reports=NOWHERE)
    assert [(one.done, one.begun) for one in found.values()] == [(False, False)] * len(kinds)


def test_grid_rows_are_those_of_the_build(url: str) -> None:
    with connect(url) as connection:
        for pair, months in grid_rows_of(connection, PAIRS).items():
            wanted = {
                month: len(read_chunk(connection, pair, Month.parse(month), 0).rows_of_month)
                for month in months
            }
            assert months == wanted
            assert len(months) == 3


def test_grid_rows_of_the_origins_bars(url: str) -> None:
    with connect(url) as connection:
        before = grid_rows_of(connection, ["eurusd"])
    change(
        url,
        "ALTER TABLE bqx.m1_eurusd RENAME TO old",
        "CREATE TABLE bqx.m1_eurusd AS SELECT ts_utc AT TIME ZONE 'UTC' AS time FROM bqx.old",
    )
    with connect(url) as connection:
        assert grid_rows_of(connection, ["eurusd"]) == before


def test_a_table_that_is_missing(url: str, reports: Path) -> None:
    change(url, f"DROP TABLE bqx.{TABLE}")
    for kind in ("schema", "backfill"):
        found = proof(url, reports, kind)
        assert (found.done, found.begun, found.missing) == (False, True, ("eurusd",)), kind


def test_a_column_of_another_type(url: str, reports: Path) -> None:
    change(url, f"ALTER TABLE bqx.{TABLE} ALTER COLUMN mean_20 TYPE REAL")
    assert proof(url, reports, "schema").missing == ("eurusd",)


def test_a_legacy_column_does_no_harm(url: str, reports: Path) -> None:
    change(url, f"ALTER TABLE bqx.{TABLE} ADD COLUMN old_mean NUMERIC")
    assert proof(url, reports, "schema").done


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM bqx.{TABLE} WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.{TABLE})",
        f"TRUNCATE bqx.{TABLE}",
        f"ALTER TABLE bqx.{TABLE} DETACH PARTITION bqx.{TABLE}_2024_02",
    ],
)
def test_rows_that_are_missing(url: str, reports: Path, statement: str) -> None:
    assert proof(url, reports, "backfill").done  # and the counts are kept
    change(url, statement)
    found = proof(url, reports, "backfill")
    assert (found.done, found.missing) == (False, ("eurusd",))


def test_more_bars_ask_for_more_rows(url: str, reports: Path) -> None:
    assert proof(url, reports, "backfill").done
    change(
        url,
        "DELETE FROM bqx.m1_gbpusd WHERE ts_utc BETWEEN '2024-02-01 10:00+00' AND '2024-02-01 11:00+00'",
    )
    assert proof(url, reports, "backfill").missing == ("gbpusd",)


def test_nothing_is_counted_twice(url: str, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = proof(url, reports, "backfill")

    def counted(*_: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr(counts, "_rows", counted)
    monkeypatch.setattr(counts, "_grid", counted)
    assert proof(url, reports, "backfill") == first


def test_exact_rows(url: str) -> None:
    with connect(url) as connection:
        found = rows_of(connection, [TABLE, "no_such_table"])
        total = connection.execute(f"SELECT count(*) FROM bqx.{TABLE}").fetchone()
    assert list(found) == [TABLE]
    assert (sum(found[TABLE].values()),) == total


def test_a_build_after_the_gate_is_not_checked(url: str, reports: Path) -> None:
    build(url, "gbpusd", FAMILIES, ["2024-02"], rebuild=True)
    found = proof(url, reports, "gate")
    assert (found.done, found.begun, found.missing) == (False, True, ("gbpusd",))
    check_stage(url, "gbpusd", FAMILIES, ["2024-02"], reports=in_folder(reports), run_label="run 2")
    assert proof(url, reports, "gate").done


def test_a_gate_that_finds_something(url: str, reports: Path) -> None:
    change(url, f"UPDATE bqx.{TABLE} SET mean_20 = 1e9 WHERE ts_utc = '2024-02-01 12:00+00'")
    with pytest.raises(QualityError):
        check_stage(url, "eurusd", FAMILIES, reports=in_folder(reports), run_label="run 3")
    found = proof(url, reports, "gate")
    assert (found.done, found.missing) == (False, ("eurusd",))
    assert "1 findings" in found.text
    assert "run-3" in found.report
    assert Path(found.report).exists()


def test_a_family_is_implemented_with_this_code(
    url: str, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = {name: verified.Score(5, 5) for name in FAMILIES}
    monkeypatch.setattr(verified, "read", lambda: verified.Verified(code_version(), tests))
    found = proof(url, reports, "implemented")
    assert found.done
    assert "5 of 5 tests passed with this code version" in found.text
    monkeypatch.setattr(verified, "read", lambda: verified.Verified("another", tests))
    assert not proof(url, reports, "implemented").done
    failed = {name: verified.Score(5, 4) for name in FAMILIES}
    monkeypatch.setattr(verified, "read", lambda: verified.Verified(code_version(), failed))
    assert not proof(url, reports, "implemented").done
    monkeypatch.setattr(verified, "read", lambda: verified.Verified(code_version(), {}))
    assert not proof(url, reports, "implemented").done


def test_a_database_without_legacy_tables_says_so(url: str, reports: Path) -> None:
    for kind in ("renamed", "counts", "documented"):
        found = proof(url, reports, kind)
        assert found.done, kind
        assert "no legacy tables" in found.text


def test_bars_that_changed_take_done_away_until_the_next_build(url: str, reports: Path) -> None:
    for kind in ("backfill", "gate"):
        assert proof(url, reports, kind).done
    change(
        url,
        "UPDATE bqx.m1_gbpusd SET close = close * 1.0001, high = high * 1.0002"
        " WHERE ts_utc = (SELECT max(ts_utc) FROM bqx.m1_gbpusd)",
    )
    for kind in ("backfill", "gate"):
        found = proof(url, reports, kind)
        assert (found.done, found.missing) == (False, ("gbpusd",)), kind
        assert "1 pairs do not follow from the present bars and code" in found.text
    build(url, "gbpusd", FAMILIES)
    check_stage(url, "gbpusd", FAMILIES, reports=in_folder(reports), run_label="run 2")
    for kind in ("backfill", "gate"):
        assert proof(url, reports, kind).done


def test_another_formula_takes_done_away(url: str, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proof(url, reports, "backfill").done
    for module in (chunks, counts):
        monkeypatch.setattr(module, "code_version", lambda: "another")
    assert proof(url, reports, "backfill").missing == PAIRS


def test_bars_are_looked_at_once_however_often_tables_are_built(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    expect = counts.expect_all
    monkeypatch.setattr(counts, "expect_all", lambda *args: looked.append(args) or expect(*args))
    unlogged = "DELETE FROM bqx.build_log WHERE table_name = %s"
    with connect(url) as connection:
        for _ in range(2):
            assert stale_tables(url, connection, PAIRS, FAMILIES) == frozenset()
        connection.execute(unlogged, [f"{FAMILIES[0]}_gbpusd"])
        assert stale_tables(url, connection, PAIRS, FAMILIES) == {f"{FAMILIES[0]}_gbpusd"}
        build(url, "gbpusd", FAMILIES)
        assert stale_tables(url, connection, PAIRS, FAMILIES) == frozenset()
        assert len(looked) == 1
        connection.execute("UPDATE bqx.m1_gbpusd SET close = high WHERE close < high")
    with connect(url) as connection:
        assert {name.rpartition("_")[2] for name in stale_tables(url, connection, PAIRS, FAMILIES)} == {
            "gbpusd"
        }
    assert len(looked) == 2


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_migration_is_followed_to_its_end(database_url: str, tmp_path: Path, where: str) -> None:
    with empty_store(tmp_path / "s3") as store:
        bucket = Reports(store._replace(prefix="reports"))
        follow_migration(database_url, in_folder(tmp_path / "reports") if where == "folder" else bucket)


def test_models_of_the_newest_data_set_count(database_url: str, tmp_path: Path) -> None:
    wanted = Evidence("trained")

    def proof(bucket: ObjectStore | None) -> Proof:
        return gather(database_url, [wanted], PAIRS, reports=NOWHERE, bucket=bucket)[wanted]

    with empty_store(tmp_path) as store:
        bucket = store._replace(prefix="")
        assert proof(None) == proof(bucket)
        assert (proof(bucket).done, proof(bucket).begun) == (False, False)
        export(store, "newer")
        content = open_manifest(store, "newer").content_hash[:16]
        for model in ("rf", "xgb"):
            bucket.put(f"training/0123456789abcdef/bqx-{PAIRS[0]}-{model}-0a/result.json", b"{}")
        bucket.put(f"training/{content}/bqx-{PAIRS[0]}-rf-0b/result.json", b"{}")
        assert not proof(bucket).begun
        bucket.put(
            f"training/{content}/bqx-{PAIRS[0]}-xgb-0b/output/model.tar.gz", b"it ended, and was not noted"
        )
        assert not proof(bucket).begun
        bucket.put(f"training/{content}/bqx-{PAIRS[0]}-xgb-0b/result.json", b"{}")
        assert proof(bucket).begun
        assert proof(bucket).text == f"Random Forest and XGBoost of 1 of {len(PAIRS)} pairs; data set newer"
        assert proof(bucket).missing == PAIRS[1:]
        for pair in PAIRS[1:]:
            for model in ("rf", "xgb"):
                bucket.put(f"training/{content}/bqx-{pair}-{model}-0c/result.json", b"{}")
        assert proof(bucket).done


def test_every_pair_is_decided_on_the_newest_data_set(database_url: str, tmp_path: Path) -> None:
    wanted = Evidence("decided")

    def proof(bucket: ObjectStore | None) -> Proof:
        return gather(database_url, [wanted], PAIRS, reports=NOWHERE, bucket=bucket)[wanted]

    with empty_store(tmp_path) as store:
        bucket = store._replace(prefix="")
        assert proof(None) == proof(bucket)
        assert (proof(bucket).done, proof(bucket).begun) == (False, False)
        export(store, "newer")
        newest = {"content_hash": open_manifest(store, "newer").content_hash, "previous": None}
        for pair in PAIRS:
            write(bucket, pair, lambda _: {"content_hash": "of an older one", "previous": None})
        assert not proof(bucket).begun
        write(bucket, PAIRS[0], lambda before: newest | {"chosen": "xgboost", "previous": hash_of(before)})
        assert proof(bucket).text == f"1 of {len(PAIRS)} pairs decided on data set newer; xgboost for 1"
        assert (proof(bucket).begun, proof(bucket).missing) == (True, PAIRS[1:])
        for pair in PAIRS[1:]:
            write(bucket, pair, lambda before: newest | {"chosen": None, "previous": hash_of(before)})
        assert proof(bucket).done
        assert proof(bucket).text.endswith(f"; no model for {len(PAIRS) - 1}; xgboost for 1")


def hash_of(decision: Decision | None) -> str | None:
    return None if decision is None else decision.hash


def follow_migration(database_url: str, reports: Reports) -> None:
    build_legacy(database_url, pairs=PAIRS, months=[Month(2024, 1)], step_minutes=240, decoys=False)
    request = steps.Request(PAIRS, steps.MIGRATE, False, True, steps.Options(False, False))

    def states() -> list[bool]:
        kinds = ("renamed", "counts", "documented")
        found = gather(database_url, [Evidence(kind, STORED) for kind in kinds], PAIRS, reports=reports)
        return [one.done for one in found.values()]

    assert states() == [False, False, False]
    made = steps.plan(database_url, request, reports=reports, run_label="m")
    steps.prepare(database_url, request, made, parallel=1)
    for pair in PAIRS:
        steps.count(database_url, request, made["hash"], pair)
        steps.apply(database_url, request, made["hash"], pair)
    assert states() == [True, False, False]
    for pair in PAIRS:
        steps.check(database_url, request, pair)
    assert states() == [True, True, False]
    steps.publish(database_url, request, made["hash"], reports=reports, run_label="m")
    assert states() == [True, True, True]
    reports.store.delete([reports.key("migration", "m", "tables.md")])
    assert states() == [True, True, False], "a document is gone"


@pytest.mark.parametrize(
    "evidence", [Evidence("guess", FAMILIES), Evidence("backfill", ("no_family",)), Evidence("schema")]
)
def test_a_plan_that_asks_for_nonsense_is_refused(database_url: str, evidence: Evidence) -> None:
    with pytest.raises(PlanRefused):
        gather(database_url, [evidence], PAIRS, reports=NOWHERE)


def test_what_only_people_judge_has_no_proof(database_url: str) -> None:
    assert gather(database_url, [Evidence("none")], PAIRS, reports=NOWHERE) == {}
