"""Times as text against datetime's own parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from include.errors import BadInput
from include.market import problems
from include.market.formats import clock

SHAPES = {
    "compact": "%Y%m%d %H%M%S",
    "dotted": "%Y.%m.%d %H:%M:%S",
    "iso": "%Y-%m-%dT%H:%M:%S",
    "european": "%d.%m.%Y %H:%M:%S",
}


def milliseconds(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


@pytest.mark.parametrize("way", SHAPES)
def test_random_times_equal_those_of_datetime(way: str) -> None:
    random = np.random.default_rng(1)
    moments = [
        datetime(1999, 12, 1, tzinfo=UTC) + timedelta(seconds=int(s)) for s in random.integers(0, 10**9, 500)
    ]
    texts = pa.array([moment.strftime(SHAPES[way]) for moment in moments])
    found = clock.parse(texts, (way,), "x.csv")
    assert found.ms.tolist() == [milliseconds(moment) for moment in moments]
    assert not found.is_utc


@pytest.mark.parametrize(
    ("text", "ways", "expected", "is_utc"),
    [
        ("2024.02.29 23:59", ("dotted",), datetime(2024, 2, 29, 23, 59, tzinfo=UTC), False),
        ("2024-07-01 09:00:00.250", ("iso",), datetime(2024, 7, 1, 9, 0, 0, 250_000, tzinfo=UTC), False),
        ("2024-07-01 09:00:00.0001", ("iso",), datetime(2024, 7, 1, 9, 0, 0, 1000, tzinfo=UTC), False),
        ("2024-07-01 09:00:00.000000001", ("iso",), datetime(2024, 7, 1, 9, 0, 0, 1000, tzinfo=UTC), False),
        (
            "2024-07-01 09:00:00.250000000000",
            ("iso",),
            datetime(2024, 7, 1, 9, 0, 0, 250_000, tzinfo=UTC),
            False,
        ),
        ("2024/07/01 9:00", ("slashed",), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
        ("2024-07-01T09:00+02", ("iso",), datetime(2024, 7, 1, 7, tzinfo=UTC), True),
        ("20240701T090000Z", ("compact",), datetime(2024, 7, 1, 9, tzinfo=UTC), True),
        ("20240701 0900", ("compact",), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
        ("20240701090000", ("digits",), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
        ("15/07/2024 09:00", ("day-or-month",), datetime(2024, 7, 15, 9, tzinfo=UTC), False),
        ("07-15-2024 12:05 AM", ("day-or-month",), datetime(2024, 7, 15, 0, 5, tzinfo=UTC), False),
        ("7/15/2024 12:05:00 pm", ("day-or-month",), datetime(2024, 7, 15, 12, 5, tzinfo=UTC), False),
        ("1719824400.5", ("epoch-s",), datetime(2024, 7, 1, 9, 0, 0, 500_000, tzinfo=UTC), False),
        ("1719824400000000", ("epoch-us",), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
        ("1719824400000000001", ("epoch-ns",), datetime(2024, 7, 1, 9, 0, 0, 1000, tzinfo=UTC), False),
        ("2024-07-01 09:00:00Z", ("iso",), datetime(2024, 7, 1, 9, tzinfo=UTC), True),
        ("2024-07-01T09:00:00+05:30", ("iso",), datetime(2024, 7, 1, 3, 30, tzinfo=UTC), True),
        ("01.07.2024 00:30:00.000 GMT+0200", ("european",), datetime(2024, 6, 30, 22, 30, tzinfo=UTC), True),
        ("01.07.2024 00:30:00.000 GMT-0330", ("european",), datetime(2024, 7, 1, 4, 0, tzinfo=UTC), True),
        ("01.07.2024 00:30:00.000 UTC", ("european",), datetime(2024, 7, 1, 0, 30, tzinfo=UTC), True),
        ("1719824400", ("iso", "epoch-s"), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
        ("1719824400000", ("epoch-ms",), datetime(2024, 7, 1, 9, tzinfo=UTC), False),
    ],
)
def test_time_by_hand(text: str, ways: tuple[str, ...], expected: datetime, is_utc: bool) -> None:
    found = clock.parse(pa.array([text]), ways, "x.csv")
    assert found.ms.tolist() == [milliseconds(expected)]
    assert found.is_utc is is_utc


@pytest.mark.parametrize(
    "text",
    [
        *("", "2023-02-29 10:00", "2024-13-01 10:00", "2024-00-10 10:00", "2024-04-31 10:00"),
        *("2024-04-30 24:00", "2024-04-30 10:60", "2024-04-30 10:00:60", "2024-4-30 10:00"),
        *("2024-04-30", "x2024-04-30 10:00", "20240430", "2024-04-30 13:00 PM", "2024-04-30 0:00 AM"),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(BadInput, match=r"row 2: .*\[bad-time\]") as caught:
        clock.parse(pa.array(["2024-04-30 10:00", text]), ("iso",), "x.csv")
    assert caught.value.row == 2


@pytest.mark.parametrize(
    ("texts", "row"),
    [
        (["07/03/2024 09:00", "07/04/2024 09:00"], 1),
        (["07/03/2024 09:00", "07/13/2024 09:00", "13/07/2024 09:00"], 1),
        (["07/13/2024 09:00", "2024-07-14 09:00"], 2),
    ],
)
def test_days_that_cannot_be_told_from_months_are_refused(texts: list[str], row: int) -> None:
    with pytest.raises(BadInput, match=r"\[bad-time\]") as caught:
        clock.parse(pa.array(texts), tuple(clock.PATTERNS), "x.csv")
    assert caught.value.row == row
    assert problems.FORMS in str(caught.value)


@pytest.mark.parametrize("way", clock.PATTERNS)
def test_a_text_has_one_form(way: str) -> None:
    """No text fits two patterns: the first row cannot be misread."""
    samples = {
        "compact": "20240703 090000", "digits": "20240703090000", "dotted": "2024.07.03 09:00",
        "iso": "2024-07-03T09:00:00.000Z", "slashed": "2024/07/03 09:00", "european": "3.7.2024 9:00",
        "day-or-month": "3-7-2024 9:00 PM", "epoch-s": "1719824400", "epoch-ms": "1719824400000",
        "epoch-us": "1719824400000000", "epoch-ns": "1719824400000000000",
    }  # fmt: skip
    assert [name for name, sample in samples.items() if re.search(clock.PATTERNS[way], sample)] == [way]


def test_the_first_row_decides_how_times_are_written() -> None:
    with pytest.raises(BadInput, match="row 2"):
        clock.parse(pa.array(["2024-04-30 10:00", "1719824400"]), ("iso", "epoch-s"), "x.csv")
