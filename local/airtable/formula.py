"""The small part of Airtable's formulas that finds records: equality, AND, OR, NOT, RECORD_ID()."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from local.airtable.faults import Fault
from local.airtable.schema import Record, Table

Test = Callable[[Record], bool]
_Value = Callable[[Record], Any]
_TOKEN = re.compile(
    r"""\s*(?:(?P<field>\{(?:[^}\\]|\\.)*\})|(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]+)|(?P<sign>!=|[(),=]))"""
)


def parse(text: str, table: Table) -> Test:
    """What a formula asks of a record.

    Raises:
        Fault: INVALID_FILTER_BY_FORMULA, for what this server does not know too.
    """
    reader = _Reader(text, table)
    test = reader.test()
    reader.end()
    return test


class _Reader:
    def __init__(self, text: str, table: Table) -> None:
        self._text, self._table = text, table
        self._tokens = list(self._split())
        self._next = 0

    def test(self) -> Test:
        name = self._peek()[1].upper()
        if name in ("AND", "OR", "NOT") and self._peek()[0] == "name":
            self._take()
            inner = self._arguments()
            if name == "NOT":
                return lambda record: not inner[0](record)
            every = all if name == "AND" else any
            return lambda record: every(one(record) for one in inner)
        left = self._value()
        sign = self._take()[1]
        if sign not in ("=", "!="):
            raise self._wrong()
        right = self._value()
        return lambda record: (left(record) == right(record)) == (sign == "=")

    def end(self) -> None:
        if self._next < len(self._tokens):
            raise self._wrong()

    def _arguments(self) -> list[Test]:
        self._expect("(")
        found = [self.test()]
        while self._peek()[1] == ",":
            self._take()
            found.append(self.test())
        self._expect(")")
        return found

    def _value(self) -> _Value:
        kind, text = self._take()
        if kind == "text":
            content = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _: content
        if kind == "number":
            amount = float(text)
            return lambda _: amount
        if kind == "name" and text.upper() == "RECORD_ID":
            self._expect("(")
            self._expect(")")
            return lambda record: record.id
        field = self._table.find(text[1:-1].replace("\\}", "}") if kind == "field" else text)
        if field is None:
            raise self._wrong(f"Unknown field names: {text.strip('{}').lower()}")
        key = field.id
        return lambda record: record.cells.get(key, "")

    def _split(self) -> Iterator[tuple[str, str]]:
        position, end = 0, len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                raise self._wrong()
            yield match.lastgroup, match[match.lastgroup]
            position = match.end()

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._take()[1] != sign:
            raise self._wrong()

    def _wrong(self, why: str = "Invalid formula. Please check your formula text.") -> Fault:
        return Fault("INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {why}")
