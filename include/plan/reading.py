"""YAML that knows where each entry is, so that a refusal names file, line and entry."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from include.errors import PlanRefused

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
LABELS = ("update", "stage", "task", "phase", "line", "role", "record", "name")  # what entries are called by


class Span(NamedTuple):
    """A number that is only known to lie between two others."""

    low: float
    high: float

    def __str__(self) -> str:
        low, high = (f"{value:.12g}" for value in self)
        return low if self.low == self.high else f"{low}-{high}"


class Entry:
    """One mapping of a YAML file. Every value is asked for by name and type.

    Attributes:
        values: what it holds, by name.
        where: file and line, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    @property
    def label(self) -> str:
        """What a person calls it."""
        names = (self.values[name] for name in LABELS if name in self.values)
        first = next(names, None)
        return f" ({first})" if isinstance(first, str) else ""

    def refuse(self, problem: str) -> NoReturn:
        """Say what is wrong here.

        Raises:
            PlanRefused: always.
        """
        raise PlanRefused(f"{self.where}{self.label}: {problem}")

    def only(self, *names: str) -> Entry:
        """Refuse names that mean nothing here: most are misspelt."""
        if unknown := [name for name in self.values if name not in names]:
            self.refuse(f"{unknown[0]!r} means nothing here. Known: {', '.join(names)}.")
        return self

    def get(self, name: str, kind: type, wanted: str, default: Any = None) -> Any:
        """A value of that type; without a default it has to be there."""
        if name not in self.values:
            if default is None:
                self.refuse(f"{name!r} is missing.")
            return default
        value = self.values[name]
        if not isinstance(value, kind):
            self.refuse(f"{name!r} has to be {wanted}, not {_shown(value)}.")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not blank."""
        value: str = self.get(name, str, "a text (put numbers in quotes)", default)
        if not value.strip() and default is None:
            self.refuse(f"{name!r} is empty.")
        return value

    def choice(self, name: str, options: Collection[str], default: str | None = None) -> str:
        """One of several texts."""
        value = self.text(name, default)
        if value not in options and value != default:
            self.refuse(f"{name!r} has to be one of {', '.join(options)}, not {value!r}.")
        return value

    def yes(self, name: str, default: bool | None = None) -> bool:
        """A yes or no."""
        return bool(self.get(name, bool, "yes or no", default))

    def number(self, name: str, default: float | None = None) -> float:
        """A number, zero or more."""
        return _number(self, name, self.get(name, object, "", default))

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number, zero or more."""
        value = self.number(name, default)
        if value != int(value):
            self.refuse(f"{name!r} has to be a whole number, not {value:g}.")
        return int(value)

    def span(self, name: str) -> Span:
        """A number, or a list of the least and the most."""
        value = self.get(name, object, "")
        if not isinstance(value, list):
            number = _number(self, name, value)
            return Span(number, number)
        if len(value) != 2:
            self.refuse(f"{name!r} has to be one number or [least, most].")
        span = Span(_number(self, name, value[0]), _number(self, name, value[1]))
        if span.low > span.high:
            self.refuse(f"{name!r}: {span.low:g} is more than {span.high:g}. Write [least, most].")
        return span

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty if it is not there."""
        found = self.get(name, list, "a list", [])
        if wrong := [value for value in found if not isinstance(value, str)]:
            self.refuse(f"{name!r} holds {_shown(wrong[0])}; put it in quotes.")
        return tuple(found)

    def entry(self, name: str, *, optional: bool = False) -> Entry:
        """Named values below this one."""
        empty = Entry({}, self.where) if optional else None
        found: Entry = self.get(name, Entry, "a list of 'name: value'", empty)
        return found

    def entries(self, name: str, *, optional: bool = False) -> list[Entry]:
        """A list of entries."""
        found: list[Any] = self.get(name, list, "a list of entries", [] if optional else None)
        if wrong := [value for value in found if not isinstance(value, Entry)]:
            self.refuse(f"{name!r} holds {_shown(wrong[0])} where an entry was expected.")
        return found


def read(path: Path) -> Entry:
    """Read one file.

    Raises:
        PlanRefused: it is missing, no UTF-8, no YAML, or says something twice.
    """
    try:
        text = path.read_text("utf-8")
        loader = LOADER(text)
        node = loader.get_single_node()
    except FileNotFoundError:
        problem = f"{path.name} is missing in {path.parent}."
        raise PlanRefused(f"{problem} Restore it from version control.") from None
    except UnicodeDecodeError as error:
        raise PlanRefused(f"{path.name}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        raise PlanRefused(f"{path.name} is no valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(node, yaml.MappingNode):
        raise PlanRefused(f"{path.name} is empty or no list of entries. Restore it from version control.")
    found: Entry = _built(loader, node, path.name)
    return found


def _built(loader: yaml.SafeLoader, node: yaml.Node, file: str) -> Any:
    """Mappings as entries, the rest as usual."""
    where = f"{file}, line {node.start_mark.line + 1}"
    if isinstance(node, yaml.SequenceNode):
        return [_built(loader, child, file) for child in node.value]
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key, child in node.value:
            name, line = key.value, key.start_mark.line + 1
            if not isinstance(name, str):
                raise PlanRefused(f"{file}, line {line}: a name was expected before the colon.")
            if name in values:
                raise PlanRefused(f"{file}, line {line}: {name!r} is there twice. Remove one of them.")
            values[name] = _built(loader, child, file)
        return Entry(values, where)
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise PlanRefused(f"{where}: {error}. Put it in quotes if it is a text.") from None


def _number(entry: Entry, name: str, value: Any) -> float:
    """The value as a number that is finite and not negative."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < 0:
        entry.refuse(f"{name!r} has to be a number, zero or more, not {_shown(value)}.")
    return float(value)


def _shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, Entry | list):
        return "a list"
    return "nothing" if value is None else repr(value)
