"""Checks that bars must pass before anything is written; the first offending row is named.

Every check runs on whole arrays. Nothing is clipped, filled or dropped: a large move is no error by
itself (one minute of the flash crash of 2019-01-02 moved AUDCHF by 2.2 %), only a factor of two is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

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
SPREAD_ROW, SPREAD_MEDIAN = 0.1, 0.003  # largest share of the price, in one row and as median
SPREAD_LEAST = 1e-6  # smallest median of those that are not zero: a tenth of a tick
FILLER_RUN, FILLER_RUN_KNOWN = 60, 30  # bars of one price in a row; for providers known to write fillers
TRIANGLE_STEP = 15  # minutes: a sample of bars suffices
TRIANGLE_ERROR = 0.01  # median relative error at which three pairs contradict each other
STATED = "utc as stated"  # the clock of a file that says so itself
PRICE_UNITS = "price units"  # the unit of a spread of which nobody said another
USUAL_SERVER = "new-york+7"  # the clock of most brokers' servers
COLUMNS = ("open", "high", "low", "close", "volume", "spread")
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
        told: what was decided on reading, for people: ``format``, ``clock``, ``spread``.
        rows: 1-based data row of each bar in the file; None if no row was left out.
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
    told: Mapping[str, str] = field(default_factory=dict)
    rows: Minutes | None = None

    def row(self, position: int) -> int:
        """The 1-based data row in the file."""
        return position + 1 if self.rows is None else int(self.rows[position])


class Repeats(NamedTuple):
    """Rows that stand twice in a file with the same values, of which one counts.

    Attributes:
        rows: how many rows were left out.
        first, last: epoch minutes of the first and the last of them.
    """

    rows: int
    first: int
    last: int


def once(raw: RawBars, now: int) -> tuple[RawBars, Repeats | None]:
    """Let rows that are equal in every value count once; HistData repeats an hour in autumn so.

    Args:
        raw: the rows, at least one.
        now: epoch minute by which every bar must have ended.

    Raises:
        BadInput: a time cannot be that of a bar, or two rows of one minute differ (``time-duplicate``).
    """
    _check_clock(raw, raw.ms // MINUTE, now)
    _, first, which = np.unique(raw.ms, return_index=True, return_inverse=True)
    original = first[which]
    later = original != np.arange(raw.ms.size)
    if not later.any():
        return raw, None
    same = np.ones(raw.ms.size, dtype=bool)
    for name in COLUMNS:
        column = getattr(raw, name)
        same &= np.isclose(column, column[original], rtol=1e-12, atol=0.0, equal_nan=True)
    wrong = ~same
    if wrong.any():
        row = int(wrong.argmax())
        text = (
            f"{_show(raw.ms[row])} stands in row {raw.row(int(original[row])):,} and here with other values"
        )
        both = f"{shown(raw, int(original[row]))} and {shown(raw, row)}"
        raise bad("time-duplicate", raw.source, f"{text}: {both}", row=raw.row(row), count=int(wrong.sum()))
    minutes = raw.ms[later] // MINUTE
    kept = ~later
    columns = {name: getattr(raw, name)[kept] for name in ("ms", *COLUMNS)}
    rows = np.flatnonzero(kept) + 1
    return replace(raw, **columns, rows=rows), Repeats(minutes.size, int(minutes.min()), int(minutes.max()))


def shown(bars: RawBars | Bars, position: int) -> str:
    """One row for people."""
    cells = ((name, getattr(bars, name)[position]) for name in COLUMNS)
    return " ".join(f"{name} {value:.10g}" for name, value in cells if not np.isnan(value))


def check(raw: RawBars, pair: str, now: int) -> Bars:
    """Check the rows of one file and turn them into bars.

    A column of volume or spread that is zero in every row carries no information and becomes NaN. A
    negative spread is recorded as it is: feeds of several banks cross now and then.

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
    _check_fillers(raw, minutes)
    _check_weekends(raw, minutes)
    volume, spread = (_known(column) for column in (raw.volume, raw.spread))
    return Bars(minutes, raw.open, raw.high, raw.low, raw.close, volume, spread)


def _known(column: Floats) -> Floats:
    return column if np.nan_to_num(column).any() else np.full_like(column, np.nan)


def _refuse(raw: RawBars, code: str, wrong: Flags, text: str, line: str = "") -> None:
    """Raise for the first wrong row, if there is one; `text` may name the cells of that row."""
    if not wrong.any():
        return
    row = int(wrong.argmax())
    before = max(row - 1, 0)
    cells = {name: f"{getattr(raw, name)[row]:.10g}" for name in COLUMNS}
    cells["last_close"] = f"{raw.close[before]:.10g}"
    cells |= {"time": _show(raw.ms[row]), "last_time": _show(raw.ms[before])}
    raise bad(code, raw.source, text.format(**cells), row=raw.row(row), count=int(wrong.sum()), line=line)


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
        raise bad("time-descending", raw.source, "the newest row comes first", row=raw.row(1))
    _refuse(raw, "time-unsorted", step < 0, "{time} follows {last_time}")
    _refuse(raw, "time-duplicate", step == 0, "{time} occurs twice")


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
    known_share = known_share[known_share > 0.0]
    if known_share.size and not SPREAD_LEAST <= (middle := float(np.median(known_share))) <= SPREAD_MEDIAN:
        line = "unit: pips" if raw.told.get("spread") == PRICE_UNITS else ""
        text = f"the median spread is {middle:.2g} of the price"
        raise bad("spread-implausible", raw.source, text, line=line)
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
        raise bad("not-one-minute", raw.source, text, row=raw.row(row))


def _check_fillers(raw: RawBars, minutes: Minutes) -> None:
    """Refuse a long stretch of minutes that repeat one price: nobody quoted there."""
    flat = (raw.high == raw.low) & ~(np.nan_to_num(raw.volume) > 0.0)
    goes_on = flat & np.concatenate(
        [[False], flat[:-1] & (np.diff(raw.close) == 0) & (np.diff(minutes) == 1)]
    )
    begins = np.flatnonzero(~goes_on)
    lengths = np.diff(np.append(begins, goes_on.size))
    longest = int(lengths.argmax())
    if lengths[longest] >= (FILLER_RUN_KNOWN if raw.has_fillers else FILLER_RUN):
        row = int(begins[longest])
        count, price = int(lengths[longest]), raw.close[row]
        text = f"{count:,} minutes from {_show(raw.ms[row])} on repeat the price {price:.10g}"
        raise bad("filler-bars", raw.source, text, row=raw.row(row), count=count)


def _check_weekends(raw: RawBars, minutes: Minutes) -> None:
    """Refuse bars well inside a weekend, from which a wrong time zone shows by one hour."""
    clock = week_clock(minutes)
    closed = (clock >= WEEK_CLOSE + WEEKEND_SLACK) & (clock < WEEK - WEEKEND_SLACK)
    weeks = (minutes[closed] - _FIRST_SATURDAY) // WEEK
    if weeks.size and np.unique(weeks, return_counts=True)[1].max() >= WEEKEND_ROWS:
        text = "a bar at {time}, between Friday 17:00 and Sunday 17:00 in New York"
        # A clock that was declared is wrong in the declaration; one that the file states, in bars.yaml only.
        line = f"clock: {USUAL_SERVER}" if raw.told.get("clock") == STATED else ""
        _refuse(raw, "weekend-bars", closed, text, line)


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
