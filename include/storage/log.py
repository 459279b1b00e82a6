"""What was loaded and built: baselines, watermark, and the log that lets a rerun skip what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from include.errors import MissingInput
from include.names import SCHEMA, Month, to_datetime, to_minute
from include.storage.connection import Connection, statement


class Baseline(NamedTuple):
    """The base of a pair's rate index: 100 at this bar."""

    minute: int
    rate: float


def baselines(connection: Connection) -> dict[str, Baseline]:
    """Every stored baseline by pair."""
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
        statement("log/record_baseline"),
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
        statement("log/record_load"),
        {
            "source": source,
            "pairs": list(pairs),
            "price_side": price_side,
            "watermark": to_datetime(watermark),
        },
    ).fetchone()
    assert row is not None
    return _minute(row[0])


def built_from(connection: Connection, table: str, month: Month) -> tuple[str, int] | None:
    """Input hash and row count of the last build of a month, or None if it was never built."""
    row = connection.execute(
        "SELECT input_hash, row_count FROM bqx.build_log WHERE table_name = %s AND month = %s",
        [table, date(month.year, month.month, 1)],
    ).fetchone()
    return None if row is None else (str(row[0]), int(str(row[1])))


def record_build(
    connection: Connection, table: str, month: Month, *, rows: int, input_hash: str, seconds: float
) -> None:
    """Note a build; call it in the transaction that swaps the month in."""
    connection.execute(
        statement("log/record_build"),
        {
            "table_name": table,
            "month": date(month.year, month.month, 1),
            "row_count": rows,
            "input_hash": input_hash,
            "seconds": seconds,
        },
    )


def record_gates(
    connection: Connection,
    findings: Mapping[tuple[str, Month], int],
    *,
    report: str,
    run_label: str,
    checked_at: datetime,
) -> None:
    """Note what a quality gate found.

    Args:
        connection: a session.
        findings: number of findings by table and month; 0 where the partition is right.
        report: path of the page.
        run_label: name of the run.
        checked_at: when the gate began; what was built later it may not have seen.
    """
    connection.execute(
        statement("log/record_gates"),
        {
            "tables": [table for table, _ in findings],
            "months": [date(month.year, month.month, 1) for _, month in findings],
            "findings": list(findings.values()),
            "report": report,
            "run_label": run_label,
            "checked_at": checked_at,
        },
    )


def _minute(moment: object) -> int:
    assert isinstance(moment, datetime)
    return to_minute(moment.astimezone(UTC))
