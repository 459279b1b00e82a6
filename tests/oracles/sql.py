"""The same definitions as window functions of a database."""

from __future__ import annotations

import sqlite3

import numpy as np


def _query(rows: list[tuple[object, ...]], table: str, query: str) -> dict[str, np.ndarray]:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE {table}")
        slots = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table.split('(')[0]} VALUES ({slots})", rows)
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        values = np.array(cursor.fetchall(), np.float64)
    connection.close()
    return dict(zip(names, values.T, strict=True))


def bqx(S: np.ndarray) -> dict[str, np.ndarray]:
    """Return, extremes, mean and endpoint of the w rows before each row, for every window."""
    parts, frames = [], []
    for w in (15, 30, 45, 60, 75):
        frames.append(f"f{w} AS (ORDER BY t ROWS BETWEEN {w} PRECEDING AND 1 PRECEDING)")
        for name, value in {
            "bqx_return": f"(sum(s) OVER f{w} - {w} * s) / s",
            "bqx_max_index": f"max(s) OVER f{w}",
            "bqx_min_index": f"min(s) OVER f{w}",
            "bqx_avg_index": f"avg(s) OVER f{w}",
            "bqx_endpoint": f"(lag(s, {w}) OVER (ORDER BY t) - s) / s",
        }.items():
            parts.append(f"CASE WHEN count(*) OVER f{w} = {w} THEN {value} END AS w{w}_{name}")
    query = f"SELECT {', '.join(parts)} FROM x WINDOW {', '.join(frames)} ORDER BY t"
    return _query(list(enumerate(S.tolist())), "x(t, s)", query)


def fibonacci(high: np.ndarray, low: np.ndarray) -> dict[str, np.ndarray]:
    """Range and retracements of the last 100 rows."""
    levels = {"fib_range_high": "top", "fib_range_low": "bottom"}
    levels |= {f"fib_{n}": f"top - {x} * (top - bottom)" for n, x in (("38_2", 0.382), ("61_8", 0.618))}
    chosen = ", ".join(f"CASE WHEN n = 100 THEN {value} END AS {name}" for name, value in levels.items())
    query = (
        f"SELECT {chosen} FROM (SELECT t, max(h) OVER w AS top, min(l) OVER w AS bottom, count(*) OVER w AS n"
        " FROM x WINDOW w AS (ORDER BY t ROWS 99 PRECEDING)) ORDER BY t"
    )
    rows = list(zip(range(len(high)), high.tolist(), low.tolist(), strict=True))
    return _query(rows, "x(t, h, l)", query)
