"""Managed blocks: what people wrote around them survives byte for byte; damage is noticed, never mended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import PlanRefused
from include.plan import blocks
from include.plan.blocks import PLAN, STATUS, Damaged, around, plain, put, read
from local.airtable.cells import cell
from local.airtable.schema import Field

HUMAN = st.text(max_size=60).filter(lambda text: "[bqx:" not in text.lower() and "[/bqx:" not in text.lower())


def test_an_empty_text_becomes_the_block_alone() -> None:
    text = put("", PLAN, "features 15\ntables 28")
    assert text.startswith("[bqx:plan")
    assert text.endswith("[/bqx:plan]")
    assert read(text, PLAN) == "features 15\ntables 28"
    assert around(text, PLAN) == ("", "")


def test_a_text_without_a_block_has_none_and_is_all_around() -> None:
    assert read("Words of people", PLAN) is None
    assert around("Words of people", PLAN) == ("Words of people", "")


@given(HUMAN, HUMAN, HUMAN, HUMAN)
def test_text_of_people_survives_byte_for_byte(before: str, after: str, first: str, second: str) -> None:
    text = before + put("", PLAN, first) + after
    replaced = put(text, PLAN, second)
    assert around(replaced, PLAN) == (before, after)
    assert read(replaced, PLAN) == plain(second)
    assert put(replaced, PLAN, second) == replaced


@given(HUMAN, HUMAN)
def test_a_first_block_is_added_below_what_is_there(human: str, content: str) -> None:
    text = put(human, PLAN, content)
    assert text.startswith(human)
    assert read(text, PLAN) == plain(content)


@given(HUMAN, HUMAN, HUMAN)
def test_blocks_of_two_names_do_not_see_each_other(human: str, first: str, second: str) -> None:
    text = put(put(human, PLAN, "old"), STATUS, second)
    text = put(text, PLAN, first)
    assert (read(text, PLAN), read(text, STATUS)) == (plain(first), plain(second))
    assert text.startswith(human)


def test_markers_may_be_worded_otherwise_and_line_ends_may_be_foreign() -> None:
    text = "Mine.\r\n[bqx:plan]\r\nfeatures 15  \r\n[/bqx:plan]\r\nMine too."
    assert read(text, PLAN) == "features 15"
    assert around(put(text, PLAN, "features 24"), PLAN) == ("Mine.\r\n", "\r\nMine too.")


BEGIN, END = "[bqx:plan]", "[/bqx:plan]"


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\nno end",
        f"no beginning\n{END}",
        f"{END}\nturned\n{BEGIN}",
        f"{BEGIN}\na\n{END}\n{BEGIN}\nb\n{END}",
        f"{BEGIN}\n{BEGIN}\ndoubled\n{END}",
        f"{BEGIN}\ndoubled\n{END}\n{END}",
        f"[bqx:plan cut\na\n{END}",
        f"[BQX:PLAN\nb\n{BEGIN}\na\n{END}",
        f"{BEGIN}\na\n[bqx:status]\nb\n[/bqx:status]\n{END}",
        f"{BEGIN}\na\n[bqx:status]\n{END}\nb\n[/bqx:status]",
        f"{BEGIN}\na\n[/bqx:plan",
    ],
)
def test_damage_is_noticed_by_reader_and_writer(text: str) -> None:
    with pytest.raises(Damaged, match="marker"):
        read(text, PLAN)
    with pytest.raises(Damaged):
        put(text, PLAN, "new")


def test_damage_of_one_block_does_not_concern_the_other() -> None:
    text = put("[bqx:status] without an end", PLAN, "features 15")
    assert read(text, PLAN) == "features 15"
    with pytest.raises(Damaged):
        read(text, STATUS)


@pytest.mark.parametrize("content", ["a [bqx:plan] b", "[/BQX:status]", "[bqx:other"])
def test_a_content_with_markers_is_refused(content: str) -> None:
    with pytest.raises(PlanRefused, match="must not contain"):
        put("", PLAN, content)


def test_a_block_tells_people_where_to_write() -> None:
    for name in (PLAN, STATUS):
        assert "write above or below" in put("", name, "x")
    assert blocks.PLAN != blocks.STATUS


RICH = "reg_idx, statistics_*_{pair} [see](x) <b> ~~no~~ #1 `code`\n- one_two\nhttp://h/a_b"


def spelled(text: str) -> str:
    """What the stand-in, and Airtable, give back for a rich text."""
    found = cell(Field("fld", "Notes", "richText"), text, {}, typecast=False)
    assert isinstance(found, str)
    return found


def test_a_block_in_rich_text_settles_and_its_surroundings_stay() -> None:
    mine = "people\\_wrote *this*\n"
    first = spelled(blocks.put(spelled(mine), blocks.PLAN, RICH, rich=True))
    assert first != blocks.put(mine, blocks.PLAN, RICH, rich=True), "it reads back in another spelling"
    assert first.endswith("\n")
    assert r"reg\_idx" in first
    assert blocks.read(first, blocks.PLAN) == blocks.plain(RICH)
    again = spelled(blocks.put(first, blocks.PLAN, RICH, rich=True))
    assert again == first, "writing it once more changes nothing"
    changed = spelled(blocks.put(first, blocks.PLAN, "other_text", rich=True))
    assert blocks.read(changed, blocks.PLAN) == "other_text"
    assert blocks.around(changed, blocks.PLAN) == blocks.around(first, blocks.PLAN)


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        (r"reg\_idx", "reg_idx"),
        ("* a\n* b\n", "- a\n- b"),
        ("<http://h/a_b>", "http://h/a_b"),
        (r"[http://h/a\_b](http://h/a_b)", "http://h/a_b"),
        ("[text](http://h)", "[text](http://h)"),
        (r"a \\ b", "a \\ b"),
    ],
)
def test_what_is_compared_is_what_is_meant(read: str, meant: str) -> None:
    assert blocks.plain(read) == blocks.plain(meant)


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_any_content_settles_in_rich_text(content: str) -> None:
    content = blocks.plain(content)
    if blocks.marked(content) or blocks.plain(content) != content:
        return
    written = spelled(blocks.put("", blocks.STATUS, content, rich=True))
    assert blocks.read(written, blocks.STATUS) == blocks.plain(content)
    assert spelled(written) == written
