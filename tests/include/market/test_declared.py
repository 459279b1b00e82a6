"""``bars.yaml``: what it says reaches the file it means; what is wrong in it is refused with its line."""

from __future__ import annotations

import pytest

from include.errors import BadInput
from include.market.declared import Declaration, Declarations

GOOD = """\
# clocks of two brokers
"EURUSD*.csv": {clock: new-york+7, unit: points}
"*":
  price_side: bid
"gbpusd.csv": {clock: Europe/Athens}
"""


def of(text: str, *names: str) -> Declaration:
    return Declarations.read(text.encode(), "in/bars.yaml").of(names)


def test_every_line_that_fits_counts() -> None:
    assert of(GOOD, "eurusd_2024.csv") == Declaration("new-york+7", "bid", "points", "bars.yaml, line 2")
    assert of(GOOD, "GBPUSD.csv") == Declaration("Europe/Athens", "bid", None, "bars.yaml, line 5")
    assert of(GOOD, "usdjpy.csv") == Declaration(price_side="bid")
    assert of(GOOD, "DAT_2018.csv", "EURUSD.csv").unit == "points", "an archive may be meant by either name"
    assert of("", "eurusd.csv") == Declaration()
    assert of('"eur [[]1].csv": {unit: pips}', "EUR [1].csv").unit == "pips"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("- eurusd.csv", 1, "patterns of file names, each with what it says are expected here"),
        ("eurusd.csv: new-york", 1, "some of clock, price_side, unit are expected here"),
        ("eurusd.csv: {}", 1, "says nothing: add one of clock, price_side, unit"),
        ("a: {unit: pips}\nb:\n  timezone: utc", 3, "'timezone' is none of clock, price_side, unit"),
        ("a: {clock: Europe/Atlantis}", 1, "there is no clock 'Europe/Atlantis'"),
        ("a: {clock: ../../etc/passwd}", 1, "there is no clock '../../etc/passwd'"),
        ("a: {clock: }", 1, "there is no clock ''"),
        ("a:\n  price_side: last", 2, "price_side is 'last', it can be bid, mid, ask, unknown"),
        ("a: {unit: ticks}", 1, "unit is 'ticks', it can be price, pips, points"),
        ("a: {unit: [pips]}", 1, "unit takes one value"),
        ("a: {unit: pips, unit: points}", 1, "'unit' stands there twice"),
        ("a: {unit: pips}\na: {unit: points}", 2, "'a' stands there twice"),
        ("[a]: {unit: pips}", 1, "a name is expected here"),
        ("a: {unit: pips", 1, "expected ',' or '}'"),
        ("a: {unit: pips}\nb\tc: {", 2, ""),
        ("a: !!python/object/apply:os.system ['ls']", 1, "some of clock, price_side, unit are expected here"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(BadInput) as refusal:
        of(text, "a")
    assert refusal.value.code == "declaration-wrong"
    assert str(refusal.value).startswith(f"in/bars.yaml: line {line}: ")
    assert told in str(refusal.value)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"line 1: the file is no UTF-8 text\. .*\[declaration-wrong\]"):
        Declarations.read(b"\xff\xfea", "bars.yaml")


def test_lines_that_contradict_each_other_are_refused() -> None:
    text = '"*.csv": {unit: pips}\n"eur*": {unit: points}'
    with pytest.raises(BadInput, match=r"line 2: it says unit points of eurusd\.csv, line 1 says pips"):
        of(text, "eurusd.csv")
    assert of(text, "gbpusd.csv").unit == "pips"


def test_a_pattern_that_fits_no_file_is_refused() -> None:
    declarations = Declarations.read(b"a.csv: {unit: pips}\nb.csv: {unit: pips}", "bars.yaml")
    declarations.check_used([("a.csv",), ("in.zip", "B.csv")])
    with pytest.raises(BadInput, match=r"line 2: no file fits 'b\.csv'"):
        declarations.check_used([("a.csv",)])
