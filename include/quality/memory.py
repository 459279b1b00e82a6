"""What a gate found right need not be looked at again while it is what the gate saw.

A partition is what it was if it is the same table (its oid), has as many rows, counted exactly, and was built
from the same inputs, and if the gate is the same code. Values that somebody changes in place leave all of
that as it was: `rebuild` writes the months anew, and the gate then looks at all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

from include.build.code import outlines
from include.build.freshness import check_freshness
from include.build.months import wanted_months
from include.errors import BqxError
from include.names import Month
from include.quality.findings import Partition
from include.storage.connection import Connection, connect, exists
from include.storage.fitness import bound_of
from include.storage.log import builds_of, gates_of
from include.storage.partitions import attached_months, count_rows, oid_of
from include.storage.tables import table_of


def identities(
    connection: Connection, tables: Sequence[str], months: Sequence[Month]
) -> dict[Partition, str]:
    """What each built partition is now, in one text; what was not built is left out."""
    built = builds_of(connection, tables, months) if exists(connection, "build_log") else {}
    found = {}
    for table in tables:
        attached = attached_months(connection, table) if any(name == table for name, _ in built) else {}
        for month in months:
            last, partition = built.get((table, month)), attached.get(bound_of(month))
            if last and partition:
                rows = count_rows(connection, partition)
                found[table, str(month)] = (
                    f"{oid_of(connection, partition)} {rows} {last.input_hash} {code()}"
                )
    return found


def remembered(
    connection: Connection, tables: Sequence[str], months: Sequence[Month], now: dict[Partition, str]
) -> dict[Partition, str]:
    """Partitions that a gate found right as they are now, with the page of that gate."""
    return {
        (gate.table, str(gate.month)): gate.report
        for gate in gates_of(connection, tables, months)
        if gate.seen and gate.seen == now.get((gate.table, str(gate.month)))
    }


def pairs_in_order(
    url: str, pairs: Sequence[str], families: Sequence[str], months: Sequence[str] = ()
) -> set[str]:
    """Pairs whose tables are what a build would write now, and in which a gate has found nothing since.

    Args:
        url: libpq connection string.
        pairs: pairs to look at.
        families: stored families of the catalogue.
        months: months as ``yyyy-mm``; empty means every month that has bars or was built.
    """
    stale = {each.pair for each in check_freshness(url, pairs, families, months).stale}
    with connect(url) as connection:
        return {pair for pair in pairs if pair not in stale and _checked(connection, pair, families, months)}


def _checked(connection: Connection, pair: str, families: Sequence[str], months: Sequence[str]) -> bool:
    if not exists(connection, "gate_log"):
        return False
    try:
        wanted = wanted_months(connection, pair, families, months)
    except BqxError:  # its own tasks say what is wrong with it
        return False
    tables = [table_of(family, pair).name for family in families]
    known = remembered(connection, tables, wanted, identities(connection, tables, wanted))
    return all((table, str(month)) in known for table in tables for month in wanted)


@cache
def code() -> str:
    """Hash of the gate's own code: another gate may find what this one did not."""
    digest = blake2b(digest_size=8)
    for told in outlines("quality", sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(told.encode())
    return digest.hexdigest()
