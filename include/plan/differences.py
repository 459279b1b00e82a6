"""What a difference between plan and base is, and what makes one. Values, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from include.plan.live import TABLES, Block, Change

Kind = Literal["missing", "outdated", "collision", "duplicate", "orphan", "extra"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PARENTS = {"Stages": ("Phase (Link)", "Phases"), "Tasks": ("Stage (Link)", "Stages")}
_NUMBER = re.compile(r"\s*(?:phase\b|stage\b|tsk-)?\s*(\d+(?:\.\d+)*)(?!\.?\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Gap:
    """One difference.

    Attributes:
        kind: ``missing`` a wanted record is not there; ``outdated`` a managed field holds something else;
            ``collision`` a record has the number of a wanted one and another title, or its Task ID and
            another Task Name; ``duplicate`` a key is there more than once; ``orphan`` a stage without a
            phase or a task without a stage; ``extra`` a record with an empty key, or a task of a stage whose
            tasks the plan lists, that is not in the plan.
        table: where.
        key: key of the record the gap is about; of the wanted one where it is missing.
        record_ids: the records it is about; empty where it is missing.
        field: the field, where the gap is about one.
        found: what is there: the value of a managed field, the inside of a managed block, ids of a link.
        wanted: what the plan wants there.
        note: why nothing is written, or what else to know.
        blocking: True where the plan cannot be carried out without a person's decision.
    """

    kind: Kind
    table: str
    key: str
    record_ids: tuple[str, ...] = ()
    field: str | None = None
    found: Any = None
    wanted: Any = None
    note: str = ""
    blocking: bool = False


@dataclass(frozen=True)
class Analysis:
    """All gaps, and the changes that close those that may be closed.

    Attributes:
        gaps: by table in the order of the plan, wanted records first.
        changes: what to create, in the order Plans, Phases, Stages, Tasks, then what to update.
    """

    gaps: tuple[Gap, ...]
    changes: tuple[Change, ...]

    def of(self, kind: Kind) -> tuple[Gap, ...]:
        """Gaps of one kind."""
        return tuple(gap for gap in self.gaps if gap.kind == kind)

    def to_json(self) -> str:
        """The whole as text; `from_json` reads it again."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Analysis:
        """An analysis from what `to_json` wrote."""
        plain = json.loads(text)
        gaps = [Gap(**{name: _frozen(value) for name, value in gap.items()}) for gap in plain["gaps"]]
        return cls(tuple(gaps), tuple(_change(change) for change in plain["changes"]))

    @property
    def blocking(self) -> tuple[Gap, ...]:
        """Gaps that need a decision."""
        return tuple(gap for gap in self.gaps if gap.blocking)


def _change(plain: Mapping[str, Any]) -> Change:
    links = {name: tuple(address) for name, address in plain["links"].items()}
    blocks = {name: Block(*block) for name, block in plain["blocks"].items()}
    return Change(**{**plain, "links": links, "blocks": blocks, "once": tuple(plain["once"])})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def number_of(table: str, key: str) -> str:
    """The number in a key without leading zeros, empty where there is none.

    >>> number_of("Stages", "Stage 1.5.1: Index"), number_of("Tasks", "TSK-1.6.9.1")
    ('1.5.1', '1.6.9.1')
    """
    if table not in TABLES[1:] or not (match := _NUMBER.match(key)):
        return ""
    return ".".join(str(int(part)) for part in match[1].split("."))


def astray(found: tuple[str, ...], target: str, table_of: Mapping[str, str]) -> str:
    """Why a link to a parent leads nowhere, empty where it does not.

    Args:
        found: ids in the link.
        target: the table they have to be of.
        table_of: table of every record by id.
    """
    if not found:
        return "linked to nothing"
    tables = {table_of.get(one, "") for one in found} - {target}
    if wrong := sorted(tables - {""}):
        return f"linked to a record of {wrong[0]}"
    return "linked to a record that is not there" if tables else ""
