"""Checks that bars must pass before anything is written; the first offending row is named.

Every check runs on whole arrays. Nothing is clipped, filled or dropped: a large move is no error by
itself (one minute of the flash crash of 2019-01-02 moved AUDCHF by 2.2 %), only a factor of two is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from include.features.arrays import Flags, Floats, Minutes
from include.features.bars import Bars
from include.market.levels import usual_rate
from include.market.problems import bad
from include.market.timezones import WEEK, WEEK_CLOSE, week_clock
from include.names import to_datetime
from include.pairs import triangle

MINUTE = 60_000  # milliseconds
OLDEST = int(np.datetime64("1990-01-01", "m").astype(np.int64))
LEVEL_FACTOR = 4.0  # the median close may lie so far from the usual rate, either way
JUMP_FACTOR = 2.0  # a price may lie so far from the close of the bar before, either way
JUMP_GAP = 7 * 1440  # minutes after which no jump is looked for
SPACING_ROWS = 100  # among so many steps at least one must be of one minute
CONSTANT_ROWS = 100  # so many bars of one single price are a dead feed
WEEKEND_SLACK = 15  # minutes after the close and before the open in which providers may quote
WEEKEND_ROWS = 30  # bars of one weekend, slack apart, that prove a wrong clock or fillers
SPREAD_ROW, SPREAD_MEDIAN = 0.1, 0.005  # largest share of the price, in one row and as median
TRIANGLE_STEP = 15  # minutes: a sample of bars suffices
TRIANGLE_ERROR = 0.01  # median relative error at which three pairs contradict each other
_FIRST_SATURDAY = 2 * 1440  # 1970-01-03 00:00: weeks counted from here cut no weekend


@dataclass(frozen=True)
class RawBars:
    """What a reader found in one file, unchecked, rows in file order.

    Attributes:
        source: path of the file, as the user gave it.
        ms: int64 milliseconds since 1970-01-01 UTC.
        open, high, low, close: prices, no cell missing.
        volume: NaN where absent.
        spread: in price units, NaN where absent.
        counts_ticks: volume is a tick count, so whole; otherwise it is an amount.
        has_fillers: the provider may write zero-volume bars for minutes without a quote.
    """

    source: str
    ms: Minutes
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    spread: Floats
    counts_ticks: bool = True
    has_fillers: bool = False


def check(raw: RawBars, pair: str, now: int) -> Bars:
    """Check the rows of one file and turn them into bars.

    A volume column that is zero in every row carries no information and becomes NaN. A negative
    spread is recorded as it is: feeds of several banks cross now and then.

    Args:
        raw: the rows, at least one.
        pair: the pair they are loaded as.
        now: epoch minute by which every bar must have ended.

    Raises:
        BadInput: the first check that fails; see docs/market_data.md for all of them.
    """
    minutes = raw.ms // MINUTE
    _check_clock(raw, minutes, now)
    _check_order(raw, minutes)
    _check_prices(raw)
    _check_volume_and_spread(raw)
    _check_level(raw, pair)
    _check_jumps(raw, minutes)
    _check_spacing(raw, minutes)
    _check_weekends(raw, minutes)
    volume = raw.volume if np.nan_to_num(raw.volume).any() else np.full_like(raw.volume, np.nan)
    return Bars(minutes, raw.open, raw.high, raw.low, raw.close, volume, raw.spread)


def _refuse(raw: RawBars, code: str, wrong: Flags, text: str) -> None:
    """Raise for the first wrong row, if there is one; `text` may name the cells of that row."""
    if not wrong.any():
        return
    row = int(wrong.argmax())
    before = max(row - 1, 0)
    names = ("open", "high", "low", "close", "volume", "spread")
    cells = {name: f"{getattr(raw, name)[row]:.10g}" for name in names}
    cells["last_close"] = f"{raw.close[before]:.10g}"
    cells |= {"time": _show(raw.ms[row]), "last_time": _show(raw.ms[before])}
    raise bad(code, raw.source, text.format(**cells), row=row + 1, count=int(wrong.sum()))


def _show(ms: np.int64) -> str:
    text = str(np.datetime64(int(ms), "ms")).replace("T", " ")
    return f"{text.removesuffix('.000').removesuffix(':00')} UTC"


def _check_clock(raw: RawBars, minutes: Minutes, now: int) -> None:
    _refuse(raw, "time-too-old", minutes < OLDEST, "{time} lies before 1990")
    off = raw.ms % MINUTE != 0
    if off.mean() > 0.5 and np.unique(minutes).size < 0.9 * minutes.size:
        _refuse(raw, "tick-data", off, "times such as {time}, several in one minute, are ticks")
    _refuse(raw, "off-minute", off, "{time} is no whole minute")
    text = f"the bar of {{time}} has not ended by {to_datetime(now):%Y-%m-%d %H:%M} UTC"
    _refuse(raw, "time-future", minutes >= now, text)


def _check_order(raw: RawBars, minutes: Minutes) -> None:
    step = np.diff(minutes, prepend=minutes[0] - 1)
    if len(step) > 2 and (step[1:] < 0).all():
        raise bad("time-descending", raw.source, "the newest row comes first", row=2)
    _refuse(raw, "time-unsorted", step < 0, "{time} follows {last_time}")
    same = step == 0
    for column in (raw.open, raw.high, raw.low, raw.close):
        same &= np.diff(column, prepend=np.nan) == 0
    repeats = "with other prices" if (same != (step == 0)).any() else "with the same prices"
    _refuse(raw, "time-duplicate", step == 0, f"{{time}} occurs twice, {repeats}")


_PRICE_RULES = (
    ("high-below-low", "high", "low", "high {high} is below low {low}"),
    ("high-below-open", "high", "open", "high {high} is below open {open}"),
    ("high-below-close", "high", "close", "high {high} is below close {close}"),
    ("low-above-open", "open", "low", "low {low} is above open {open}"),
    ("low-above-close", "close", "low", "low {low} is above close {close}"),
)


def _check_prices(raw: RawBars) -> None:
    prices = np.stack([raw.open, raw.high, raw.low, raw.close])
    listed = "among open {open}, high {high}, low {low}, close {close}"
    for code, wrong, what in (
        ("price-not-finite", ~np.isfinite(prices), "no finite number"),
        ("price-zero", prices == 0.0, "zero"),
        ("price-negative", prices < 0.0, "negative"),
    ):
        _refuse(raw, code, np.asarray(wrong.any(axis=0)), f"a price is {what} {listed}")
    for code, large, small, text in _PRICE_RULES:
        _refuse(raw, code, getattr(raw, large) < getattr(raw, small), text)
    if len(raw.ms) >= CONSTANT_ROWS and raw.high.max() == raw.low.min():
        raise bad("price-constant", raw.source, f"all {len(raw.ms):,} rows show {raw.close[0]:.10g}")


def _check_volume_and_spread(raw: RawBars) -> None:
    volume, spread = raw.volume, raw.spread
    _refuse(raw, "volume-not-finite", np.isinf(volume), "volume is {volume}")
    _refuse(raw, "volume-negative", volume < 0.0, "volume is {volume}")
    known = np.nan_to_num(volume)
    if raw.counts_ticks:
        _refuse(raw, "volume-not-whole", known != np.floor(known), "volume {volume} is no count of ticks")
    if raw.has_fillers and known.any():
        filler = (volume == 0.0) & (raw.high == raw.low)
        _refuse(raw, "filler-bars", filler, "{time} is flat with zero volume: a minute without a quote")
    _refuse(raw, "spread-not-finite", np.isinf(spread), "spread is {spread}")
    share = np.abs(spread) / raw.close
    known_share = share[~np.isnan(share)]
    if known_share.size and (middle := float(np.median(known_share))) > SPREAD_MEDIAN:
        raise bad("spread-implausible", raw.source, f"the median spread is {middle:.1%} of the price")
    _refuse(raw, "spread-implausible", share > SPREAD_ROW, "spread {spread} at a close of {close}")


def _check_level(raw: RawBars, pair: str) -> None:
    level, usual = float(np.median(raw.close)), usual_rate(pair)
    if _near(level, usual):
        return
    text = f"the median close is {level:.6g}, {pair} is usually near {usual:.3g}"
    if _near(1.0 / level, usual):
        raise bad("price-inverted", raw.source, f"{text}: it looks inverted")
    power = round(float(np.log10(level / usual)))
    if power and _near(level / 10.0**power, usual, 2.0):
        raise bad("price-scaled", raw.source, f"{text}: it looks multiplied by 10^{power}")
    raise bad("price-level", raw.source, text)


def _near(one: float, other: float, factor: float = LEVEL_FACTOR) -> bool:
    return 1.0 / factor <= one / other <= factor


def _check_jumps(raw: RawBars, minutes: Minutes) -> None:
    last = np.concatenate([raw.close[:1], raw.close[:-1]])
    near = np.diff(minutes, prepend=minutes[0]) <= JUMP_GAP
    ratio = np.maximum(raw.high / last, last / raw.low)
    text = "open {open}, high {high}, low {low}, close {close} after a close of {last_close}"
    _refuse(raw, "price-jump", near & (ratio > JUMP_FACTOR), text)


def _check_spacing(raw: RawBars, minutes: Minutes) -> None:
    """Refuse a stretch without one single step of one minute: bars of 5 minutes, an hour, a day."""
    step = np.diff(minutes)
    rows = min(SPACING_ROWS, step.size)
    if rows < 10:
        return
    found = np.cumsum(np.concatenate([[0], step == 1]))
    barren = found[rows:] == found[:-rows]
    if barren.any():
        row = int(barren.argmax())
        usual = int(np.median(step[row : row + rows]))
        text = f"{rows} rows from here on have no step of one minute, usually {usual:,} minutes"
        raise bad("not-one-minute", raw.source, text, row=row + 1)


def _check_weekends(raw: RawBars, minutes: Minutes) -> None:
    """Refuse bars well inside a weekend, from which a wrong time zone shows by one hour."""
    clock = week_clock(minutes)
    closed = (clock >= WEEK_CLOSE + WEEKEND_SLACK) & (clock < WEEK - WEEKEND_SLACK)
    weeks = (minutes[closed] - _FIRST_SATURDAY) // WEEK
    if weeks.size and np.unique(weeks, return_counts=True)[1].max() >= WEEKEND_ROWS:
        text = "a bar at {time}, between Friday 17:00 and Sunday 17:00 in New York"
        _refuse(raw, "weekend-bars", closed, text)


def check_triangles(bars: Mapping[str, Bars], sources: Mapping[str, str]) -> None:
    """Check that loaded pairs agree with each other: AB = AC x CB at the same minute.

    Shows what one file cannot: EURUSD prices in a file named after GBPUSD, or a pair near 1 that is
    inverted. Triangles whose legs are not all loaded, or share no minute, are skipped.

    Args:
        bars: loaded pairs.
        sources: path of each pair's file, for the message.

    Raises:
        BadInput: the median relative error of a triangle exceeds 1 % (``triangle-broken``). The pair
            that takes part in most broken triangles, and least in sound ones, is named.
    """
    errors = {pair: error for pair in bars if (error := _triangle_error(pair, bars)) is not None}
    broken = {pair: error for pair, error in errors.items() if error > TRIANGLE_ERROR}
    if not broken:
        return
    votes = dict.fromkeys(bars, 0)
    for pair in errors:
        for name in (pair, *(leg.pair for leg in triangle(pair))):
            votes[name] += 1 if pair in broken else -1
    culprit = max(votes, key=lambda name: votes[name])
    worst = max(broken, key=lambda name: broken[name])
    legs = " and ".join(leg.pair for leg in triangle(worst))
    evidence = f"{worst} differs from {legs} by {broken[worst]:.1%} at the median"
    text = f"{culprit} contradicts the other pairs: {evidence}"
    raise bad("triangle-broken", sources[culprit], text)


def _triangle_error(pair: str, bars: Mapping[str, Bars]) -> float | None:
    legs = triangle(pair)
    if any(leg.pair not in bars for leg in legs):
        return None
    parts = [bars[pair], *(bars[leg.pair] for leg in legs)]
    samples = [part.ts[part.ts % TRIANGLE_STEP == 0] for part in parts]
    minutes = np.intersect1d(np.intersect1d(samples[0], samples[1]), samples[2])
    if not minutes.size:
        return None
    logs = [np.log(part.close[np.searchsorted(part.ts, minutes)]) for part in parts]
    residual = logs[0] - legs[0].sign * logs[1] - legs[1].sign * logs[2]
    return abs(float(np.expm1(np.median(residual))))
