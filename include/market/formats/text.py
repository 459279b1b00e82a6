"""Reading delimited text: bytes to lines, lines to cells, cells to times and numbers.

Strict on purpose: what a spreadsheet program would guess (decimal commas, thousands separators,
short rows, stray headers) is refused with the row and a remedy.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from include.errors import BadInput
from include.features.arrays import Floats
from include.market.checks import MINUTE, RawBars
from include.market.formats import clock, dukascopy, histdata, metatrader, plain
from include.market.formats.layout import IGNORED, REQUIRED, Dialect, Layout
from include.market.levels import tick_size
from include.market.problems import bad
from include.market.timezones import to_utc

DIALECTS: tuple[Dialect, ...] = (*plain.DIALECTS, *metatrader.DIALECTS, *dukascopy.DIALECTS)
HEADLESS = (histdata.recognise, metatrader.recognise)
DELIMITERS = (",", ";", "\t", "|")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WORDS = re.compile(r"nan|[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,' .\u00a0]\d{3})+([.,]\d+)?")


def read(content: bytes, source: str, pair: str, timezone: str | None) -> RawBars:
    """Read a text file of any known format.

    Args:
        content: the whole file, not empty.
        source: path, to name it in errors.
        pair: pair it is loaded as; decides the size of a point and what a symbol column must say.
        timezone: declared clock of the file, or None.

    Raises:
        BadInput: see docs/market_data.md, "Text", "Columns" and "Time".
    """
    text = _decode(content, source)
    layout = _recognise(text, source)
    cells = _split(text, layout, source)
    _check_symbol(cells, pair, source)
    times = _times(cells, layout, source)
    ms = _to_utc(clock.parse(times, layout.clocks, source), layout, timezone, source)
    opened, high, low, close = (_numbers(cells, name, source, required=True) for name in REQUIRED)
    volume = _numbers(cells, "volume", source, required=False)
    spread = _numbers(cells, "spread", source, required=False)
    if "points" in cells:
        spread = _numbers(cells, "points", source, required=False) * tick_size(pair)
    flags = (layout.counts_ticks, layout.has_fillers)
    return RawBars(source, ms, opened, high, low, close, volume, spread, *flags)


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
    if not {name.strip("<>") for name in names} & set(REQUIRED):
        if line[:1].isdigit() and len(names) >= 5:
            raise bad("header-missing", source, f"the first line is {_excerpt(line)}, no header", row=1)
        raise bad("format-unknown", source, f"the first line is {_excerpt(line)}")
    dialects = [dialect for dialect in DIALECTS if dialect.marks & set(names)]
    if not dialects:
        raise bad("column-missing", source, f"no column of time in {', '.join(names)}")
    return _layout(dialects[0], delimiter, names, source)


def _refuse_ticks(line: str, names: tuple[str, ...], source: str) -> None:
    sides = {name.strip("<>") for name in names}
    if histdata.is_tick(line) or ({"bid", "ask"} <= sides and not sides & set(REQUIRED)):
        raise bad("tick-data", source, f"the first line is {_excerpt(line)}: bids and asks, not bars")


def _layout(dialect: Dialect, delimiter: str, names: tuple[str, ...], source: str) -> Layout:
    for name in names:
        if name not in dialect.meanings:
            raise bad("column-unknown", source, f"column {name!r} is no column of {dialect.name}")
        if names.count(name) > 1:
            raise bad("column-duplicate", source, f"column {name!r} occurs {names.count(name)} times")
    columns = tuple(dialect.meanings[name] for name in names)
    for meaning in columns:
        if meaning != IGNORED and columns.count(meaning) > 1:
            raise bad("column-duplicate", source, f"two columns hold the {meaning}: {', '.join(names)}")
    times = ("date", "clock") if "date" in dialect.meanings.values() else ("time",)
    for meaning in (*times, *REQUIRED):
        if meaning not in columns:
            text = f"{dialect.name} needs a column {meaning!r}, found {', '.join(names)}"
            raise bad("column-missing", source, text)
    flags = (dialect.utc, dialect.counts_ticks, dialect.has_fillers)
    return Layout(dialect.name, delimiter, columns, names, dialect.clocks, *flags)


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
    return {
        meaning: pc.utf8_trim_whitespace(columns.column(number).combine_chunks())
        for number, meaning in enumerate(layout.columns)
        if meaning != IGNORED
    }


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
    text = f"{first.actual_columns} cells where {first.expected_columns} are expected: {_excerpt(first.text)}"
    code = "column-count"
    if first.actual_columns == 1 and others:
        code = "mixed-delimiters"
        text = f"{_excerpt(first.text)} is divided by {others[0]!r}, the file by {layout.delimiter!r}"
    elif layout.delimiter == "," and first.actual_columns >= first.expected_columns + len(REQUIRED):
        code = "decimal-comma"
        text = f"each price takes two cells: {_excerpt(first.text)}"
    return bad(code, source, text, row=first.number, count=len(wrong))


def _check_symbol(cells: dict[str, Any], pair: str, source: str) -> None:
    if "symbol" in cells:
        check_symbol(cells["symbol"], pair, source)


def check_symbol(symbols: Any, pair: str, source: str) -> None:
    """Refuse rows whose symbol is not the pair; EUR/USD and EURUSD mean the same.

    Args:
        symbols: pyarrow string array, one symbol per row.
        pair: pair the file is loaded as.
        source: file to blame.

    Raises:
        BadInput: ``mixed-pairs`` or ``wrong-pair-symbol``.
    """
    plain_symbols = pc.replace_substring_regex(pc.utf8_lower(symbols), "[^a-z]", "")
    other = np.asarray(pc.fill_null(pc.not_equal(plain_symbols, pair), fill_value=True))
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
    if layout.header:
        name = layout.header[layout.columns.index(first)]
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


def _to_utc(times: clock.Clock, layout: Layout, timezone: str | None, source: str) -> Any:
    if times.is_utc or layout.utc:
        if timezone not in (None, "utc", "UTC"):
            text = f"the file states its offset from UTC, {timezone!r} was declared"
            raise bad("timezone-contradicted", source, text)
        return times.ms
    if timezone is None:
        raise bad("timezone-undeclared", source, f"{layout.name} does not say which clock its times show")
    local = times.ms // MINUTE
    return times.ms + (to_utc(local, timezone, source) - local) * MINUTE


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
