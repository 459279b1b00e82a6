"""What checks of bars must let pass, and checks across pairs. Bad files are in test_readers.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from include.errors import BadInput
from include.features.bars import Bars
from include.market.checks import MINUTE, RawBars, check, check_triangles
from include.market.levels import tick_size, usual_rate
from include.names import to_minute
from include.pairs import PAIRS, triangle
from tests.include.market.good_files import NOW, good_bars

NOW_MINUTE = to_minute(NOW)


def raw(bars: Bars, **columns: np.ndarray) -> RawBars:
    names = ("open", "high", "low", "close", "volume", "spread")
    return RawBars("x.csv", bars.ts * MINUTE, **({name: getattr(bars, name) for name in names} | columns))


def moved(factor: float, row: int = 100) -> RawBars:
    """Prices that jump by a factor at a row and stay there."""
    bars = good_bars()
    scale = np.where(np.arange(len(bars)) >= row, factor, 1.0)
    return raw(bars, **{name: getattr(bars, name) * scale for name in ("open", "high", "low", "close")})


@pytest.mark.parametrize("factor", [0.97, 0.7, 1.9, 0.51])
def test_crashes_are_no_errors(factor: float) -> None:
    """The franc moved by a fifth within minutes on 2015-01-15; nothing of the kind is refused."""
    assert len(check(moved(factor), "eurusd", NOW_MINUTE)) == 240


@pytest.mark.parametrize("factor", [0.49, 2.1, 10.0])
def test_a_factor_of_two_from_one_bar_to_the_next_is_an_error(factor: float) -> None:
    with pytest.raises(BadInput, match=r"row 201: .*\[price-jump\]"):
        check(moved(factor, row=200), "eurusd", NOW_MINUTE)


def test_prices_touching_each_other_are_no_errors() -> None:
    bars = good_bars()
    flat = raw(bars, **dict.fromkeys(("open", "high", "low", "close"), bars.close))
    assert len(check(flat, "eurusd", NOW_MINUTE)) == 240


def test_volume_of_zero_throughout_is_absent_volume() -> None:
    bars = good_bars()
    assert np.isnan(check(raw(bars, volume=np.zeros(240)), "eurusd", NOW_MINUTE).volume).all()
    some = np.where(np.arange(240) == 9, 1.0, 0.0)
    np.testing.assert_array_equal(check(raw(bars, volume=some), "eurusd", NOW_MINUTE).volume, some)


@pytest.mark.parametrize(("after_close", "refused"), [(15, False), (44, False), (45, True)])
def test_a_few_quotes_after_the_friday_close_are_no_errors(after_close: int, refused: bool) -> None:
    first = datetime(2024, 7, 5, 21, 0, tzinfo=UTC) + timedelta(minutes=after_close - 240)
    bars = raw(good_bars(start=first))
    if refused:
        with pytest.raises(BadInput, match=r"2024-07-05 21:15 .*\(30 rows in all\).*\[weekend-bars\]"):
            check(bars, "eurusd", NOW_MINUTE)
    else:
        assert len(check(bars, "eurusd", NOW_MINUTE)) == 240


def test_last_ended_bar_is_accepted_and_the_running_one_is_not() -> None:
    bars = good_bars()
    last = int(bars.ts[-1])
    assert len(check(raw(bars), "eurusd", last + 1)) == 240
    with pytest.raises(BadInput, match=r"row 240: .*\[time-future\]"):
        check(raw(bars), "eurusd", last)


@pytest.mark.parametrize("missing", [0.2, 0.7])
def test_missing_minutes_are_no_other_spacing(missing: float) -> None:
    bars = good_bars(rows=2000)
    kept = np.random.default_rng(3).random(2000) > missing
    thin = Bars(*(getattr(bars, name)[kept] for name in vars(bars)))
    assert len(check(raw(thin), "eurusd", NOW_MINUTE)) == kept.sum()


# Rates of quiet and of extreme years since 1990.
SEEN = {
    "eurusd": (0.823, 1.604), "gbpusd": (1.035, 2.116), "usdjpy": (75.6, 162.0), "audusd": (0.477, 1.108),
    "usdcad": (0.906, 1.62), "usdchf": (0.707, 1.83), "nzdusd": (0.389, 0.884), "chfjpy": (58.0, 205.0),
    "gbpjpy": (116.8, 296.0), "audjpy": (55.0, 125.0), "nzdjpy": (42.0, 99.0), "gbpnzd": (1.66, 3.7),
    "eurgbp": (0.57, 0.98), "eurchf": (0.85, 1.83), "audnzd": (0.995, 1.44), "gbpchf": (1.02, 2.95),
}  # fmt: skip


@pytest.mark.parametrize("pair", SEEN)
def test_every_level_ever_seen_is_plausible(pair: str) -> None:
    for level in SEEN[pair]:
        bars = good_bars(level=level, tick=tick_size(pair))
        assert len(check(raw(bars), pair, NOW_MINUTE)) == 240
        assert 1 / 2.2 < level / usual_rate(pair) < 2.2


def market() -> dict[str, Bars]:
    """Pairs that agree: each rate is a ratio of two values, all of them at rest."""
    bars = good_bars()
    return {
        pair: Bars(bars.ts, *[np.full(len(bars), usual_rate(pair))] * 4, bars.volume, bars.spread)
        for pair in PAIRS
    }


def test_consistent_pairs_pass() -> None:
    check_triangles(market(), dict.fromkeys(PAIRS, "x"))


@pytest.mark.parametrize("culprit", ["eurusd", "nzdcad", "gbpchf"])
def test_pair_that_contradicts_the_others_is_named(culprit: str) -> None:
    pairs = market()
    b = pairs[culprit]
    pairs[culprit] = Bars(b.ts, 1 / b.open, 1 / b.low, 1 / b.high, 1 / b.close, b.volume, b.spread)
    with pytest.raises(BadInput, match=rf"^{culprit}\.csv: {culprit} contradicts .*\[triangle-broken\]"):
        check_triangles(pairs, {pair: f"{pair}.csv" for pair in PAIRS})


def test_pairs_without_a_common_minute_or_a_triangle_are_not_compared() -> None:
    pairs = market()
    some = {pair: pairs[pair] for pair in ("eurusd", *(leg.pair for leg in triangle("eurusd")))}
    b = some["eurusd"]
    some["eurusd"] = Bars(b.ts + 10_000, *[b.close * 2] * 4, b.volume, b.spread)
    check_triangles(some, dict.fromkeys(some, "x"))
    check_triangles({"eurusd": some["eurusd"]}, {"eurusd": "x"})
