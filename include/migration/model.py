"""What a migration is made of: objects, renames, batches, a plan. Plain values, no database.

A batch is one family of one pair. It is the unit of everything: it is planned, renamed in one
transaction, verified and reverted as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Kind = Literal["table", "partition", "constraint", "index", "sequence", "column"]
State = Literal["to do", "interrupted", "done", "ours", "conflict", "missing"]

AT_WORK: tuple[State, ...] = ("to do", "interrupted")  # states in which a batch has something to rename


class Rename(NamedTuple):
    """One object that gets another name.

    Attributes:
        kind: what it is. A primary key or unique constraint is a constraint; its index follows by itself.
        oid: of the object itself; of its table for a column.
        old: its present name.
        new: the name it gets.
        on: for constraints and columns the table they belong to, by the name it has AFTER the batch;
            empty for the rest.
    """

    kind: Kind
    oid: int
    old: str
    new: str
    on: str = ""


class Batch(NamedTuple):
    """One family of one pair.

    Attributes:
        family: family of the catalogue, e.g. ``statistics_idx``; also ``reg_bqx``, of which only columns
            are renamed.
        pair: the currency pair.
        state: "to do"; "interrupted" (part of it is done already); "done" (renamed before, fingerprint
            agrees); "ours" (made by this bundle, never legacy); "conflict"; "missing" (neither the old
            nor the new table exists).
        old, new: name of the parent before and after.
        renames: what has to be done, in the order of execution: table, partitions, constraints,
            indexes, sequences, columns. Empty unless the state is in `AT_WORK`.
        partitions: attached partitions of the parent, whatever they are called.
        reason: for a conflict, what is in the way and what to do; for others what a person should know.
        drop_first: a table of ours under the new name that is dropped first; only if that was asked for.
        drop_rows: that table may hold rows: the builds made all of it and can make it again.
    """

    family: str
    pair: str
    state: State
    old: str
    new: str
    renames: tuple[Rename, ...] = ()
    partitions: int = 0
    reason: str = ""
    drop_first: str = ""
    drop_rows: bool = False


class Note(NamedTuple):
    """Something a person should know before approving.

    Attributes:
        kind: "orphan" (matches a legacy name, attached to nothing), "odd name" (attached partition of
            another name: it keeps it), "function" (body mentions an old name: breaks when called),
            "dependent" (view, materialized view or foreign key that follows), "kind" (a legacy name
            that is not a table), "other schema", "default partition", "no target" (unknown pair), ...
        name: schema-qualified name of the object.
        text: what it means and what to do.
    """

    kind: str
    name: str
    text: str


class Plan(NamedTuple):
    """Everything a run would do, made by reading the catalog only."""

    batches: tuple[Batch, ...]
    notes: tuple[Note, ...]

    @property
    def at_work(self) -> Iterator[Batch]:
        """Batches that have something to rename."""
        return (batch for batch in self.batches if batch.state in AT_WORK)

    @property
    def conflicts(self) -> list[Batch]:
        """Batches that a person has to look at first."""
        return [batch for batch in self.batches if batch.state == "conflict"]

    @property
    def hash(self) -> str:
        """Digest of what would be done: an approval holds for exactly this."""
        content = json.dumps(list(self.at_work), separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """The JSON twin."""
        batches = [
            batch._asdict() | {"renames": [rename._asdict() for rename in batch.renames]}
            for batch in self.batches
        ]
        return {"hash": self.hash, "batches": batches, "notes": [note._asdict() for note in self.notes]}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Plan:
        """Read the JSON twin back."""
        batches = (
            Batch(**(batch | {"renames": tuple(Rename(**rename) for rename in batch["renames"])}))
            for batch in content["batches"]
        )
        return cls(tuple(batches), tuple(Note(**note) for note in content["notes"]))
