"""How a declaration becomes columns."""

from __future__ import annotations

import pytest

from include.features.catalogue.declare import (
    BQX,
    IDX,
    Column,
    Common,
    between,
    flag,
    rank_range,
    redefine,
    roughly,
    section,
    whole,
    z_range,
)
from include.features.catalogue.model import Row


def row_of(column: Column, common: Common | None = None) -> Row:
    return section("9.9", "Test", [column], common or Common("table", IDX, ("{y}",))).rows[0]


def test_placeholders_are_filled_from_the_domain_and_the_numbers() -> None:
    column = Column("mean_{n}", "mean_{n}({y}); {eps}", {"n": (20, 50)}, unit="{u} per bar")
    row = row_of(column, Common("table", BQX, ("{y}",)))
    assert [(c.name, c.formula, c.unit, c.inputs, c.counts) for c in row.columns] == [
        ("mean_20", "mean_20(b); 1e-12", "bqx per bar", ("b",), "b"),
        ("mean_50", "mean_50(b); 1e-12", "bqx per bar", ("b",), "b"),
    ]


def test_columns_fold_into_one_row_with_letters_for_the_numbers() -> None:
    row = row_of(Column("x_lag_{k}", "x_{t-{k}}", {"k": range(1, 61)}))
    assert (row.pattern, row.formula, len(row.columns)) == ("x_lag_{1..60}", "x_{t-k}", 60)
    assert row.columns[59].formula == "x_{t-60}"


def test_a_key_may_name_two_numbers() -> None:
    row = row_of(Column("gap_{short_long}", "w{short} - w{long}", {"short_long": ((15, 60), (30, 90))}))
    assert row.pattern == "gap_{15_60,30_90}"
    assert row.formula == "w{short} - w{long}"
    assert [(c.name, c.formula, c.min, c.warm) for c in row.columns] == [
        ("gap_15_60", "w15 - w60", 60, 59),
        ("gap_30_90", "w30 - w90", 90, 89),
    ]


def test_the_leftmost_key_varies_slowest() -> None:
    row = row_of(Column("s{i}_lag_{k}", "x", {"i": (1, 2), "k": (1, 5)}, min=lambda i, k: k + 2))
    assert [(c.name, c.min) for c in row.columns] == [
        ("s1_lag_1", 3),
        ("s1_lag_5", 7),
        ("s2_lag_1", 3),
        ("s2_lag_5", 7),
    ]


def test_history_may_be_a_number_or_follow_from_the_window() -> None:
    plain = row_of(Column("a", "x")).columns[0]
    assert (plain.min, plain.warm) == (1, 0)
    given = row_of(Column("a_{n}", "x", {"n": (14,)}, min=lambda n: n + 1, warm=400)).columns[0]
    assert (given.min, given.warm) == (15, 400)


def test_a_column_overrides_what_its_section_shares() -> None:
    common = Common("table", BQX, ("b",), counts="q60", grid="dollar")
    shared = row_of(Column("a", "x"), common).columns[0]
    assert (shared.inputs, shared.counts, shared.grid) == (("b",), "q60", "dollar")
    own = row_of(Column("a", "x", inputs=("q75",), counts="q75", grid="pair"), common).columns[0]
    assert (own.inputs, own.counts, own.grid) == (("q75",), "q75", "pair")


def test_a_range_may_follow_from_the_window() -> None:
    row = row_of(Column("z_{n}", "x", {"n": (20, 60)}, range=z_range))
    assert [c.high for c in row.columns] == pytest.approx([4.2485, 7.6169], abs=1e-4)
    assert [c.range for c in row.columns] == ["abs <= 4.249", "abs <= 7.617"]


def test_ranges_say_in_words_what_they_bound() -> None:
    assert between(-5, 5) == (-5.0, 5.0, "[-5, 5]")
    assert between(0, 1 / 3).text == "[0, 0.3333]"
    assert whole(-2, 2) == (-2.0, 2.0, "{-2, -1, 0, 1, 2}")
    assert whole(0, 480).text == "{0..480}"
    assert rank_range(100) == (0.005, 0.995, "[0.005, 0.995]")
    assert roughly("typ. 3") == (None, None, "typ. 3")


def test_a_flag_is_zero_or_one() -> None:
    column = row_of(flag("f", "1 if x, else 0", min=3)).columns[0]
    assert (column.kind, column.classes, column.neutral) == ("flag", (0, 1), 0.0)


def test_redefining_keeps_the_place_and_refuses_what_is_not_there() -> None:
    columns = (Column("a", "1"), Column("b", "2"), Column("c", "3"))
    assert [c.formula for c in redefine(columns, Column("b", "new"))] == ["1", "new", "3"]
    with pytest.raises(ValueError, match="nothing to redefine under"):
        redefine(columns, Column("d", "4"))
