"""Values by live type, and the refusal of a base that cannot take them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.errors import PlanRefused
from include.plan import encode
from include.plan.encode import Unfit
from include.plan.live import Field, Snapshot, Table
from tests.include.plan import worlds

LINK = Field("Stage (Link)", "multipleRecordLinks", links_to="Stages")
TEXT = Field("Phase (Link)", "singleLineText")
SELECT = Field("Status", "singleSelect", ("Todo", "In Progress", "Done"))


@pytest.mark.parametrize(
    ("value", "field", "wanted"),
    [
        ("8 hours", TEXT, "8 hours"),
        (8, TEXT, "8"),
        (0.25, TEXT, "0.25"),
        (12345.67, TEXT, "12345.67"),
        (1_000_000, TEXT, "1000000"),
        (0.1 + 0.2, TEXT, "0.3"),
        (1e-7, TEXT, "0.0000001"),
        (8, Field("Estimated Hours", "duration"), 28_800),
        ("0.25", Field("Hours", "duration"), 900),
        (4.0, Field("h", "rating"), 4),
        (0.25, Field("h", "number"), 0.25),
        ("5", Field("h", "currency"), 5.0),
        ("Todo", SELECT, "Todo"),
        ("line\nline", Field("d", "richText"), "line\nline"),
    ],
)
def test_values_are_encoded_by_the_type_of_the_field(value: Any, field: Field, wanted: Any) -> None:
    assert encode.encode(value, field) == wanted


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        ("Pending", SELECT, "'Todo', 'In Progress', 'Done'"),
        ("todo", SELECT, "no option"),
        ("8 hours", Field("h", "number"), "takes numbers"),
        ("x", Field("f", "formula"), "type formula cannot be written"),
        ("x", Field("s", "singleSelect"), "there are none"),
        (535, Field("Estimated Cost", "duration"), "holds seconds, 535 is no number of hours"),
        (25, Field("h", "percent"), "holds a fraction"),
        (2.5, Field("h", "rating"), "whole stars, not 2.5"),
        (0, Field("h", "rating"), "1 to 10 whole stars"),
        ("many", Field("h", "rating"), "takes numbers"),
    ],
)
def test_what_a_field_cannot_take_is_said(value: Any, field: Field, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        encode.encode(value, field)


def test_a_link_is_a_list_in_a_link_field_and_an_id_in_a_text_field() -> None:
    assert encode.link("rec1", LINK) == ["rec1"]
    assert encode.link("rec1", TEXT) == "rec1"
    for value in (["rec1"], "rec1"):
        assert encode.linked(value) == ("rec1",)
    for value in (None, "", [], 5):
        assert encode.linked(value) == ()


@pytest.mark.parametrize(
    ("found", "wanted", "answer"),
    [
        ("8 hours", "8 hours", True),
        ("reg\\_idx\n", "reg_idx", True),
        ("reg_idx\n", "reg_idx", True),
        ("reg\\_bqx\n", "reg_idx", False),
        ("8 hours ", "8 hours", False),
        (None, "", True),
        (None, "x", False),
        (0.1 + 0.2, 0.3, True),
        (5, 5.0, True),
        (None, 0, False),
        (True, 1, False),
        ("5", 5, False),
        (5, "5", False),
    ],
)
def test_same(found: Any, wanted: Any, answer: bool) -> None:
    assert encode.same(found, wanted) is answer


def without(snapshot: Snapshot, table: str, field: str) -> Snapshot:
    old = snapshot.tables[table]
    fields = {name: value for name, value in old.fields.items() if name != field}
    return Snapshot({**snapshot.tables, table: replace(old, fields=fields)})


def retyped(snapshot: Snapshot, table: str, field: Field) -> Snapshot:
    old = snapshot.tables[table]
    return Snapshot({**snapshot.tables, table: replace(old, fields={**old.fields, field.name: field})})


def test_a_base_that_fits_is_accepted() -> None:
    encode.check(worlds.plan(), worlds.empty())


def test_every_problem_is_listed_once_with_what_there_is() -> None:
    base = without(worlds.empty(), "Tasks", "Priority")
    base = retyped(base, "Stages", Field("Status", "singleSelect", ("Pending", "Finished")))
    base = Snapshot({name: table for name, table in base.tables.items() if name != "Plans"})
    with pytest.raises(PlanRefused) as refusal:
        encode.check(worlds.plan(), base)
    message = str(refusal.value)
    assert "nothing was written (3 problems)" in message
    assert "Tasks.Priority: there is no such field. The table has 'Description', 'Estimated Hours'" in message
    assert "Stages.Status: 'Todo' is no option; there are 'Pending', 'Finished'" in message
    assert "Plans: there is no such table. The base has 'Phases', 'Stages', 'Tasks'" in message


@pytest.mark.parametrize(
    ("table", "field", "says"),
    [
        ("Stages", Field("Description", "singleLineText"), "has to be long text"),
        ("Stages", Field("Estimated Cost", "formula"), "cannot be written"),
        ("Stages", Field("Duration", "duration"), "takes numbers"),
        ("Stages", Field("Estimated Cost", "percent"), r"Stages\.Estimated Cost: a percent field"),
        ("Tasks", Field("Estimated Hours", "rating"), r"Tasks\.Estimated Hours: a rating field"),
        ("Tasks", Field("Stage (Link)", "multipleRecordLinks", links_to="Agents"), "links to Agents"),
        ("Tasks", Field("Stage (Link)", "number"), "has to be a link to Stages"),
        ("Tasks", Field("Task ID", "formula"), "primary field has to be text"),
    ],
)
def test_a_field_of_another_type_is_refused(table: str, field: Field, says: str) -> None:
    with pytest.raises(PlanRefused, match=says):
        encode.check(worlds.plan(), retyped(worlds.empty(), table, field))


def test_a_link_field_of_unknown_target_and_a_text_field_are_accepted() -> None:
    for field in (Field("Stage (Link)", "multipleRecordLinks"), Field("Stage (Link)", "multilineText")):
        encode.check(worlds.plan(), retyped(worlds.empty(), "Tasks", field))


def test_without_the_schema_a_field_that_no_record_has_is_refused_and_long_text_is_believed() -> None:
    tables = {name: replace(table, inferred=True) for name, table in worlds.empty().tables.items()}
    base = retyped(Snapshot(tables), "Stages", Field("Description", "singleLineText"))
    encode.check(worlds.plan(), base)
    with pytest.raises(PlanRefused, match=r"Stage Code: no record has such a field.*schema\.bases:read"):
        encode.check(worlds.plan(), without(base, "Stages", "Stage Code"))


def test_many_problems_are_cut_short() -> None:
    bare = {name: Table(name, table.primary, {}) for name, table in worlds.empty().tables.items()}
    with pytest.raises(PlanRefused, match=r"\.\.\. and \d+ more"):
        encode.check(worlds.plan(), Snapshot(bare))


def test_options_of_a_field_written_only_at_creation_do_not_matter_to_records_that_exist() -> None:
    old = replace(worlds.stage("1.1", new=False), once={"Status": "Nonsense"})
    wanted = worlds.plan(stages=0)
    encode.check(replace(wanted, items=(*wanted.items, old)), worlds.empty())


def test_a_text_with_a_marker_in_it_is_refused_before_anything_is_written() -> None:
    item = replace(worlds.stage("2.2"), blocks={"Description": "see [bqx:status] below"})
    with pytest.raises(
        PlanRefused, match=r"Stages.Description: the text of '2\.2 - Build' contains '\[bqx:'"
    ):
        encode.check(worlds.of([item]), worlds.empty())
