"""Reading delimited text: bytes to lines, lines to cells, cells to times and numbers.

Strict on purpose: what a spreadsheet program would guess (decimal commas, thousands separators,
short rows, stray headers) is refused with the row and a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from include.errors import BadInput
from include.features.arrays import Floats
from include.market.checks import RawBars
from include.market.declared import NOTHING, Declaration
from include.market.formats import clock, header, histdata, metatrader, spread, zone
from include.market.formats.layout import IGNORED, REQUIRED, Layout
from include.market.naming import pairs_in
from include.market.problems import bad

HEADLESS = (histdata.recognise, metatrader.recognise)
DELIMITERS = (",", ";", "\t", "|")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WORDS = re.compile(r"nan|[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_NAMES = "mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DIVIDED_TIME = re.compile(rf"\b({_NAMES})[a-z]*\b|\d[/.-]\d+, *\d{{1,2}}:\d\d", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,' .\u00a0]\d{3})+([.,]\d+)?")


def read(
    content: bytes, source: str, pair: str, timezone: str | None, declaration: Declaration = NOTHING
) -> RawBars:
    """Read a text file of any known format.

    Args:
        content: the whole file, not empty.
        source: path, to name it in errors.
        pair: pair it is loaded as; decides the size of a pip and what a symbol column must say.
        timezone: clock declared for the load, or None.
        declaration: what ``bars.yaml`` says of the file.

    Raises:
        BadInput: see docs/market_data.md, "Text", "Columns" and "Time".
    """
    text = _decode(content, source)
    layout = _recognise(text, source)
    dialect = layout.dialect
    cells = _split(text, layout, source)
    for name in [name for name in cells if name.startswith("symbol")]:
        check_symbol(cells[name], pair, source)
    times = clock.parse(_times(cells, layout, source), tuple(clock.PATTERNS), source)
    is_utc = layout.is_utc or (layout.epoch_is_utc and times.is_epoch)
    stated = zone.Stated(dialect.name, is_utc, dialect.server_clock)
    ms, told_clock = zone.resolve(times, stated, declaration, timezone, source)
    opened, high, low, close = prices = [_numbers(cells, name, source, required=True) for name in REQUIRED]
    volume = _numbers(cells, "volume", source, required=False)
    width, told_unit = _spread(cells, layout, pair, prices, declaration, source)
    told = {"format": dialect.name, "clock": told_clock, "spread": told_unit}
    flags = (dialect.counts_ticks, dialect.has_fillers)
    return RawBars(source, ms, opened, high, low, close, volume, width, *flags, told)


def _spread(
    cells: dict[str, Any],
    layout: Layout,
    pair: str,
    prices: Sequence[Floats],
    declaration: Declaration,
    source: str,
) -> tuple[Floats, str]:
    """The spread in price units, and what was decided about its unit."""
    name = next((name for name in spread.COLUMNS if name in cells), None)
    if name is None:
        return np.full(prices[0].size, np.nan), spread.ABSENT
    values = _numbers(cells, name, source, required=False)
    if not np.nan_to_num(values).any():
        return values, spread.ABSENT
    is_whole = not pc.any(pc.match_substring(cells[name], ".")).as_py()
    unit = spread.Unit.of(name, layout.dialect.spread_unit, declaration.unit, is_whole=is_whole)
    quotes = spread.Quotes.of(pair, prices, [cells[name] for name in REQUIRED])
    return spread.in_price_units(values, quotes, unit, source)


def _decode(content: bytes, source: str) -> str:
    if content.startswith(_UTF16) or content[1::2][:200].count(0) > len(content[1::2][:200]) // 2:
        raise bad("utf16", source, "the text is in UTF-16")
    zero = content.find(b"\0")
    if zero >= 0:
        raise bad("nul-byte", source, f"byte {zero:,} is zero", row=_row_of_byte(content, zero))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = f"byte {error.start:,} is {content[error.start]:#04x}, which is no UTF-8"
        raise bad("not-utf8", source, text, row=_row_of_byte(content, error.start)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def _row_of_byte(content: bytes, position: int) -> int | None:
    """Data row that holds a byte; a first line without digits in front is a header."""
    header = not content.lstrip(b"\xef\xbb\xbf")[:1].isdigit()
    return content[:position].count(b"\n") + (0 if header else 1) or None


def _recognise(text: str, source: str) -> Layout:
    line = text.partition("\n")[0]
    for recognise in HEADLESS:
        layout = recognise(line)
        if layout is not None:
            return layout
    delimiter = max(DELIMITERS, key=line.count)
    names = tuple(name.strip().strip('"').lower() for name in line.split(delimiter))
    _refuse_ticks(line, names, source)
    if not header.is_header(names):
        if line[:1].isdigit() and len(names) >= 5:
            raise bad("header-missing", source, f"the first line is {_excerpt(line)}, no header", row=1)
        raise bad("format-unknown", source, f"the first line is {_excerpt(line)}")
    return header.layout(names, delimiter, source)


def _refuse_ticks(line: str, names: tuple[str, ...], source: str) -> None:
    sides = {re.sub("price$|[^a-z]", "", name) for name in names}
    if histdata.is_tick(line) or ({"bid", "ask"} <= sides and not header.is_header(names)):
        raise bad("tick-data", source, f"the first line is {_excerpt(line)}: quotes, not bars")


def _split(text: str, layout: Layout, source: str) -> dict[str, Any]:
    """Cells of each column that means something, as pyarrow string arrays."""
    body = text.partition("\n")[2] if layout.header else text
    if not body.strip():
        raise bad("no-rows", source, "the file has a header and no rows")
    blank = re.search(r"^[ \t]*$", body, re.MULTILINE)
    if blank:
        raise bad("blank-line", source, "the line is empty", row=body.count("\n", 0, blank.start()) + 1)
    table, wrong = _parse(body, layout, source)
    if wrong:
        raise _wrong_row(wrong, layout, source)
    if table.num_rows != body.count("\n") + 1:
        raise bad("unreadable-csv", source, "quotation marks join several lines into one row")
    columns = table.combine_chunks()
    cells = {}
    for number, meaning in enumerate(layout.columns):
        if meaning != IGNORED:
            key = f"symbol {number}" if meaning == "symbol" else meaning  # a pair may stand in two columns
            cells[key] = pc.utf8_trim_whitespace(columns.column(number).combine_chunks())
    return cells


def _parse(body: str, layout: Layout, source: str) -> tuple[Any, list[Any]]:
    """A pyarrow table of texts, and the rows that have another number of cells."""
    wrong: list[Any] = []

    def set_aside(row: Any) -> str:
        wrong.append(row)
        return "skip"

    names = [f"{meaning}{number}" for number, meaning in enumerate(layout.columns)]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(body.encode()),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter, invalid_row_handler=set_aside, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise bad("unreadable-csv", source, str(error).rstrip(".")) from None
    return table, wrong


def _wrong_row(wrong: list[Any], layout: Layout, source: str) -> BadInput:
    first = wrong[0]
    others = [mark for mark in DELIMITERS if first.text.count(mark) >= len(REQUIRED)]
    columns = f" ({', '.join(layout.columns)})" if not layout.header else ""
    expected = f"{first.expected_columns} are expected{columns}"
    text = f"{first.actual_columns} cells where {expected}: {_excerpt(first.text)}"
    code = "column-count"
    if first.actual_columns == 1 and others:
        code = "mixed-delimiters"
        text = f"{_excerpt(first.text)} is divided by {others[0]!r}, the file by {layout.delimiter!r}"
    elif layout.delimiter == "," and first.actual_columns >= first.expected_columns + len(REQUIRED):
        code = "decimal-comma"
        text = f"each price takes two cells: {_excerpt(first.text)}"
    elif _divides_time(first, layout):
        code = "bad-time"
        text = f"the time holds a {layout.delimiter!r}, which divides the cells too: {_excerpt(first.text)}"
    return bad(code, source, text, row=first.number, count=len(wrong))


def _divides_time(row: Any, layout: Layout) -> bool:
    """Whether a row has too many cells because its time holds the delimiter."""
    has_one_time = bool(layout.header) and "time" in layout.columns
    is_longer = row.actual_columns > row.expected_columns
    return has_one_time and is_longer and _DIVIDED_TIME.search(row.text) is not None


def check_symbol(symbols: Any, pair: str, source: str) -> None:
    """Refuse rows whose symbol is not the pair; EUR/USD, EURUSD and a broker's EURUSDm mean the same.

    Args:
        symbols: pyarrow string array, one symbol per row.
        pair: pair the file is loaded as.
        source: file to blame.

    Raises:
        BadInput: ``mixed-pairs`` or ``wrong-pair-symbol``.
    """
    own = [name for name in pc.unique(symbols).to_pylist() if name is not None and pairs_in(name) == [pair]]
    other = ~np.asarray(pc.is_in(symbols, value_set=pa.array(own, pa.string())))
    if not other.any():
        return
    row = int(other.argmax())
    code = "wrong-pair-symbol" if other.all() else "mixed-pairs"
    text = f"the row is of {symbols[row].as_py()!r}, not {pair}"
    raise bad(code, source, text, row=row + 1, count=int(other.sum()))


def _times(cells: dict[str, Any], layout: Layout, source: str) -> Any:
    first = "time" if "time" in cells else "date"
    times = cells[first]
    if first == "date":
        times = pc.binary_join_element_wise(times, cells["clock"], " ")
    name = layout.header[layout.columns.index(first)] if layout.header else ""
    if name:
        repeated = np.asarray(pc.starts_with(pc.utf8_lower(times), name))
        if repeated.any():
            row = int(repeated.argmax())
            raise bad("header-repeated", source, "the header line occurs again", row=row + 1)
    return times


def _numbers(cells: dict[str, Any], name: str, source: str, *, required: bool) -> Floats:
    """A column of numbers; empty cells are NaN where they are allowed."""
    if name not in cells:
        return np.full(len(cells["open"]), np.nan)
    texts = cells[name]
    if not required:
        texts = pc.if_else(pc.equal(texts, ""), "nan", texts)
    wrong = pc.invert(pc.match_substring_regex(texts, _NUMBER))
    if not required:
        wrong = pc.and_(wrong, pc.not_equal(texts, "nan"))
    mask = np.asarray(wrong)
    if mask.any():
        row = int(mask.argmax())
        code, detail = _wrong_number(texts[row].as_py())
        raise bad(code, source, f"{name} {detail}", row=row + 1, count=int(mask.sum()))
    return np.array(pc.cast(texts, pa.float64()))


def _wrong_number(text: str) -> tuple[str, str]:
    if not text:
        return "price-missing", "is empty"
    if _WORDS.fullmatch(text):
        return "price-not-finite", f"is {text}"
    if _DECIMAL_COMMA.fullmatch(text):
        return "decimal-comma", f"{text!r} has a decimal comma"
    if _THOUSANDS.fullmatch(text):
        return "thousands-separator", f"{text!r} has a separator between thousands"
    return "not-a-number", f"{_excerpt(text)} is no number"


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
