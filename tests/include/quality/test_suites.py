"""Suites made from the catalogue: their content, and that Great Expectations acts on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.errors import BadParameter
from include.features.catalogue import STORED, family
from include.quality.suites import KEY, TOLERANCE, expectations, suite

ROWS = 200
WARM_UP = 20


def _of(family_name: str, column: str) -> list[dict[str, Any]]:
    return [one for one in expectations(family_name) if one["kwargs"].get("column") == column]


@pytest.mark.parametrize("name", STORED)
def test_every_bounded_column_has_one_expectation_and_unbounded_ones_none(name: str) -> None:
    for column in family(name).columns:
        bounded = column.low is not None or column.high is not None
        assert len(_of(name, column.name)) == int(bounded), column.name


def test_the_table_holds_the_key_and_the_columns_in_order() -> None:
    first = expectations("bollinger_bqx")[0]
    assert first == {
        "type": "expect_table_columns_to_match_ordered_list",
        "kwargs": {
            "column_list": [
                "ts_utc", "bb_upper_20", "bb_upper_50", "bb_middle_20", "bb_middle_50", "bb_lower_20",
                "bb_lower_50", "bb_bandwidth_20", "bb_bandwidth_50", "bb_percent_b_20", "bb_percent_b_50",
            ]
        },
    }  # fmt: skip


def test_the_key_is_unique_and_never_null() -> None:
    kinds = [one["type"] for one in _of("reg_idx", KEY)]
    assert kinds == ["expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"]


def test_bounds_allow_for_rounding_and_leave_open_sides_open() -> None:
    rsi = _of("technical_idx", "rsi_14")[0]["kwargs"]
    assert (rsi["min_value"], rsi["max_value"]) == (-TOLERANCE, 100 + TOLERANCE)
    atr = _of("technical_idx", "atr_14")[0]["kwargs"]
    assert (atr["min_value"], atr["max_value"]) == (-TOLERANCE, None)


def test_flags_and_classes_are_sets_of_values() -> None:
    assert _of("spread_idx", "spread_spike_flag")[0]["kwargs"]["value_set"] == [0, 1]
    assert _of("spread_idx", "spread_regime")[0]["kwargs"]["value_set"] == [0, 1, 2]


@pytest.mark.parametrize("name", ["lag", "nothing"])
def test_a_family_without_a_table_has_no_expectations(name: str) -> None:
    with pytest.raises(BadParameter, match=name):
        expectations(name)


def good_frame(name: str) -> pd.DataFrame:
    """A table as the database returns it: a key, NULL in the warm-up rows, then allowed values."""
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {KEY: pd.date_range("2024-07-01", periods=ROWS, freq="min", tz="UTC")}
    for column in family(name).columns:
        low = -3.0 if column.low is None else column.low
        high = low + 9 if column.high is None else column.high
        values = rng.choice(column.classes, ROWS) if column.classes else rng.uniform(low, high, ROWS)
        columns[column.name] = np.where(np.arange(ROWS) < WARM_UP, np.nan, values)
    return pd.DataFrame(columns)


def _spread_out_of_range(frame: pd.DataFrame) -> None:
    frame.loc[150, "spread_percentile_60"] = 1.01


def _negative_spread(frame: pd.DataFrame) -> None:
    frame.loc[150, "spread_level"] = -1e-6


def _unknown_class(frame: pd.DataFrame) -> None:
    frame.loc[150, "spread_regime"] = 3


def _double_key(frame: pd.DataFrame) -> None:
    frame.loc[150, KEY] = frame.loc[149, KEY]


def _columns_in_another_order(frame: pd.DataFrame) -> None:
    frame.insert(1, "spread_regime", frame.pop("spread_regime"))


# Great Expectations warns about itself; warnings are errors in this project.
@pytest.mark.filterwarnings("ignore")
class TestGreatExpectations:
    """GX Core, in memory."""

    @pytest.fixture(scope="class")
    def validate(self) -> Callable[[pd.DataFrame], dict[str, str]]:
        """Validate a frame of spread_idx: the failed expectations, column by type."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GX_ANALYTICS_ENABLED", "false")
            import great_expectations as gx

            context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        batches = (
            context.data_sources.add_pandas("frames")
            .add_dataframe_asset("frame")
            .add_batch_definition_whole_dataframe("whole")
        )
        wanted = context.suites.add(suite("spread_idx"))

        def run(frame: pd.DataFrame) -> dict[str, str]:
            result = batches.get_batch({"dataframe": frame}).validate(wanted)
            configurations = [one.expectation_config for one in result.results if not one.success]
            failed = {one.type: one.kwargs.get("column", "") for one in configurations}
            assert result.success == (not failed)
            return failed

        return run

    def test_a_good_table_passes(self, validate: Callable[[pd.DataFrame], dict[str, str]]) -> None:
        assert validate(good_frame("spread_idx")) == {}

    @pytest.mark.parametrize(
        ("spoil", "failed"),
        [
            (_spread_out_of_range, {"expect_column_values_to_be_between": "spread_percentile_60"}),
            (_negative_spread, {"expect_column_values_to_be_between": "spread_level"}),
            (_unknown_class, {"expect_column_values_to_be_in_set": "spread_regime"}),
            (_double_key, {"expect_column_values_to_be_unique": KEY}),
            (_columns_in_another_order, {"expect_table_columns_to_match_ordered_list": ""}),
        ],
    )
    def test_a_bad_table_fails_where_it_is_bad(
        self,
        validate: Callable[[pd.DataFrame], dict[str, str]],
        spoil: Callable[[pd.DataFrame], None],
        failed: dict[str, str],
    ) -> None:
        frame = good_frame("spread_idx")
        spoil(frame)
        assert validate(frame) == failed

    @pytest.mark.parametrize("name", STORED)
    def test_every_stored_family_makes_a_suite(self, name: str) -> None:
        assert len(suite(name).expectations) == len(expectations(name))
