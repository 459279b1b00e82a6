"""Great Expectations on profiles and on whole partitions. It takes seconds to import: only calls do so."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from include.features.catalogue import Feature
from include.quality.suites import TOLERANCE, suite

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

# Rules about a profile, by the name that findings give them.
RULES: dict[str, dict[str, Any]] = {
    "once": {
        "type": "expect_compound_columns_to_be_unique",
        "kwargs": {"column_list": ["table", "month", "column"]},
    },
    "rows": {
        "type": "expect_column_pair_values_to_be_equal",
        "kwargs": {"column_A": "rows", "column_B": "rows_expected"},
    },
    "keys": {
        "type": "expect_column_pair_values_to_be_equal",
        "kwargs": {"column_A": "keys", "column_B": "keys_expected"},
    },
    "below": {
        "type": "expect_column_pair_values_a_to_be_greater_than_b",
        "kwargs": {
            "column_A": "low",
            "column_B": "low_allowed",
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    },
    "above": {
        "type": "expect_column_pair_values_a_to_be_greater_than_b",
        "kwargs": {
            "column_A": "high_allowed",
            "column_B": "high",
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
    },
} | {
    name: {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": name, "min_value": 0, "max_value": 0},
    }
    for name in ("null_unexplained", "unfounded", "not_finite", "differs")
}


class Broken(NamedTuple):
    """A rule about profiles that does not hold, and the rows of the frame that break it."""

    rule: str
    rows: tuple[int, ...]


class BadCells(NamedTuple):
    """Cells of a column that its expectation refuses."""

    column: str
    number: int
    example: object


def limits(column: Feature) -> dict[str, float | None]:
    """Range a profile may reach, with the rounding that suites allow."""
    return {
        "low_allowed": None if column.low is None else column.low - TOLERANCE,
        "high_allowed": None if column.high is None else column.high + TOLERANCE,
    }


def check_profiles(frame: pd.DataFrame, rows: int) -> list[Broken]:
    """Validate profiles, one row per column and month.

    Args:
        frame: the columns that `RULES` name.
        rows: how many there must be: the columns that the catalogue lists, times the months.

    Returns:
        The rules that do not hold; empty for good profiles.
    """
    count = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": rows}}
    configurations = [one | {"meta": {"rule": name}} for name, one in (RULES | {"complete": count}).items()]
    result = _validate(frame, lambda: _profile_suite(configurations), "COMPLETE")
    return [
        Broken(one["expectation_config"]["meta"]["rule"], _rows(one["result"]))
        for one in result["results"]
        if not one["success"]
    ]


def check_cells(family: str, frame: pd.DataFrame) -> list[BadCells]:
    """Validate a whole partition, read back, with the suite of its family.

    Args:
        family: a stored family of the catalogue.
        frame: key and columns as the table has them, NULL as NaN.
    """
    result = _validate(frame, lambda: suite(family), "BASIC")
    return [
        BadCells(
            one["expectation_config"]["kwargs"].get("column", "the list of columns"),
            int(one["result"].get("unexpected_count", 1)),
            next(iter(one["result"].get("partial_unexpected_list", ())), None),
        )
        for one in result["results"]
        if not one["success"]
    ]


def _rows(result: Mapping[str, Any]) -> tuple[int, ...]:
    indices: Sequence[Any] = result.get("unexpected_index_list") or ()
    return tuple(int(index) for index in indices)


def _profile_suite(configurations: list[dict[str, Any]]) -> ExpectationSuite:
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name="profiles", expectations=configurations)


def _validate(
    frame: pd.DataFrame, wanted: Callable[[], ExpectationSuite], result_format: str
) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about itself
        batch = _batches().get_batch({"dataframe": frame})
        result = batch.validate(wanted(), result_format="BOOLEAN_ONLY")  # half the time of one with details
        if not result.success:
            result = batch.validate(wanted(), result_format=result_format)
    for one in result.results:
        raised = (one.exception_info or {}).get("raised_exception")
        if raised:
            raise RuntimeError(
                f"Great Expectations could not evaluate {one.expectation_config}: {one.exception_info}"
            )
    checked: dict[str, Any] = result.to_json_dict()
    return checked


@cache
def _batches() -> Any:
    """One in-memory context per process: no files, no reports home, no progress bars."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")
