"""Is everything there? Exact counts, equal key sets and fresh months, read from the tables themselves."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import NamedTuple

from include.build.freshness import AT_ONCE, Stale, check_freshness, describe, summary
from include.build.months import available_months
from include.errors import BqxError, Incomplete
from include.features.catalogue import STORED
from include.names import Month, table
from include.pairs import PAIRS
from include.storage.bars import close_at_or_after
from include.storage.connection import Connection, connect, qualified, statement
from include.storage.log import baselines, builds_of, watermark
from include.storage.schema import columns_of

log = logging.getLogger(__name__)


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
) -> dict[str, object]:
    """Compare the key sets of all families of each pair, month by month, and sum up what failed.

    Months that are there must also be those that would be built now: bars may have been loaded in between.
    What was not asked for and became stale is said, here and in the log.

    Args:
        url: libpq connection string.
        pairs: pairs to look at.
        families: families that must be complete; ``bqx`` is compared too where we built it.
        months: months as ``yyyy-mm``; empty means every month that has bars.
        left_out: pairs that what all pairs share was computed without, and why.
        failed: failed tasks by pair, quality gates among them.

    Returns:
        Plain values: ``rows`` per pair, the same for every family; ``stale_elsewhere``: which other months,
        of these or other pairs, do not follow from the present bars and code, and which run heals them.

    Raises:
        Incomplete: families of some pairs lack months or differ in their keys, or tasks failed; every
            such pair is named.
    """

    def look(pair: str) -> _Pair:
        with connect(url) as connection:
            return _check_pair(connection, pair, families, months)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(pairs, pool.map(look, pairs), strict=True))
    with connect(url) as connection:
        loaded = [pair for pair in PAIRS if pair in baselines(connection)]
    asked, elsewhere = _stale(url, loaded, pairs, families, months)
    faults: dict[str, list[str]] = {}
    for pair, seen in found.items():
        stale = [one for one in asked if one.pair == pair and (one.table, one.month) not in seen.lacking]
        told = [*seen.faults, *([f"{pair}: {summary(stale)}"] if stale else [])]
        if failed.get(pair):
            told.append(f"{pair}: failed {', '.join(failed[pair])}.")
        if told:
            faults[pair] = told
    if faults:
        listed = " ".join(text for gaps in faults.values() for text in gaps)
        raise Incomplete(
            f"{len(faults)} of {len(pairs)} pairs are not right. {listed} Open the failed task of "
            "that pair, mend the cause, then clear its tasks: months that are right are not built again."
            + _about_shared(left_out)
        )
    if left_out:
        raise Incomplete(_about_shared(left_out).strip())
    if elsewhere:
        log.warning("Stale, and not asked for in this run: %s", describe(elsewhere))
    rows = {pair: seen.rows for pair, seen in found.items()}
    return {"rows": rows, "stale_elsewhere": describe(elsewhere)}


def _stale(
    url: str, loaded: Sequence[str], pairs: Sequence[str], families: Sequence[str], months: Sequence[str]
) -> tuple[list[Stale], list[Stale]]:
    """Months that are not fresh: those that were asked for, and the others that were built once."""
    tables = {table(family, pair) for pair in pairs for family in families}
    asked, elsewhere = list[Stale](), list[Stale]()
    for one in check_freshness(url, loaded, ("bqx", *STORED)).stale:
        if one.table in tables and (not months or one.month in months):
            asked.append(one)
        elif one.built:
            elsewhere.append(one)
    return asked, elsewhere


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
        return _check_pair(connection, pair, families, months).faults


class _Pair(NamedTuple):
    """Faults in words, rows of the months wanted, and tables with the months they lack."""

    faults: list[str]
    rows: int = 0
    lacking: frozenset[tuple[str, str]] = frozenset()


def _check_pair(connection: Connection, pair: str, families: Sequence[str], months: Sequence[str]) -> _Pair:
    keys_of = {name: _keys(connection, pair, name) for name in families}
    reference = _usual([*keys_of.values(), _keys(connection, pair, "bqx")])
    try:
        wanted = sorted(months) or [str(month) for month in available_months(connection, pair)]
        due = reference.keys() | (_unbuilt(connection, pair, wanted, reference) if reference else set())
    except BqxError as error:
        return _Pair([f"{pair}: {error}"])
    logged = _logged(connection, pair, families, wanted)
    faults, lacking = list[str](), set[tuple[str, str]]()
    for name, keys in keys_of.items():
        there = [month for month in wanted if month in keys]
        absent = [month for month in wanted if month not in keys and month in due]
        unequal = [month for month in there if keys[month] != reference[month]]
        changed = [month for month in there if keys[month].number != logged.get((name, month))]
        lacking |= {(table(name, pair), month) for month in absent}
        if absent:
            faults.append(f"{name} lacks {_span(absent)}")
        if unequal:
            faults.append(f"{name} has other keys than the rest in {_span(unequal)}")
        if changed := [month for month in changed if month not in unequal]:
            faults.append(f"{name} has other rows than were built in {_span(changed)}")
    if not reference:
        faults.append("nothing was built")
    total = sum(reference[month].number for month in wanted if month in reference)
    return _Pair([f"{pair}: {'; '.join(faults)}."] if faults else [], total, frozenset(lacking))


def _usual(tables: Sequence[Mapping[str, Keys]]) -> dict[str, Keys]:
    """The keys of each month that most tables have: one that lost a row does not make the others wrong."""
    votes: dict[str, Counter[Keys]] = {}
    for keys in tables:
        for month, found in keys.items():
            votes.setdefault(month, Counter())[found] += 1
    return {month: counts.most_common(1)[0][0] for month, counts in votes.items()}


def _logged(
    connection: Connection, pair: str, families: Sequence[str], months: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Rows that the log of builds knows, by family and month."""
    family_of = {table(name, pair): name for name in families}
    log_rows = builds_of(connection, list(family_of), [Month.parse(text) for text in months])
    return {(family_of[name], str(month)): built.rows for (name, month), built in log_rows.items()}


def _unbuilt(
    connection: Connection, pair: str, months: Sequence[str], reference: Mapping[str, Keys]
) -> set[str]:
    """Months that have bars and are in no table; a hole in the bars may span a whole month."""
    nowhere = [Month.parse(text) for text in months if text not in reference]
    newest = watermark(connection) if nowhere else 0
    bars = ((month, close_at_or_after(connection, pair, month.first_minute)) for month in nowhere)
    return {str(month) for month, bar in bars if bar and bar[0] < min(month.end_minute, newest + 1)}


def _keys(connection: Connection, pair: str, family: str) -> dict[str, Keys]:
    name = table(family, pair)
    if not columns_of(connection, name):
        return {}
    rows = connection.execute(statement("build/fingerprint_keys", table=qualified(name)))
    return {str(month): Keys(int(str(count)), int(str(key_hash))) for month, count, key_hash in rows}


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{len(months)} months ({months[0]} to {months[-1]})"
