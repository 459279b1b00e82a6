"""What a review starts from, read from the tables and the bucket; nothing is estimated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from include.dataset.manifest import Manifest
from include.monitoring.retrainings import TABLE as RETRAININGS
from include.monitoring.store import TABLE as VALUES
from include.objects import ObjectStore
from include.retraining.scores import important
from include.serving import batch, routing
from include.storage.connection import Connection, exists, statement
from include.training.jobs import newest_dataset

__all__ = ["Facts", "Level", "read"]


class Level(NamedTuple):
    """How often a value over all pairs was beyond a limit.

    Attributes:
        warnings, criticals, silent: readings of these levels; silent ones had no data.
        readings: all.
    """

    warnings: int
    criticals: int
    silent: int
    readings: int


class Facts(NamedTuple):
    """Of a quarter.

    Attributes:
        dataset_id: of the newest data set; empty if there is none.
        columns, stability: of its selection; None where nothing is known.
        important: number of champions among whose ten most important columns each is.
        models: version of the champion by pair.
        skill: mean over the readings of the quarter, by pair.
        retrainings: runs by how they ended.
        levels: by value.
        findings: of the quality gate in its last look at each partition, and partitions with findings.
        cost: month to date by line; empty for all lines together.
    """

    dataset_id: str
    columns: int
    stability: float | None
    important: Mapping[str, int]
    models: Mapping[str, str]
    skill: Mapping[str, float]
    retrainings: Mapping[str, int]
    levels: Mapping[str, Level]
    findings: tuple[int, int]
    cost: Mapping[str, float]


def read(connection: Connection, bucket: ObjectStore, since: datetime, as_of: datetime) -> Facts:
    """Read everything.

    Args:
        connection: a session.
        bucket: the whole bucket.
        since: beginning of the quarter, UTC.
        as_of: its end.
    """
    asked = {"since": since, "as_of": as_of}
    manifest: Manifest | None = newest_dataset(bucket)
    champions = {pair: route.champion for pair, route in routing.read(bucket).pairs.items()}
    columns = Counter(
        name for pair, target in champions.items() for name in important(batch.load(bucket, pair, target))
    )
    values = exists(connection, VALUES)
    skill = _rows(connection, "list_skill", asked, values)
    levels = _rows(connection, "list_levels", asked, values)
    cost = _rows(connection, "list_cost", asked, values)
    retrainings = _rows(connection, "list_retrainings", asked, exists(connection, RETRAININGS))
    return Facts(
        dataset_id="" if manifest is None else manifest.dataset_id,
        columns=0 if manifest is None else len(manifest.columns_selected),
        stability=None if manifest is None else manifest.extra.get("stability"),
        important=dict(columns.most_common()),
        models={pair: target.version for pair, target in champions.items()},
        skill={str(pair): float(str(mean)) for pair, mean, _ in skill if mean is not None},
        retrainings={str(state): int(str(runs)) for state, runs in retrainings},
        levels={str(name): Level(*(int(str(each)) for each in counts)) for name, *counts in levels},
        findings=_findings(connection),
        cost={str(line): float(str(value)) for _, line, value in cost},
    )


def _rows(
    connection: Connection, name: str, asked: Mapping[str, object], there: bool
) -> list[tuple[object, ...]]:
    return list(connection.execute(statement(f"review/{name}"), asked)) if there else []


def _findings(connection: Connection) -> tuple[int, int]:
    if not exists(connection, "gate_log"):
        return 0, 0
    row = connection.execute(
        "SELECT coalesce(sum(findings), 0), count(*) FILTER (WHERE findings > 0) FROM bqx.gate_log"
    ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))
