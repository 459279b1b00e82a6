"""Pairs that are split, and what clients were told of them."""

from __future__ import annotations

import numpy as np

from include.objects import ObjectStore
from include.serving import online, routing
from include.serving.captures import Capture, Said, Sink, ensure_table
from include.serving.container import wire
from include.serving.routing import Route, Target
from include.storage.connection import connect
from tests.include.retraining.worlds import COLUMNS, DAY, PAIR, START, WINDOWS
from tests.versions import Version

FIRST, END = START + 14 * DAY, START + 35 * DAY


def split(bucket: ObjectStore, champion: str, challenger: str, share: float = 0.5) -> None:
    targets = [Target(name, f"{PAIR}/{name}.tar.gz", "f" * 64, "d", tuple(WINDOWS.items()))
               for name in (champion, challenger)]  # fmt: skip
    route = {PAIR: Route(*targets, share)}
    routing.publish(
        bucket, lambda now: routing.assign(now, route, {"f" * 64: list(COLUMNS)}, "bqx"), "", "run"
    )


def answers(url: str, arms: dict[str, Version]) -> None:
    """Every other minute somebody asks, and one of both answers by chance."""
    with connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bqx.captures")
        ensure_table(connection)
        rows = online.many(connection, [PAIR], FIRST, END, COLUMNS, WINDOWS)[PAIR]
    some = np.isfinite(np.column_stack([rows.features, *rows.q.values(), *rows.s.values()])).all(axis=1)
    some &= rows.ts % 2 == 0
    asked = wire.Rows(rows.ts[some], rows.features[some], {w: q[some] for w, q in rows.q.items()},
                      {w: s[some] for w, s in rows.s.items()})  # fmt: skip
    said = {name: version.says(asked) for name, version in arms.items()}
    by_chance = np.random.default_rng(1).choice(list(arms), size=asked.ts.size)
    captures = [
        Capture(PAIR, int(ts), int(ts) + 1, f"request {ts}", str(arm), "",
                tuple(Said(h, h, float(said[arm][h][row]), None, None) for h in WINDOWS))
        for row, (ts, arm) in enumerate(zip(asked.ts, by_chance, strict=True))
    ]  # fmt: skip
    sink = Sink(url)
    sink(captures, 0)
    sink.close()
