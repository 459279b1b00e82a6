"""Is the database fit for a migration right now? Everything is asked before anything is locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from psycopg import sql

from include.errors import MigrationRefused
from include.migration import names
from include.migration.model import Batch, Plan
from include.names import SCHEMA
from include.storage.connection import Connection, connect, statement

PARALLEL = 8  # pairs that are migrated at once
LONG_READER = 30.0  # seconds; half of the patience with which a batch waits for its locks
_SPARE_LOCKS = 30  # catalog tables, advisory locks, the journal

_WRITING = frozenset(
    ("RowExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
)


class Preflight(NamedTuple):
    """What was found while nothing stands against a migration.

    Attributes:
        facts: name to value, for people and for the report.
        warnings: what may make it slow or incomplete.
    """

    facts: dict[str, str | int]
    warnings: tuple[str, ...]


class _Server(NamedTuple):
    time_zone: str
    is_read_only: bool
    lock_capacity: int
    locks_held: int
    role_name: str
    may_create: bool


class _Session(NamedTuple):
    pid: int
    role_name: str
    application: str
    table: str
    mode: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.role_name} {self.application or 'unnamed'} (pid {self.pid}) on {SCHEMA}.{self.table}"


def check(url: str, plan: Plan, *, parallel: int = PARALLEL) -> Preflight:
    """Look for everything that would make a batch fail or hurt somebody.

    Args:
        url: database URL.
        plan: what is to be done; with nothing to rename nothing can stand against it.
        parallel: pairs that are migrated at once.

    Raises:
        MigrationRefused: something forbids it; the message lists every reason and its remedy.
    """
    with connect(url) as connection:
        batches = list(plan.at_work)
        row = connection.execute(statement("migration/preflight/read_server"), {"schema": SCHEMA}).fetchone()
        server = _Server(*cast("tuple[Any, ...]", row))
        tables = _rows(
            connection, "list_tables", parents=sorted({b for x in batches for b in (x.old, x.new)})
        )
        sessions = [
            _Session(*session)
            for session in _rows(connection, "list_sessions", tables=[table[0] for table in tables])
        ]
        problems = [
            *(_server_problems(server, batches) if batches else ()),
            *lock_problems(batches, parallel, server.lock_capacity, server.locks_held),
            *_owner_problems(tables, server.role_name),
            *_writer_problems(sessions),
            *_stale_problems(connection, batches),
        ]
    if problems:
        listed = "".join(f"\n- {problem}" for problem in problems)
        raise MigrationRefused(f"The migration cannot begin; nothing was changed.{listed}")
    facts: dict[str, str | int] = {
        "role": server.role_name,
        "time zone": server.time_zone,
        "tables": len(tables),
        "renames": sum(len(batch.renames) for batch in batches),
        "locks of the largest batch": max(map(locks_of, batches), default=0),
        "locks that fit": server.lock_capacity,
        "reading sessions": len({session.pid for session in sessions}),
    }
    return Preflight(facts, (*_reader_warnings(sessions), *_plan_warnings(plan)))


def locks_of(batch: Batch) -> int:
    """Upper estimate of the locks a batch holds: its tables, their other objects, and room for the rest."""
    objects = sum(1 for rename in batch.renames if rename.kind not in ("table", "partition", "column"))
    tables = batch.partitions + 1
    keys = tables  # a table's key is locked with it, whether or not its name changes
    return tables + max(objects, keys) + objects + _SPARE_LOCKS


def lock_problems(batches: Sequence[Batch], parallel: int, capacity: int, held: int) -> list[str]:
    """Whether the server's lock table holds what the largest batches need at once."""
    at_once = max(1, min(parallel, len({batch.pair for batch in batches})))
    needed = max(map(locks_of, batches), default=0) * at_once
    if needed <= capacity - held:
        return []
    return [
        f"{at_once} batches at once need about {needed:,} locks, there is room for {capacity - held:,}: "
        "raise max_locks_per_transaction (default 64) and restart it, or migrate fewer pairs at once."
    ]


def _rows(connection: Connection, name: str, **values: object) -> list[tuple[Any, ...]]:
    found = connection.execute(statement(f"migration/preflight/{name}"), {"schema": SCHEMA, **values})
    return cast("list[tuple[Any, ...]]", found.fetchall())


def _server_problems(server: _Server, batches: Sequence[Batch]) -> Iterator[str]:
    if server.time_zone != "UTC":
        yield f"The session's time zone is {server.time_zone}: counts and bounds are compared in UTC."
    if server.is_read_only:
        yield "The server takes no changes (a replica, or read-only by default): use the writer's address."
    if not server.may_create:
        yield f"{server.role_name} may not create in schema {SCHEMA}, which a rename asks for: GRANT CREATE."
    long = sorted({r.new for batch in batches for r in batch.renames if len(r.new.encode()) > 63})
    if long:
        yield f"Names longer than 63 bytes would be cut: {names.few(long)}."


def _owner_problems(tables: Sequence[tuple[Any, ...]], role: str) -> Iterator[str]:
    foreign = {str(name): str(owner) for _, name, is_owned, owner, _ in tables if not is_owned}
    if foreign:
        owners = ", ".join(sorted(set(foreign.values())))
        yield f"{role} does not own {names.few(sorted(foreign))} (owner {owners}): run as its owner."
    # Compatibility views and the months of builds belong to the owner of the table.
    for owner in sorted({str(owner) for _, _, _, owner, may_create in tables if not may_create}):
        quoted = sql.Identifier(owner).as_string()
        yield (
            f"{owner}, which owns tables, may not create in schema {SCHEMA}, so nothing new can belong to "
            f"it: GRANT CREATE ON SCHEMA {SCHEMA} TO {quoted}."
        )


def _writer_problems(sessions: Sequence[_Session]) -> Iterator[str]:
    writers = {session.pid: str(session) for session in sessions if session.mode in _WRITING}
    if writers:
        yield f"Somebody is writing these tables: {names.few(list(writers.values()))}. Pause backfills first."


def _stale_problems(connection: Connection, batches: Sequence[Batch]) -> Iterator[str]:
    """The catalog moved on since the plan: an object is gone or renamed, or a new name is taken."""
    relations = [
        rename
        for batch in batches
        for rename in batch.renames
        if rename.kind in ("table", "partition", "index", "sequence")
    ]
    present = dict(
        _rows(
            connection,
            "list_present",
            oids=[rename.oid for rename in relations],
            names=[rename.new for rename in relations],
        )
    )
    moved = [rename.old for rename in relations if present.get(rename.oid) not in (rename.old, rename.new)]
    if moved:
        yield f"{names.few(moved)} changed since the plan was made: plan again."
    wanted = {rename.new: rename.oid for rename in relations}
    dropped = tuple(batch.drop_first for batch in batches if batch.drop_first)
    taken = [
        name
        for oid, name in present.items()
        if wanted.get(name, oid) != oid and not (dropped and name.startswith(dropped))
    ]
    if taken:
        yield f"{names.few(sorted(taken))} exist since the plan was made: plan again."


def _reader_warnings(sessions: Sequence[_Session]) -> Iterator[str]:
    long = {session.pid: str(session) for session in sessions if session.seconds > LONG_READER}
    if long:
        listed = names.few(list(long.values()))
        yield f"Open for more than {LONG_READER:.0f} s, so that a batch has to wait: {listed}."


def _plan_warnings(plan: Plan) -> Iterator[str]:
    if plan.conflicts:
        yield f"{len(plan.conflicts)} conflicts stay as they are: see the plan."
    functions = [note.name for note in plan.notes if note.kind == "function"]
    if functions:
        listed = names.few(functions)
        yield f"Functions that name a legacy table fail without compatibility views: {listed}."
