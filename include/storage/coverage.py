"""Is everything there? Exact counts and equal key sets, read from the tables themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from include.errors import BqxError, Incomplete
from include.names import Month, table
from include.storage.bars import close_at_or_after
from include.storage.build import available_months
from include.storage.connection import Connection, connect, qualified, statement
from include.storage.log import watermark
from include.storage.schema import columns_of


class Keys(NamedTuple):
    """Exact number of keys of one month and an order-free hash over them."""

    number: int
    fingerprint: int


def check_coverage(
    url: str,
    pairs: Sequence[str],
    families: Sequence[str],
    months: Sequence[str] = (),
    *,
    left_out: Mapping[str, str] = MappingProxyType({}),
    failed: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, int]:
    """Compare the key sets of all families of each pair, month by month, and sum up what failed.

    Args:
        url: libpq connection string.
        pairs: pairs to look at.
        families: families that must be complete; ``bqx`` is compared too where we built it.
        months: months as ``yyyy-mm``; empty means every month that has bars.
        left_out: pairs that what all pairs share was computed without, and why.
        failed: failed tasks by pair, quality gates among them.

    Returns:
        Rows per pair, the same for every family.

    Raises:
        Incomplete: families of some pairs lack months or differ in their keys, or tasks failed; every
            such pair is named.
    """
    rows: dict[str, int] = {}
    faults: dict[str, list[str]] = {}
    with connect(url) as connection:
        for pair in pairs:
            gaps, rows[pair] = _check_pair(connection, pair, families, months)
            if failed.get(pair):
                gaps.append(f"{pair}: failed {', '.join(failed[pair])}.")
            if gaps:
                faults[pair] = gaps
    if faults:
        found = " ".join(text for gaps in faults.values() for text in gaps)
        raise Incomplete(
            f"{len(faults)} of {len(pairs)} pairs are not right. {found} Open the failed task of "
            "that pair, mend the cause, then clear its tasks: months that are right are not built again."
            + _about_shared(left_out)
        )
    if left_out:
        raise Incomplete(_about_shared(left_out).strip())
    return rows


def _about_shared(left_out: Mapping[str, str]) -> str:
    """Correlations of every pair lack what a pair that cannot be read would have given."""
    if not left_out:
        return ""
    return (
        f" What all pairs share was computed without {', '.join(sorted(left_out))}: when the cause is "
        "mended, clear the task `shared` with downstream too."
    )


def gaps_of(url: str, pair: str, families: Sequence[str], months: Sequence[str] = ()) -> list[str]:
    """What one pair lacks of some families, in words; empty if nothing."""
    with connect(url) as connection:
        return _check_pair(connection, pair, families, months)[0]


def _check_pair(
    connection: Connection, pair: str, families: Sequence[str], months: Sequence[str]
) -> tuple[list[str], int]:
    keys_of = {name: _keys(connection, pair, name) for name in families}
    reference = next(iter(keys_of.values()), {})
    if _has_our_bqx(connection, pair):
        reference = _keys(connection, pair, "bqx")
    try:
        wanted = sorted(months) or [str(month) for month in available_months(connection, pair)]
        due = reference.keys() | _unbuilt(connection, pair, months, reference)
    except BqxError as error:
        return [f"{pair}: {error}"], 0
    faults = []
    for name, keys in keys_of.items():
        absent = [month for month in wanted if month not in keys and month in due]
        unequal = [month for month in wanted if month in keys and keys[month] != reference.get(month)]
        if absent:
            faults.append(f"{name} lacks {_span(absent)}")
        if unequal:
            faults.append(f"{name} has other keys than the rest in {_span(unequal)}")
    if not reference:
        faults.append("nothing was built")
    total = sum(reference[month].number for month in wanted if reference and month in reference)
    return ([f"{pair}: {'; '.join(faults)}."] if faults else []), total


def _unbuilt(
    connection: Connection, pair: str, months: Sequence[str], reference: Mapping[str, Keys]
) -> set[str]:
    """Months asked for that have bars and are in no table; a hole in the bars may span a whole month."""
    nowhere = [Month.parse(text) for text in months if reference and text not in reference]
    newest = watermark(connection) if nowhere else 0
    bars = ((month, close_at_or_after(connection, pair, month.first_minute)) for month in nowhere)
    return {str(month) for month, bar in bars if bar and bar[0] < min(month.end_minute, newest + 1)}


def _keys(connection: Connection, pair: str, family: str) -> dict[str, Keys]:
    name = table(family, pair)
    if not columns_of(connection, name):
        return {}
    rows = connection.execute(statement("checks/fingerprint_keys", table=qualified(name)))
    return {str(month): Keys(int(str(count)), int(str(key_hash))) for month, count, key_hash in rows}


def _has_our_bqx(connection: Connection, pair: str) -> bool:
    return "is_filled" in columns_of(connection, table("bqx", pair))


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{len(months)} months ({months[0]} to {months[-1]})"
