"""Stored values against recomputed ones: what counts as different, and what it is called."""

from __future__ import annotations

import numpy as np
import pytest

from include.quality.sample import TOLERANCE, differences

ROWS = 300
TS = np.arange(ROWS) + 28_000_000


@pytest.fixture
def expected() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    columns = {name: rng.normal(0, 1, ROWS) for name in ("a", "b", "w15_a2_norm", "w15_quad_apex")}
    columns["a"][:5] = np.nan
    return columns


def test_the_same_values_are_no_difference(expected: dict[str, np.ndarray]) -> None:
    stored = {name: values * (1 + 1e-10) for name, values in expected.items()}
    assert differences(TS, stored, expected) == []


@pytest.mark.parametrize(
    ("row", "value"), [(7, 1e-6), (7, np.nan), (2, 0.0), (7, np.inf)], ids=["wrong", "null", "early", "inf"]
)
def test_a_single_cell_is_found(expected: dict[str, np.ndarray], row: int, value: float) -> None:
    stored = {name: values.copy() for name, values in expected.items()}
    stored["a"][row] = value if row == 2 else stored["a"][row] + value
    (found,) = differences(TS, stored, expected)
    assert (found.column, found.rows, found.first, found.guess) == ("a", 1, TS[row], "")
    np.testing.assert_equal([found.stored, found.expected], [stored["a"][row], expected["a"][row]])


@pytest.mark.parametrize(("shift", "words"), [(1, "one row late"), (-1, "one row early")])
def test_a_slipped_column_is_called_so(expected: dict[str, np.ndarray], shift: int, words: str) -> None:
    (found,) = differences(TS, expected | {"b": np.roll(expected["b"], shift)}, expected)
    assert (found.column, found.rows) == ("b", ROWS)
    assert words in found.guess


def test_swapped_columns_are_called_so(expected: dict[str, np.ndarray]) -> None:
    swapped = expected | {"a": expected["b"], "b": expected["a"]}
    assert [found.guess for found in differences(TS, swapped, expected)] == [
        "it holds the values of b",
        "it holds the values of a",
    ]


def test_an_apex_of_a_nearly_straight_line_may_differ_more(expected: dict[str, np.ndarray]) -> None:
    expected["w15_a2_norm"][9] = 1e-3
    stored = expected | {"w15_quad_apex": expected["w15_quad_apex"].copy()}
    expected["w15_quad_apex"][9] = max(expected["w15_quad_apex"][9], 10.0)
    stored["w15_quad_apex"][9] = expected["w15_quad_apex"][9] * (1 + 500 * TOLERANCE)
    assert differences(TS, stored, expected) == []
    expected["w15_a2_norm"][9] = stored["w15_a2_norm"][9] = 0.5
    assert [found.column for found in differences(TS, stored, expected)] == ["w15_quad_apex"]
