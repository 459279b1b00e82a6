"""``bars.yaml`` beside the files of bars: what they do not say themselves, or say wrongly.

    "EURUSD.csv": {clock: new-york+7}
    "DAT_ASCII_*": {clock: histdata, price_side: bid}
    "gbp*.csv":
      unit: pips

Each line names files by a pattern (``*`` and ``?``, in any case) and says any of ``clock`` (as the param
``timezone``), ``price_side`` (bid, mid, ask or unknown) and ``unit`` of the spread (price, pips or points).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import yaml

from include.market.problems import bad
from include.market.request import PRICE_SIDES
from include.market.timezones import is_zone

FILE = "bars.yaml"
SPREAD_UNITS = ("price", "pips", "points")
_KEYS = ("clock", "price_side", "unit")
_CHOICES = {"price_side": PRICE_SIDES, "unit": SPREAD_UNITS}


class Declaration(NamedTuple):
    """What is declared of one file; None where nothing is.

    Attributes:
        clock: a key of `include.market.timezones.RULES` or an IANA zone.
        price_side: bid, mid, ask or unknown.
        unit: unit of the spread, one of `SPREAD_UNITS`.
        where: ``bars.yaml`` and the line that says the clock.
    """

    clock: str | None = None
    price_side: str | None = None
    unit: str | None = None
    where: str = ""


NOTHING = Declaration()


class Line(NamedTuple):
    """One pattern of the file and what it says."""

    number: int
    pattern: str
    says: dict[str, str]

    def fits(self, names: Iterable[str]) -> bool:
        """Whether one of the names of a file fits the pattern."""
        return any(fnmatchcase(name.lower(), self.pattern.lower()) for name in names)


class Declarations:
    """All lines of one ``bars.yaml``.

    Args:
        lines: in the order of the file.
        source: its path, to name it in errors.
    """

    def __init__(self, lines: Iterable[Line] = (), source: str = FILE) -> None:
        self._lines, self._source = tuple(lines), source

    @classmethod
    def read(cls, content: bytes, source: str) -> Declarations:
        """Read and check the file.

        Raises:
            BadInput: ``declaration-wrong``, with the line.
        """
        return cls(tuple(_lines(content, source)), source)

    def check_used(self, files: Iterable[tuple[str, ...]]) -> None:
        """Refuse a pattern that fits no file: it would be believed and say nothing.

        Args:
            files: the names under which each file of the folder can be meant; asked for as far as needed.
        """
        unused = list(self._lines)
        for names in files:
            unused = [line for line in unused if not line.fits(names)]
            if not unused:
                return
        if unused:
            raise _wrong(self._source, unused[0].number, f"no file fits {unused[0].pattern!r}")

    def of(self, names: tuple[str, ...]) -> Declaration:
        """What is declared of the file with these names.

        Raises:
            BadInput: two lines say different things of it.
        """
        found: dict[str, tuple[str, Line]] = {}
        for line in self._lines:
            for key, value in line.says.items() if line.fits(names) else ():
                before = found.setdefault(key, (value, line))
                if before[0] != value:
                    text = f"it says {key} {value} of {names[0]}, line {before[1].number} says {before[0]}"
                    raise _wrong(self._source, line.number, text)
        said = {key: value for key, (value, _) in found.items()}
        where = f"{FILE}, line {found['clock'][1].number}" if "clock" in found else ""
        return Declaration(**said, where=where)


def _wrong(source: str, line: int, text: str) -> Exception:
    return bad("declaration-wrong", source, f"line {line}: {text}")


def _lines(content: bytes, source: str) -> Iterator[Line]:
    try:
        root = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise _wrong(source, 1, "the file is no UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise _wrong(source, mark.line + 1 if mark else 1, problem) from None
    if root is None:
        return
    seen: set[str] = set()
    for key, value in _pairs(root, source, "patterns of file names, each with what it says"):
        if key.value in seen:
            raise _wrong(source, _number(key), f"{key.value!r} stands there twice")
        seen.add(key.value)
        says = dict(_settings(value, source))
        if not says:
            raise _wrong(source, _number(key), f"{key.value!r} says nothing: add one of {', '.join(_KEYS)}")
        yield Line(_number(key), key.value, says)


def _settings(node: Any, source: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for key, value in _pairs(node, source, f"some of {', '.join(_KEYS)}"):
        name, text, line = key.value, value.value, _number(value)
        if name not in _KEYS or name in seen:
            what = "stands there twice" if name in seen else f"is none of {', '.join(_KEYS)}"
            raise _wrong(source, _number(key), f"{name!r} {what}")
        seen.add(name)
        if not isinstance(text, str):
            raise _wrong(source, line, f"{name} takes one value")
        if name in _CHOICES and text not in _CHOICES[name]:
            raise _wrong(source, line, f"{name} is {text!r}, it can be {', '.join(_CHOICES[name])}")
        if name == "clock" and not is_zone(text):
            raise _wrong(source, line, f"there is no clock {text!r}")
        yield name, text


def _pairs(node: Any, source: str, wanted: str) -> list[tuple[Any, Any]]:
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(source, _number(node), f"{wanted} are expected here")
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong(source, _number(key), "a name is expected here")
    return list(node.value)


def _number(node: Any) -> int:
    return int(node.start_mark.line) + 1
