"""A load that cannot be is refused before a file is opened."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from include.errors import BadParameter
from include.market.request import LoadRequest
from include.names import to_minute


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pairs": ("eurusd", "eurxyz")}, "pairs has eurxyz: choose from audcad"),
        ({"pairs": ()}, "pairs has no entry"),
        ({"crosses": "guess"}, "write 'none' or 'derive'"),
        ({"price_side": "last"}, "bid, mid, ask, unknown"),
        ({"first_day": "2018-13-01"}, "first_day is '2018-13-01'; write a day as yyyy-mm-dd"),
        ({"first_day": "2018-11-02", "end_day": "2018-11-02"}, "the end day itself is not loaded"),
    ],
)
def test_refusals_name_the_option_and_the_remedy(change: dict, told: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(told)):
        LoadRequest(**{"source": "/bars"} | change)


def test_days_are_half_open_utc_days() -> None:
    first, end = LoadRequest("/bars", first_day="2018-11-01", end_day="2019-02-01").limits
    assert first == to_minute(datetime(2018, 11, 1, tzinfo=UTC))
    assert end == to_minute(datetime(2019, 2, 1, tzinfo=UTC))


def test_a_request_is_made_from_the_params_of_a_run() -> None:
    params = {"source": "/bars", "pairs": ["eurusd"], "first_day": None, "end_day": None, "crosses": "none",
              "price_side": "bid", "timezone": None, "rebuild": True, "dry_run": False}  # fmt: skip
    assert LoadRequest.of(params) == LoadRequest("/bars", pairs=("eurusd",), price_side="bid", rebuild=True)
