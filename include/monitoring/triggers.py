"""Which values of a run of the monitor ask for a retraining, and when they have asked already."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.errors import NothingToDo
from include.monitoring.store import ensure_table
from include.monitoring.values import CRITICAL, WARNING
from include.names import to_datetime
from include.storage.connection import Connection, statement

__all__ = ["ASKING", "QUIET_DAYS", "asking"]

# Levels of a pair's value from which its model is to be trained again. The MAE is the drift threshold of the
# specification; of the others only the critical level asks.
ASKING = {"mae_change": (WARNING, CRITICAL), "r2_drop": (CRITICAL,), "feature_drift": (CRITICAL,)}
QUIET_DAYS = 5  # what has asked within so many days does not ask again


def asking(connection: Connection, as_of: int) -> dict[str, Any]:
    """What asks for a retraining now and did not ask before.

    Args:
        connection: a session.
        as_of: epoch minute of the run of the monitor.

    Returns:
        ``as_of``, and ``values``: names of values with the pairs concerned.

    Raises:
        NothingToDo: nothing asks, or something has asked within `QUIET_DAYS` already.
    """
    now = to_datetime(as_of)
    ensure_table(connection)
    asked = {
        "since": now - timedelta(days=QUIET_DAYS),
        "as_of": now,
        "names": list(ASKING),
        "levels": [WARNING, CRITICAL],
    }
    rows = [
        row for row in connection.execute(statement("monitoring/list_breaches"), asked)
        if row[3] in ASKING[str(row[1])]
    ]  # fmt: skip
    found: dict[str, list[str]] = {}
    for moment, name, pair, _ in rows:
        if moment == now:
            found.setdefault(str(name), []).append(str(pair))
    if not found:
        raise NothingToDo("No value asks for a retraining.")
    if rows[0][0] != now:
        raise NothingToDo(f"A retraining was asked for on {rows[0][0]:%Y-%m-%d %H:%M} UTC already.")
    return {"as_of": now.isoformat(), "values": found}
