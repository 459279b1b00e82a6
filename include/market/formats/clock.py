"""Times written as text, to milliseconds; strict about shape and calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.features.arrays import Flags, Minutes
from include.market.problems import bad

_TIME = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d+))?)?(?P<p> ?[AaPp][Mm])?"
_ZONE = r"(?: ?(?:GMT|UTC)?(?P<z>Z|GMT|UTC|[+-]\d{2}(?::?\d{2})?))?"
_DATE = r"(?P<y>\d{4})%(?P<m>\d{2})%(?P<d>\d{2})"
_COMPACT = r"(?P<H>\d{2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:\.(?P<f>\d+))?)?"
PATTERNS = {
    "compact": rf"^{_DATE.replace('%', '')}[ T]{_COMPACT}{_ZONE}$",
    "digits": rf"^{_DATE.replace('%', '')}(?P<H>\d{{2}})(?P<M>\d{{2}})(?P<S>\d{{2}})$",
    "dotted": rf"^{_DATE.replace('%', '[.]')}[ T]{_TIME}{_ZONE}$",
    "iso": rf"^{_DATE.replace('%', '-')}[ T]{_TIME}{_ZONE}$",
    "slashed": rf"^{_DATE.replace('%', '/')}[ T]{_TIME}{_ZONE}$",
    "european": rf"^(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}),? {_TIME}{_ZONE}$",
    "day-or-month": rf"^(?P<one>\d{{1,2}})[/-](?P<other>\d{{1,2}})[/-](?P<y>\d{{4}}),? {_TIME}{_ZONE}$",
    "epoch-s": r"^(?P<n>\d{9,10})(?:\.(?P<f>\d+))?$",
    "epoch-ms": r"^(?P<n>\d{12,13})(?:\.(?P<f>\d+))?$",
    "epoch-us": r"^(?P<n>\d{15,16})(?:\.(?P<f>\d+))?$",
    "epoch-ns": r"^(?P<n>\d{18,19})(?:\.(?P<f>\d+))?$",
}
_PER_MS = {"epoch-ms": 1, "epoch-us": 1000, "epoch-ns": 1_000_000}


class Clock(NamedTuple):
    """Times of a file.

    Attributes:
        ms: milliseconds since 1970-01-01, on the file's clock, or in UTC if `is_utc`.
        is_utc: every row states its offset from UTC. Counts since the epoch do not: MetaTrader counts on
            the server's clock.
        is_epoch: times are counts since the epoch.
        is_seconds: these counts are seconds, as MetaTrader's are.
        is_offset: some row states an offset other than zero.
    """

    ms: Minutes
    is_utc: bool
    is_epoch: bool = False
    is_seconds: bool = False
    is_offset: bool = False


def parse(texts: Any, allowed: Sequence[str], source: str) -> Clock:
    """Read a column of times; the first row decides which of the allowed ways holds for all.

    Args:
        texts: pyarrow string array, one time per row, at least one.
        allowed: keys of `PATTERNS`.
        source: file to blame.

    Raises:
        BadInput: a time of another shape, a date that does not exist, or days that cannot be told from
            months (``bad-time``).
    """
    first = texts[0].as_py()
    ways = [way for way in allowed if re.search(PATTERNS[way], first)]
    if not ways:
        raise bad("bad-time", source, f"{first!r} is no time of a form that is read", row=1)
    way = ways[0]
    fields = pc.extract_regex(texts, pattern=PATTERNS[way])
    if way == "day-or-month":
        fields = _told_apart(texts, fields, source)
    _blame(texts, np.asarray(fields.is_null()), source)
    if way.startswith("epoch"):
        return Clock(_counted(fields, way), is_utc=False, is_epoch=True, is_seconds=way == "epoch-s")
    ms, exists = _calendar(fields)
    _blame(texts, ~exists, source)
    offset = _offsets(texts, fields, source)
    if offset is None:
        return Clock(ms, is_utc=False)
    return Clock(ms - offset, is_utc=True, is_offset=bool(offset.any()))


def _blame(texts: Any, wrong: Flags, source: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        text = f"{texts[row].as_py()!r} is no time of the form of the rows before"
        raise bad("bad-time", source, text, row=row + 1, count=int(wrong.sum()))


def _names(fields: Any) -> list[str]:
    return [field.name for field in fields.type]


def _text(fields: Any, name: str) -> Any:
    return pc.struct_field(fields, name)


def _integers(fields: Any, name: str) -> Minutes:
    texts = _text(fields, name)
    return np.asarray(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64()))


def _told_apart(texts: Any, fields: Any, source: str) -> Any:
    """Which of two numbers is the day: one of them passes 12 somewhere in the file."""
    known = fields.filter(fields.is_valid())
    one, other = (_integers(known, name).max() > 12 for name in ("one", "other"))
    if one == other:
        text = f"{texts[0].as_py()!r} may name the day first or the month"
        raise bad("bad-time", source, text, row=1)
    names = ("d", "m") if one else ("m", "d")
    renamed = {"one": names[0], "other": names[1]}
    parts = {renamed.get(name, name): _text(fields, name) for name in _names(fields)}
    return pa.StructArray.from_arrays(list(parts.values()), list(parts), mask=fields.is_null())


def _counted(fields: Any, way: str) -> Minutes:
    """Milliseconds of counts since the epoch; parts of one round up."""
    counts = _integers(fields, "n")
    if way == "epoch-s":
        return counts * 1000 + _fraction(fields)
    return -(-counts // _PER_MS[way]) + (_fraction(fields) > 0)


def _calendar(fields: Any) -> tuple[Minutes, Flags]:
    """Milliseconds, and whether date and time of day exist."""
    names = _names(fields)
    year, month, day, hour, minute, second = (_integers(fields, name) for name in "ymdHMS")
    month_start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    date = month_start.astype("datetime64[D]") + (day - 1)
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (date.astype("datetime64[M]") == month_start)
    exists &= (hour < 24) & (minute < 60) & (second < 60)
    if "p" in names:
        half = pc.utf8_lower(pc.utf8_trim_whitespace(_text(fields, "p")))
        is_half = np.asarray(pc.not_equal(half, ""))
        exists &= ~is_half | ((hour >= 1) & (hour <= 12))
        hour = np.where(is_half, hour % 12 + 12 * np.asarray(pc.equal(half, "pm")), hour)
    seconds = (date.astype(np.int64) * 24 + hour) * 3600 + minute * 60 + second
    return seconds * 1000 + (_fraction(fields) if "f" in names else 0), exists


def _fraction(fields: Any) -> Minutes:
    """Milliseconds of the fraction of a second; parts of one round up, so that none is lost."""
    digits = _text(fields, "f")
    whole = np.asarray(pc.cast(pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 3, "0"), 0, 3), pa.int64()))
    return whole + np.asarray(pc.match_substring_regex(digits, r"^\d{3}\d*[1-9]")).astype(np.int64)


def _offsets(texts: Any, fields: Any, source: str) -> Minutes | None:
    """Milliseconds ahead of UTC that each row states, or None if no row states any."""
    if "z" not in _names(fields):
        return None
    zones = _text(fields, "z")
    silent = np.asarray(pc.equal(zones, ""))
    if silent.all():
        return None
    _blame(texts, silent, source)
    by_zone = {zone: _offset(zone) for zone in pc.unique(zones).to_pylist()}
    encoded = zones.dictionary_encode()
    table = np.array([by_zone[zone] for zone in encoded.dictionary.to_pylist()], dtype=np.int64)
    indices: Minutes = np.asarray(encoded.indices, dtype=np.int64)
    return table[indices]


def _offset(zone: str) -> int:
    if zone in ("Z", "GMT", "UTC"):
        return 0
    digits = f"{zone[1:].replace(':', '')}00"
    minutes = int(digits[:2]) * 60 + int(digits[2:4])
    return (-minutes if zone[0] == "-" else minutes) * 60_000
