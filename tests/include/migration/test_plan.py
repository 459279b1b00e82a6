"""The plan: every state a database can be found in, one by one."""

from __future__ import annotations

from collections import Counter

import pytest

from include.migration import names
from include.migration.model import Batch, Plan
from include.migration.plan import Options, classify
from include.migration.snapshot import Dependent, Snapshot
from include.names import LEGACY
from include.pairs import PAIRS
from tests.include.migration.catalogs import (
    STAMP,
    Maker,
    applied,
    bound_of,
    legacy_columns,
    our_columns,
)

PAIR = "eurusd"
STATISTICS = "statistics_idx"


def plan_of(maker: Maker, **options: bool) -> Plan:
    return classify(maker.snapshot(), [PAIR], Options(**options))


def batch_of(plan: Plan, family: str = STATISTICS) -> Batch:
    (batch,) = (batch for batch in plan.batches if (batch.family, batch.pair) == (family, PAIR))
    return batch


def notes_of(plan: Plan, kind: str) -> list[str]:
    return [note.name for note in plan.notes if note.kind == kind]


def renamed(batch: Batch) -> dict[str, str]:
    return {rename.old: rename.new for rename in batch.renames}


def assert_settles(maker: Maker, **options: bool) -> None:
    """Once applied there is nothing left to do, and what was to be done is done."""
    catalog = maker.snapshot()
    plan = classify(catalog, [PAIR], Options(**options))
    again = classify(applied(catalog, plan), [PAIR], Options(**options))
    assert list(again.at_work) == []
    states = {(batch.family, batch.pair): batch.state for batch in again.batches}
    assert {states[batch.family, batch.pair] for batch in plan.at_work} <= {"done"}
    assert again.conflicts == plan.conflicts


class TestLegacyTable:
    """The legacy table is there, its new name is free."""

    def test_everything_with_the_old_name_is_renamed_in_order(self):
        maker = Maker()
        parent = maker.legacy("reg_idx")
        maker.index(parent, "idx_reg_eurusd_ts")
        maker.index(maker.relations["reg_eurusd_2024_01"], "reg_eurusd_2024_01_w60_r2_idx")
        maker.index(parent, "by_time")
        maker.sequence(parent, "reg_eurusd_id_seq")
        maker.check(parent, "reg_eurusd_rate_index_check")
        batch = batch_of(plan_of(maker), "reg_idx")
        assert batch.state == "to do"
        assert batch.partitions == 2
        assert [(rename.kind, rename.old, rename.new, rename.on) for rename in batch.renames] == [
            ("table", "reg_eurusd", "reg_idx_eurusd", ""),
            ("partition", "reg_eurusd_2024_01", "reg_idx_eurusd_2024_01", ""),
            ("partition", "reg_eurusd_2024_02", "reg_idx_eurusd_2024_02", ""),
            ("constraint", "reg_eurusd_pkey", "reg_idx_eurusd_pkey", "reg_idx_eurusd"),
            (
                "constraint",
                "reg_eurusd_rate_index_check",
                "reg_idx_eurusd_rate_index_check",
                "reg_idx_eurusd",
            ),
            (
                "constraint",
                "reg_eurusd_2024_01_pkey",
                "reg_idx_eurusd_2024_01_pkey",
                "reg_idx_eurusd_2024_01",
            ),
            (
                "constraint",
                "reg_eurusd_2024_02_pkey",
                "reg_idx_eurusd_2024_02_pkey",
                "reg_idx_eurusd_2024_02",
            ),
            ("index", "idx_reg_eurusd_ts", "idx_reg_idx_eurusd_ts", ""),
            ("index", "reg_eurusd_2024_01_w60_r2_idx", "reg_idx_eurusd_2024_01_w60_r2_idx", ""),
            ("sequence", "reg_eurusd_id_seq", "reg_idx_eurusd_id_seq", ""),
            ("column", "w60_r2", "legacy_w60_r2", "reg_idx_eurusd"),
            ("column", "w90_r2", "legacy_w90_r2", "reg_idx_eurusd"),
        ]
        assert_settles(maker)

    @pytest.mark.parametrize("family", LEGACY)
    def test_every_family_settles(self, family):
        maker = Maker()
        maker.legacy(family)
        assert batch_of(plan_of(maker), family).state == "to do"
        assert_settles(maker)

    def test_a_table_of_other_columns_is_renamed_and_remarked(self):
        maker = Maker()
        maker.tree("statistics_features_eurusd", {"ts_utc": STAMP, "entropy_60min": "NUMERIC"})
        batch = batch_of(plan_of(maker))
        assert batch.state == "to do"
        assert "lacks the legacy columns skewness_60min" in batch.reason
        assert_settles(maker)

    def test_partitions_of_partitions_are_renamed_too(self):
        maker = Maker()
        parent = maker.legacy(STATISTICS, months=())
        half = maker.relation("statistics_features_eurusd_2024_01", "p", parent.oid, bound_of("2024-01"))
        maker.partition(half, "statistics_features_eurusd_2024_02", "FOR VALUES ...")
        assert len([r for r in batch_of(plan_of(maker)).renames if r.kind == "partition"]) == 2
        assert_settles(maker)


class TestHalfRenamed:
    """A run was interrupted, or somebody renamed a part by hand."""

    def test_parent_done_children_not(self):
        maker = Maker()
        parent = maker.parent("statistics_idx_eurusd", legacy_columns(STATISTICS))
        maker.partition(parent, "statistics_features_eurusd_2024_01", bound_of("2024-01"))
        batch = batch_of(plan_of(maker))
        assert batch.state == "interrupted"
        assert renamed(batch) == {
            "statistics_features_eurusd_2024_01": "statistics_idx_eurusd_2024_01",
            "statistics_features_eurusd_2024_01_pkey": "statistics_idx_eurusd_2024_01_pkey",
        }
        assert_settles(maker)

    def test_children_done_parent_not(self):
        maker = Maker()
        parent = maker.parent("statistics_features_eurusd", legacy_columns(STATISTICS))
        maker.partition(parent, "statistics_idx_eurusd_2024_01", bound_of("2024-01"))
        batch = batch_of(plan_of(maker))
        assert batch.state == "interrupted"
        assert renamed(batch) == {
            "statistics_features_eurusd": "statistics_idx_eurusd",
            "statistics_features_eurusd_pkey": "statistics_idx_eurusd_pkey",
        }
        assert_settles(maker)

    def test_tables_done_but_their_keys_and_columns_not(self):
        maker = Maker()
        parent = maker.relation("reg_idx_eurusd", "p")
        maker.columns[parent.oid] = legacy_columns("reg_idx")
        maker.key(parent, "reg_eurusd_pkey")
        batch = batch_of(plan_of(maker), "reg_idx")
        assert batch.state == "interrupted"
        assert [rename.kind for rename in batch.renames] == ["constraint", "column", "column"]
        assert_settles(maker)

    def test_one_of_two_columns_done(self):
        maker = Maker()
        columns = legacy_columns("reg_idx")
        columns["legacy_w60_r2"] = columns.pop("w60_r2")
        maker.tree("reg_idx_eurusd", columns)
        batch = batch_of(plan_of(maker), "reg_idx")
        assert renamed(batch) == {"w90_r2": "legacy_w90_r2"}
        assert_settles(maker)


class TestDoneAndOurs:
    """Only the new name is there."""

    def test_a_migrated_table_is_done(self):
        maker = Maker()
        maker.tree("statistics_idx_eurusd", legacy_columns(STATISTICS))
        assert batch_of(plan_of(maker)) == Batch(
            STATISTICS, PAIR, "done", "statistics_features_eurusd", "statistics_idx_eurusd", partitions=2
        )

    def test_a_migrated_table_that_was_built_is_done_and_keeps_its_columns(self):
        maker = Maker()
        columns = legacy_columns("reg_idx")
        for name in ("w60_r2", "w90_r2"):
            columns[f"legacy_{name}"] = columns.pop(name)
        ours = our_columns("reg_idx", PAIR)
        maker.tree("reg_idx_eurusd", columns | ours, owned=ours)
        assert batch_of(plan_of(maker), "reg_idx").state == "done"

    def test_a_table_that_we_made_is_ours_and_one_that_only_looks_like_it_is_not(self):
        maker = Maker()
        maker.ours(STATISTICS)
        assert batch_of(plan_of(maker)).state == "ours"
        maker = Maker()
        maker.tree("statistics_idx_eurusd", our_columns(STATISTICS, PAIR))
        assert batch_of(plan_of(maker)).state == "conflict"

    def test_a_table_of_an_older_version_is_ours_also_with_a_column_that_somebody_added(self):
        columns = {"ts_utc": STAMP, "mean_20": "DOUBLE PRECISION"}
        for added in ({}, {"note": "TEXT"}):
            maker = Maker()
            maker.tree("statistics_idx_eurusd", columns | added, owned=["mean_20"])
            assert batch_of(plan_of(maker)).state == "ours"

    def test_the_journal_proves_a_rename_whatever_the_columns(self):
        maker = Maker()
        made = maker.tree("statistics_idx_eurusd", {"ts_utc": STAMP})
        key = (made.oid, "table", "statistics_features_eurusd")
        maker.extra["journal"] = {key: "renamed"}
        assert batch_of(plan_of(maker)).state == "done"
        maker.extra["journal"] = {key: "reverted"}
        assert batch_of(plan_of(maker)).state == "conflict"

    def test_only_a_column_that_we_made_keeps_a_name_of_the_catalogue(self):
        for owned, renamed_columns in ((("w60_r2", "w90_r2"), []), (("w60_r2",), ["w90_r2"])):
            maker = Maker()
            maker.tree("reg_idx_eurusd", legacy_columns("reg_idx"), owned=owned)
            batch = batch_of(plan_of(maker), "reg_idx")
            assert [r.old for r in batch.renames if r.kind == "column"] == renamed_columns
            assert batch.state == ("interrupted" if renamed_columns else "done")
            assert_settles(maker)

    def test_a_strangers_column_beside_the_legacy_one_is_a_conflict_and_nothing_is_renamed(self):
        maker = Maker()
        columns = legacy_columns("reg_idx") | {"legacy_w60_r2": "DOUBLE PRECISION"}
        maker.tree("reg_idx_eurusd", columns)
        batch = batch_of(plan_of(maker), "reg_idx")
        assert (batch.state, batch.renames) == ("conflict", ())
        assert "both w60_r2, which this bundle did not make, and legacy_w60_r2" in batch.reason


class TestCollisions:
    """Old and new name are both there, or something has a name that is needed."""

    def both(self, *, ours: bool = True) -> Maker:
        maker = Maker()
        maker.legacy(STATISTICS)
        columns = our_columns(STATISTICS, PAIR)
        if ours:
            maker.ours(STATISTICS)
        else:
            maker.tree("statistics_idx_eurusd", columns)  # looks like ours
        return maker

    def test_a_full_target_of_the_builds_is_replaced_only_if_allowed(self):
        maker = self.both()
        maker.extra["filled"] = frozenset({"statistics_idx_eurusd"})
        batch = batch_of(plan_of(maker, replace_empty=True))
        assert batch.state == "conflict"
        assert "allow replace_built" in batch.reason
        batch = batch_of(plan_of(maker, replace_built=True))
        assert (batch.state, batch.drop_first, batch.drop_rows) == ("to do", "statistics_idx_eurusd", True)

    def test_a_full_target_of_somebody_else_is_never_replaced(self):
        maker = self.both(ours=False)
        maker.extra["filled"] = frozenset({"statistics_idx_eurusd"})
        for allowed in (False, True):
            batch = batch_of(plan_of(maker, replace_empty=allowed, replace_built=allowed))
            assert (batch.state, batch.renames, batch.drop_first) == ("conflict", (), "")
            assert "holds rows" in batch.reason

    def test_an_empty_target_is_replaced_only_if_allowed(self):
        maker = self.both()
        batch = batch_of(plan_of(maker))
        assert batch.state == "conflict"
        assert "allow replace_empty" in batch.reason
        batch = batch_of(plan_of(maker, replace_empty=True))
        assert (batch.state, batch.drop_first) == ("to do", "statistics_idx_eurusd")
        assert renamed(batch)["statistics_features_eurusd_2024_01"] == "statistics_idx_eurusd_2024_01"
        assert_settles(maker, replace_empty=True)

    def test_an_empty_target_that_is_not_ours_stays(self):
        batch = batch_of(plan_of(self.both(ours=False), replace_empty=True))
        assert batch.state == "conflict"
        assert "not ours" in batch.reason

    def test_an_empty_target_in_use_stays(self):
        maker = self.both()
        partition = maker.relations["statistics_idx_eurusd_2024_01"]
        maker.dependents.append(Dependent(partition.oid, "view", "bqx.report"))
        batch = batch_of(plan_of(maker, replace_empty=True))
        assert batch.state == "conflict"
        assert "bqx.report" in batch.reason

    @pytest.mark.parametrize("kind", ["v", "m", "r", "i", "S"])
    @pytest.mark.parametrize("with_old", [True, False])
    def test_something_else_under_the_new_name(self, kind, with_old):
        maker = Maker()
        if with_old:
            maker.legacy(STATISTICS)
        maker.relation("statistics_idx_eurusd", kind)
        batch = batch_of(plan_of(maker, replace_empty=True))
        assert (batch.state, batch.renames) == ("conflict", ())
        assert "statistics_idx_eurusd" in batch.reason

    @pytest.mark.parametrize("name", ["statistics_idx_eurusd_2024_02", "statistics_idx_eurusd_2024_02_pkey"])
    def test_a_new_name_of_a_part_is_taken(self, name):
        maker = Maker()
        maker.legacy(STATISTICS)
        maker.relation(name, "r")
        batch = batch_of(plan_of(maker))
        assert (batch.state, batch.renames) == ("conflict", ())
        assert name in batch.reason

    def test_a_type_has_the_new_name(self):
        maker = Maker()
        maker.legacy(STATISTICS)
        maker.extra["types"] = frozenset({"statistics_idx_eurusd"})
        assert batch_of(plan_of(maker)).state == "conflict"

    def test_two_objects_would_get_one_name(self):
        maker = Maker()
        parent = maker.legacy(STATISTICS)
        maker.check(parent, "statistics_features_eurusd_ok")
        maker.check(parent, "statistics_idx_eurusd_ok")
        assert batch_of(plan_of(maker)).state == "conflict"

    def test_a_conflict_stops_only_its_own_batch(self):
        maker = self.both()
        maker.legacy("volume_idx")
        plan = plan_of(maker)
        assert Counter(batch.state for batch in plan.batches) == {"conflict": 1, "to do": 1, "missing": 6}

    def test_a_table_of_unknown_origin_under_the_new_name(self):
        maker = Maker()
        maker.tree("statistics_idx_eurusd", {"ts_utc": STAMP, "a": "INTEGER"})
        batch = batch_of(plan_of(maker))
        assert batch.state == "conflict"
        assert "find out who made it" in batch.reason

    def test_legacy_columns_without_partitions_while_months_stand_beside(self):
        maker = Maker()
        maker.parent("statistics_idx_eurusd", legacy_columns(STATISTICS))
        assert batch_of(plan_of(maker)).state == "done"
        maker.relation("statistics_idx_eurusd_2024_01", "r")
        assert batch_of(plan_of(maker)).state == "conflict"


class TestStraysAndOddities:
    """What only looks like a legacy table, and what hangs on one without looking like it."""

    def test_orphans_are_reported_and_left(self):
        maker = Maker()
        maker.legacy(STATISTICS)
        other = maker.parent("archive", {"ts_utc": STAMP})
        maker.relation("statistics_features_eurusd_2023_12", "r")
        maker.partition(other, "statistics_features_eurusd_2023_11", bound_of("2023-11"))
        plan = plan_of(maker)
        assert notes_of(plan, "orphan") == [
            "bqx.statistics_features_eurusd_2023_11",
            "bqx.statistics_features_eurusd_2023_12",
        ]
        assert not set(renamed(batch_of(plan))) & {"statistics_features_eurusd_2023_12"}
        assert_settles(maker)

    def test_partitions_follow_however_their_names_end_and_odd_names_stay(self):
        maker = Maker()
        parent = maker.legacy(STATISTICS)
        maker.partition(parent, "statistics_features_eurusd_default", "DEFAULT")
        maker.partition(parent, "old_stuff", bound_of("2024-03"))
        maker.partition(parent, "volume_features_gbpusd_2024_04", bound_of("2024-04"))
        plan = plan_of(maker)
        assert notes_of(plan, "default partition") == ["bqx.statistics_features_eurusd_default"]
        assert notes_of(plan, "odd name") == ["bqx.old_stuff", "bqx.volume_features_gbpusd_2024_04"]
        batch = batch_of(plan)
        assert batch.partitions == 5
        assert {r.old: r.new for r in batch.renames if r.kind == "partition"} == {
            "statistics_features_eurusd_2024_01": "statistics_idx_eurusd_2024_01",
            "statistics_features_eurusd_2024_02": "statistics_idx_eurusd_2024_02",
            "statistics_features_eurusd_default": "statistics_idx_eurusd_default",
        }
        # no index of the family keeps the old prefix, the odd table's own neither
        assert "statistics_features_eurusd_default_pkey" in renamed(batch)
        assert_settles(maker)

    def test_a_name_that_says_another_month_is_reported(self):
        maker = Maker()
        parent = maker.legacy(STATISTICS, months=())
        maker.partition(parent, "statistics_features_eurusd_2024_01", bound_of("2024-02"))
        plan = plan_of(maker)
        assert notes_of(plan, "odd month") == ["bqx.statistics_features_eurusd_2024_01"]

    def test_views_and_plain_tables_with_old_names_are_no_legacy_tables(self):
        maker = Maker()
        maker.relation("statistics_features_eurusd", "v")
        maker.relation("volume_features_eurusd", "r")
        maker.relation("spread_features_eurusd", "m")
        plan = plan_of(maker)
        assert notes_of(plan, "kind") == [
            "bqx.spread_features_eurusd",
            "bqx.statistics_features_eurusd",
            "bqx.volume_features_eurusd",
        ]
        assert list(plan.at_work) == []
        assert batch_of(plan, "volume_idx").reason == "volume_features_eurusd is no partitioned table"

    def test_compatibility_views_do_not_disturb_a_finished_migration(self):
        maker = Maker()
        maker.tree("statistics_idx_eurusd", legacy_columns(STATISTICS))
        maker.relation("statistics_features_eurusd", "v", comment=names.COMPATIBILITY_COMMENT)
        plan = plan_of(maker)
        assert batch_of(plan).state == "done"
        assert notes_of(plan, "compatibility view") == ["bqx.statistics_features_eurusd"]

    def test_an_unknown_pair_is_left(self):
        maker = Maker()
        maker.tree("reg_xauusd", legacy_columns("reg_idx"))
        maker.tree("volume_features_btcusd", legacy_columns("volume_idx"))
        plan = plan_of(maker)
        assert notes_of(plan, "no target") == ["bqx.reg_xauusd", "bqx.volume_features_btcusd"]
        assert list(plan.at_work) == []

    def test_other_schemas_functions_and_dependents_are_reported(self):
        maker = Maker()
        parent = maker.legacy("reg_idx")
        partition = maker.relations["reg_eurusd_2024_01"]
        for kind in ("view", "materialized view", "foreign key", "trigger", "publication"):
            maker.dependents += [Dependent(on.oid, kind, f"s.{kind}") for on in (parent, partition)]
        maker.extra["homonyms"] = (("archive", "reg_eurusd"), ("archive", "reg_gbpusd"))
        maker.extra["functions"] = (("bqx.latest()", False),)
        plan = plan_of(maker)
        assert notes_of(plan, "other schema") == ["archive"]
        assert notes_of(plan, "function") == ["bqx.latest()"]
        assert len(notes_of(plan, "dependent")) == 5

    def test_missing_months_are_reported(self):
        maker = Maker()
        for family in (STATISTICS, "volume_idx"):
            maker.legacy(family, months=("2024-01", "2024-02", "2024-03", "2024-04"))
        maker.legacy("reg_idx", months=("2023-12", "2024-01", "2024-04"))
        plan = plan_of(maker)
        texts = {note.name: note.text for note in plan.notes if note.kind == "missing months"}
        assert list(texts) == ["bqx.reg_eurusd"]
        assert "2024-02, 2024-03" in texts["bqx.reg_eurusd"]
        assert batch_of(plan, "reg_idx").state == "to do"

    def test_decoys_are_not_even_mentioned(self):
        maker = Maker()
        for name in ("regime_eurusd", "reg_rate_eurusd", "time_features_eurusd", "technical_features_eurusd"):
            maker.tree(name, {"ts_utc": STAMP, "w60_r2": "DOUBLE PRECISION"})
        for name in ("correlation_eurusd", "m1_eurusd", "bqx_eurusd", "ml_eurusd", "currency_indices"):
            maker.relation(name, "r")
        plan = plan_of(maker, accept_rate_names=True)
        assert plan.notes == ()
        assert {batch.state for batch in plan.batches} == {"missing"}


class TestRateNames:
    """The state in which an older migration left its database."""

    def rate(self, columns: dict[str, str] | None = None) -> Maker:
        maker = Maker()
        parent = maker.relation("statistics_rate_eurusd", "p")
        maker.columns[parent.oid] = columns or legacy_columns(STATISTICS)
        maker.key(parent, "statistics_features_eurusd_pkey")
        maker.partition(parent, "statistics_rate_eurusd_2024_01", bound_of("2024-01"))
        return maker

    def test_they_are_left_and_pointed_out(self):
        plan = plan_of(self.rate())
        assert notes_of(plan, "rate name") == ["bqx.statistics_rate_eurusd"]
        assert batch_of(plan).state == "missing"
        assert "accept_rate_names" in batch_of(plan).reason

    def test_they_are_migrated_if_allowed(self):
        batch = batch_of(plan_of(self.rate(), accept_rate_names=True))
        assert (batch.state, batch.old) == ("to do", "statistics_rate_eurusd")
        assert renamed(batch) == {
            "statistics_rate_eurusd": "statistics_idx_eurusd",
            "statistics_rate_eurusd_2024_01": "statistics_idx_eurusd_2024_01",
            "statistics_features_eurusd_pkey": "statistics_idx_eurusd_pkey",
            "statistics_rate_eurusd_2024_01_pkey": "statistics_idx_eurusd_2024_01_pkey",
        }
        assert_settles(self.rate(), accept_rate_names=True)

    def test_other_columns_are_refused(self):
        plan = plan_of(self.rate({"ts_utc": STAMP, "rate": "NUMERIC"}), accept_rate_names=True)
        assert batch_of(plan).state == "conflict"

    def test_both_generations_are_a_conflict(self):
        maker = self.rate()
        parent = maker.relation("statistics_features_eurusd", "p")
        maker.columns[parent.oid] = legacy_columns(STATISTICS)
        batch = batch_of(plan_of(maker, accept_rate_names=True))
        assert batch.state == "conflict"
        assert "both exist" in batch.reason

    def test_reg_rate_is_never_an_alias(self):
        maker = Maker()
        maker.tree("reg_rate_eurusd", legacy_columns("reg_idx"))
        assert batch_of(plan_of(maker, accept_rate_names=True), "reg_idx").state == "missing"


class TestRegBqx:
    """The table that keeps its name."""

    def test_only_clashing_columns_are_renamed(self):
        maker = Maker()
        maker.tree("reg_bqx_eurusd", dict.fromkeys(("ts_utc", "w15_r2", "w45_r2", "agg_r2"), "NUMERIC"))
        batch = batch_of(plan_of(maker), "reg_bqx")
        assert (batch.state, batch.old, batch.new) == ("to do", "reg_bqx_eurusd", "reg_bqx_eurusd")
        assert [(r.kind, r.old, r.new, r.on) for r in batch.renames] == [
            ("column", "w15_r2", "legacy_w15_r2", "reg_bqx_eurusd"),
            ("column", "w45_r2", "legacy_w45_r2", "reg_bqx_eurusd"),
        ]
        assert_settles(maker)

    def test_without_a_clash_it_is_done(self):
        maker = Maker()
        maker.tree("reg_bqx_eurusd", {"ts_utc": STAMP, "agg_r2": "NUMERIC"})
        assert batch_of(plan_of(maker), "reg_bqx").state == "done"

    def test_half_of_the_columns_done(self):
        maker = Maker()
        maker.tree("reg_bqx_eurusd", {"ts_utc": STAMP, "legacy_w15_r2": "NUMERIC", "w45_r2": "NUMERIC"})
        batch = batch_of(plan_of(maker), "reg_bqx")
        assert batch.state == "interrupted"
        assert renamed(batch) == {"w45_r2": "legacy_w45_r2"}

    def test_our_own_and_the_absent_one(self):
        maker = Maker()
        assert batch_of(plan_of(maker), "reg_bqx").state == "missing"
        maker.ours("reg_bqx")
        assert batch_of(plan_of(maker), "reg_bqx").state == "ours"

    def test_a_legacy_table_to_which_the_build_added_its_columns(self):
        maker = Maker()
        ours = our_columns("reg_bqx", PAIR)
        maker.tree("reg_bqx_eurusd", {"ts_utc": STAMP, "agg_r2": "NUMERIC"} | ours, owned=ours)
        assert batch_of(plan_of(maker), "reg_bqx").state == "done"

    def test_a_plain_table_is_a_conflict(self):
        maker = Maker()
        maker.relation("reg_bqx_eurusd", "r")
        assert batch_of(plan_of(maker), "reg_bqx").state == "conflict"


def test_nothing_at_all():
    plan = classify(Snapshot())
    assert {batch.state for batch in plan.batches} == {"missing"}
    assert len(plan.batches) == 8 * len(PAIRS)
    assert plan.notes == ()
    assert plan.hash == classify(Snapshot(), ["gbpusd"]).hash  # nothing is nothing


def test_the_hash_is_of_what_would_be_done():
    maker = Maker()
    maker.legacy(STATISTICS)
    before = plan_of(maker)
    maker.relation("bystander", "r")
    assert plan_of(maker).hash == before.hash
    maker.legacy("volume_idx")
    assert plan_of(maker).hash != before.hash
