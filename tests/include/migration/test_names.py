"""Names: exactly the legacy tables are meant, and each new name is the one that PostgreSQL keeps."""

from __future__ import annotations

import pytest

from include.features.catalogue import FAMILIES
from include.migration import names
from include.names import LEGACY, MAX_IDENTIFIER, legacy_pattern
from include.pairs import PAIRS
from include.storage.connection import connect


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reg_eurusd", "reg_idx_eurusd"),
        ("reg_eurusd_2024_01", "reg_idx_eurusd_2024_01"),
        ("statistics_features_usdjpy_2025_12", "statistics_idx_usdjpy_2025_12"),
        ("bollinger_features_audcad", "bollinger_idx_audcad"),
        ("fibonacci_features_nzdusd", "fibonacci_idx_nzdusd"),
        ("volume_features_gbpjpy", "volume_idx_gbpjpy"),
        ("spread_features_eurgbp", "spread_idx_eurgbp"),
        ("correlation_features_cadchf_2024_07", "correlation_idx_cadchf_2024_07"),
    ],
)
def test_legacy_names_get_the_family_of_the_catalogue(old, new):
    assert names.new_name(old) == new
    assert names.match_new(new) == names.match_old(old)
    assert names.match_new(old) is None
    assert names.match_old(new) is None


@pytest.mark.parametrize(
    "decoy",
    [
        "reg_bqx_eurusd",
        "reg_bqx_eurusd_2024_01",
        "reg_rate_eurusd",
        "reg_idx_eurusd",
        "regime_eurusd",
        "regXeurusd",
        "reg_xauusd",
        "reg_eurusd_2024",
        "reg_eurusd_2024_01_old",
        "reg_eurusd_default",
        "reg_eurusd\n",
        " reg_eurusd",
        "REG_EURUSD",
        "time_features_eurusd",
        "technical_features_eurusd",
        "technical_idx_eurusd",
        "correlation_eurusd",
        "correlation_features_",
        "statistics_rate_eurusd",
        "m1_eurusd",
        "bqx_eurusd",
        "currency_indices",
        "",
    ],
)
def test_look_alikes_are_no_legacy_names(decoy):
    assert names.match_old(decoy) is None
    with pytest.raises(ValueError, match="not the name of a legacy table"):
        names.new_name(decoy)


def test_postgresql_reads_the_pattern_as_python_does(database_url):
    tried = ["reg_eurusd", "reg_eurusd_2024_01", "reg_bqx_eurusd", "regime_eurusd", "volume_features_usdcad"]
    with connect(database_url) as connection:
        rows = connection.execute(
            "SELECT name FROM unnest(%s::TEXT[]) AS name WHERE name ~ %s", [tried, legacy_pattern(PAIRS)]
        ).fetchall()
    assert [name for (name,) in rows] == [name for name in tried if names.match_old(name)]
    assert len(rows) == 3


def test_families_are_those_of_the_catalogue_with_the_expected_number_of_columns():
    assert {len(columns) for columns in names.LEGACY_COLUMNS.values()} == {56, 5, 12, 10, 20, 15}
    assert len(names.LEGACY_COLUMNS["reg_idx"]) == 56
    assert set(names.LEGACY_COLUMNS) == set(LEGACY)
    assert set(names.FAMILIES) <= set(FAMILIES)
    clashing = {
        family: set(columns) & {feature.name for feature in FAMILIES[family].columns}
        for family, columns in names.LEGACY_COLUMNS.items()
    }
    assert clashing == {family: set() for family in LEGACY} | {"reg_idx": {"w60_r2", "w90_r2"}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reg_eurusd_pkey", "reg_idx_eurusd_pkey"),
        ("reg_eurusd_2024_01_ts_utc_w60_r2_idx", "reg_idx_eurusd_2024_01_ts_utc_w60_r2_idx"),
        ("idx_reg_eurusd_ts", "idx_reg_idx_eurusd_ts"),
        ("reg_eurusd_reg_eurusd_fkey", "reg_idx_eurusd_reg_idx_eurusd_fkey"),
        ("reg_bqx_eurusd_pkey", "reg_bqx_eurusd_pkey"),
        ("reg_eurusd2_pkey", "reg_eurusd2_pkey"),
        ("myreg_eurusd_pkey", "myreg_eurusd_pkey"),
        ("reg_gbpusd_pkey", "reg_gbpusd_pkey"),
        ("idx_by_time", "idx_by_time"),
    ],
)
def test_objects_follow_where_the_whole_old_name_stands(old, new):
    assert names.new_object_name(old, "reg_idx", "eurusd") == new
    assert names.new_object_name(new, "reg_idx", "eurusd") == new


def test_rate_names_count_only_if_accepted_and_never_for_reg():
    assert names.match_rate("statistics_rate_eurusd_2024_01").month == "2024-01"
    assert names.match_rate("reg_rate_eurusd") is None
    assert names.rate_parent("reg_idx", "eurusd") == ""
    kept = names.new_object_name("volume_rate_eurusd_pkey", "volume_idx", "eurusd")
    assert kept == "volume_rate_eurusd_pkey"
    for old in ("volume_rate_eurusd_pkey", "volume_features_eurusd_pkey"):
        assert names.new_object_name(old, "volume_idx", "eurusd", rate_names=True) == "volume_idx_eurusd_pkey"


def test_names_that_grow_too_long_end_in_a_digest_and_stay_distinct():
    long = ["reg_eurusd_2024_01_" + "x" * 43 + end for end in "ab"]
    fitted = [names.new_object_name(name, "reg_idx", "eurusd") for name in long]
    assert all(len(name.encode()) == MAX_IDENTIFIER for name in fitted)
    assert len(set(fitted)) == 2
    assert all(name.startswith("reg_idx_eurusd_2024_01_") for name in fitted)


def test_no_table_name_is_cut():
    longest = max(
        (f"{names.new_parent(family, pair)}_2024_01_pkey" for family in LEGACY for pair in PAIRS),
        key=len,
    )
    assert len(longest) == 35


def test_mentions_are_found_in_the_text_of_functions(database_url):
    texts = {
        "SELECT count(*) FROM bqx.reg_eurusd": True,
        "SELECT 1 FROM volume_features_usdjpy_2024_01": True,
        "EXECUTE format('SELECT 1 FROM reg_%s', pair)": True,
        "EXECUTE 'SELECT 1 FROM bqx.statistics_features_' || pair": True,
        "SELECT 1 FROM BQX.REG_EURUSD": True,
        "SELECT 1 FROM bqx.reg_eurusd_p20240101": True,
        "SELECT 1 FROM bqx.reg_eurusd_p2024_01": True,
        "SELECT 1 FROM bqx.reg_eurusd_default": True,
        "SELECT 1 FROM bqx.reg_eurusd_summary": False,
        "SELECT 1 FROM bqx.reg_bqx_eurusd": False,
        "SELECT 1 FROM bqx.regime_eurusd": False,
        "SELECT 1 FROM bqx.reg_idx_eurusd": False,
    }
    with connect(database_url) as connection:
        rows = connection.execute(
            "SELECT text, text ~* %s FROM unnest(%s::TEXT[]) AS text", [names.mention_pattern(), [*texts]]
        )
        assert dict(rows.fetchall()) == texts
