"""What was loaded and built: baselines, watermark, and the log that lets a rerun skip what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple, cast

from psycopg import sql

from include.errors import MissingInput
from include.names import SCHEMA, Month, to_datetime, to_minute
from include.storage.connection import Connection, exists, statement


class Baseline(NamedTuple):
    """The base of a pair's rate index: 100 at this bar."""

    minute: int
    rate: float


def baselines(connection: Connection) -> dict[str, Baseline]:
    """Every stored baseline by pair; none before the first load."""
    if not exists(connection, "baseline_rates"):
        return {}
    rows = connection.execute("SELECT pair, baseline_ts, baseline_rate FROM bqx.baseline_rates")
    return {str(pair): Baseline(_minute(ts), float(str(rate))) for pair, ts, rate in rows}


def baseline_of(connection: Connection, pair: str) -> Baseline:
    """The stored baseline of a pair.

    Raises:
        MissingInput: the pair was never loaded.
    """
    stored = baselines(connection)
    if pair not in stored:
        raise MissingInput(
            f"{pair} has no row in {SCHEMA}.baseline_rates: run the DAG bqx_load for it first "
            "(without a source it registers the bars that are already in the database)."
        )
    return stored[pair]


def record_baseline(connection: Connection, pair: str, baseline: Baseline) -> None:
    """Store a baseline unless the pair has one: a baseline is never moved."""
    connection.execute(
        statement("storage/record_baseline"),
        {"pair": pair, "baseline_ts": to_datetime(baseline.minute), "baseline_rate": baseline.rate},
    )


def watermark(connection: Connection) -> int:
    """Last epoch minute the grids may reach.

    Raises:
        MissingInput: nothing was ever loaded.
    """
    row = connection.execute("SELECT max(watermark) FROM bqx.loads").fetchone()
    if row is None or row[0] is None:
        raise MissingInput("Nothing was loaded yet: run the DAG bqx_load first.")
    return _minute(row[0])


def record_load(
    connection: Connection, *, source: str, pairs: Sequence[str], price_side: str, watermark: int
) -> int:
    """Note a load and return the watermark that now holds (it never goes back), in epoch minutes."""
    row = connection.execute(
        statement("storage/record_load"),
        {
            "source": source,
            "pairs": list(pairs),
            "price_side": price_side,
            "watermark": to_datetime(watermark),
        },
    ).fetchone()
    assert row is not None
    return _minute(row[0])


class Built(NamedTuple):
    """What the log says of one month of a table.

    Attributes:
        input_hash: of everything its rows follow from.
        rows: exact number of rows.
        content_hash: of the rows of a month of bars, None for what is computed.
    """

    input_hash: str
    rows: int
    content_hash: Decimal | None = None


def built_from(connection: Connection, table: str, month: Month) -> Built | None:
    """The last build of a month, or None if it was never built."""
    return builds_of(connection, [table], [month]).get((table, month))


def builds_of(
    connection: Connection, tables: Sequence[str], months: Sequence[Month]
) -> dict[tuple[str, Month], Built]:
    """The last builds of some tables in some months; what was never built is left out."""
    rows = connection.execute(
        "SELECT table_name, month, input_hash, row_count, content_hash FROM bqx.build_log"
        " WHERE table_name = any(%s) AND month = any(%s)",
        [list(tables), [date(month.year, month.month, 1) for month in months]],
    )
    return {
        (str(table), Month.of_day(cast(date, day))): Built(
            str(input_hash), int(str(count)), cast("Decimal | None", content_hash)
        )
        for table, day, input_hash, count, content_hash in rows
    }


def record_build(
    connection: Connection,
    table: str,
    month: Month,
    *,
    rows: int,
    input_hash: str,
    seconds: float,
    content_hash: Decimal | None = None,
) -> None:
    """Note a build; call it in the transaction that swaps the month in.

    Args:
        connection: a session.
        table: its table.
        month: its month.
        rows: exact number of rows.
        input_hash: of everything that the rows follow from.
        seconds: what it took.
        content_hash: of the rows themselves, where these are the truth (bars).
    """
    connection.execute(
        statement("storage/record_build"),
        {
            "table_name": table,
            "month": date(month.year, month.month, 1),
            "row_count": rows,
            "input_hash": input_hash,
            "seconds": seconds,
            "content_hash": content_hash,
        },
    )


def forget_builds(connection: Connection, table: str) -> None:
    """The logs no longer speak of a table: whatever has its name next is built and checked anew."""
    for log in ("build_log", "gate_log"):
        if exists(connection, log):
            name = sql.Identifier(SCHEMA, log)
            connection.execute(sql.SQL("DELETE FROM {} WHERE table_name = %s").format(name), [table])


def logged_months(connection: Connection, tables: Sequence[str]) -> list[Month]:
    """Months that any of these tables was built for, in order."""
    rows = connection.execute(
        "SELECT DISTINCT month FROM bqx.build_log WHERE table_name = any(%s)", [list(tables)]
    )
    return sorted(Month.of_day(cast(date, day)) for (day,) in rows)


class Gate(NamedTuple):
    """What the last gate of a partition left.

    Attributes:
        table, month: the partition.
        report: link of its page.
        seen: what the partition was, see `include.quality.memory`; empty where it was not right.
    """

    table: str
    month: Month
    report: str
    seen: str


def gates_of(connection: Connection, tables: Sequence[str], months: Sequence[Month]) -> list[Gate]:
    """The last gates of some partitions."""
    rows = connection.execute(
        "SELECT table_name, month, report, coalesce(seen, '') FROM bqx.gate_log"
        " WHERE table_name = any(%s) AND month = any(%s)",
        [list(tables), [date(month.year, month.month, 1) for month in months]],
    )
    return [
        Gate(str(table), Month.of_day(cast(date, day)), str(report), str(seen))
        for table, day, report, seen in rows
    ]


def record_gates(
    connection: Connection,
    findings: Mapping[tuple[str, Month], int],
    seen: Mapping[tuple[str, Month], str],
    *,
    report: str,
    run_label: str,
    checked_at: datetime,
) -> None:
    """Note what a quality gate found.

    Args:
        connection: a session.
        findings: number of findings by table and month; 0 where the partition is right.
        seen: what the partitions that are right were when the gate began.
        report: path of the page.
        run_label: name of the run.
        checked_at: when the gate began; what was built later it may not have seen.
    """
    connection.execute(
        statement("storage/record_gates"),
        {
            "tables": [table for table, _ in findings],
            "months": [date(month.year, month.month, 1) for _, month in findings],
            "findings": list(findings.values()),
            "seen": [seen.get(partition) for partition in findings],
            "report": report,
            "run_label": run_label,
            "checked_at": checked_at,
        },
    )


def _minute(moment: object) -> int:
    assert isinstance(moment, datetime)
    return to_minute(moment.astimezone(UTC))
