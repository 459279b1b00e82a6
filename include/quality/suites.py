"""Great Expectations suites made from the catalogue: what a stored family must look like.

Great Expectations takes seconds to import, so only `suite` does; the expectations themselves are plain data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import BadParameter
from include.features.catalogue import STORED, Feature, catalogue_hash, family

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

KEY = "ts_utc"
TOLERANCE = 1e-9  # rounding beyond an exact bound


def expectations(family_name: str) -> list[dict[str, Any]]:
    """Expectations on the table of a stored family, as configurations of type and kwargs.

    Columns and their order, a unique key without NULL, and for every column with a bound its range or its
    set of values. NULL in a column is never a violation: warm-up rows and absent inputs have it.

    Raises:
        BadParameter: the family is unknown or has no table.
    """
    columns = family(family_name).columns
    if family_name not in STORED:
        raise BadParameter(f"Family {family_name} has no table. Choose one of: {', '.join(STORED)}.")
    return [
        _expect(
            "table_columns_to_match_ordered_list", column_list=[KEY, *(column.name for column in columns)]
        ),
        _expect("column_values_to_not_be_null", column=KEY),
        _expect("column_values_to_be_unique", column=KEY),
        *(_values(column) for column in columns if (column.low, column.high) != (None, None)),
    ]


def suite(family_name: str) -> ExpectationSuite:
    """The same as an `ExpectationSuite`, named after the family.

    Raises:
        BadParameter: the family is unknown or has no table.
        ValueError: Great Expectations dropped an expectation, which it does with no more than a log line.
    """
    from great_expectations import ExpectationSuite

    configurations = expectations(family_name)
    made = ExpectationSuite(
        name=family_name, expectations=configurations, meta={"catalogue_hash": catalogue_hash()}
    )
    if len(made.expectations) != len(configurations):
        kept = len(made.expectations)
        raise ValueError(f"{family_name}: {kept} of {len(configurations)} expectations were accepted")
    return made


def _values(column: Feature) -> dict[str, Any]:
    if column.classes:
        return _expect("column_values_to_be_in_set", column=column.name, value_set=list(column.classes))
    low = None if column.low is None else column.low - TOLERANCE
    high = None if column.high is None else column.high + TOLERANCE
    return _expect("column_values_to_be_between", column=column.name, min_value=low, max_value=high)


def _expect(what: str, **kwargs: object) -> dict[str, Any]:
    return {"type": f"expect_{what}", "kwargs": kwargs}
