"""### Load minute bars

Reads bar files (Parquet, HistData, MetaTrader, Dukascopy) from a folder or from S3, or registers the bars
that are already in the database, and writes what everything else starts from.

1. **prepare** opens and checks *every* file before anything is written: a bad one fails the run with
   its name, its row and the remedy, and the database stays as it was. Then it stores the baseline of
   the rate index (chosen at the first load, never moved) and the watermark.
2. **pairs.write**, once per pair: the months of `m1_{pair}` and of the BQX series `bqx_{pair}`. A month
   that did not change is left alone, so the DAG may be run again at any time.

Example configuration:

    {"source": "s3://my-bucket/bars", "pairs": ["eurusd", "gbpusd"], "price_side": "bid", "crosses": "derive"}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, dag, task_group
from bqx.connections import database_url
from bqx.objects import place_of
from bqx.wiring import dag_arguments, per_pair, step

from include import settings
from include.pairs import PAIRS

PARAMS = {"pairs": settings.pairs_param(PAIRS)} | settings.LOAD_PARAMS | {"dry_run": settings.DRY_RUN}


@step()
def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """Check all sources, store baselines and watermark."""
    from include.market import load

    return load.prepare(
        database_url(settings.CONNECTION),
        load.LoadRequest.of(params),
        place=place_of(params["source"]),
        dry_run=params["dry_run"],
    )


@step()
def pairs_to_write(prepared: dict[str, Any]) -> list[str]:
    """The pairs the source can give; none in a dry run."""
    return prepared["pairs_to_write"]


@per_pair(outlets=[Asset("x-bqx://tables/m1"), Asset("x-bqx://tables/bqx")])
def write(pair: str, params: dict[str, Any]) -> dict[str, Any]:
    """Write the bars of one pair and build its BQX series."""
    from include.market import load

    return load.load_pair(
        database_url(settings.CONNECTION),
        load.LoadRequest.of(params),
        pair,
        place=place_of(params["source"]),
    )


@dag(
    dag_id="bqx_load",
    dag_display_name="BQX 1 · load bars",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-1", "market-data"],
    **dag_arguments(PARAMS),
)
def bqx_load() -> None:
    """Check every source, then write bars and BQX of each pair."""

    @task_group(group_id="pairs")
    def pairs_group(pair: str) -> None:
        write(pair)

    pairs_group.expand(pair=pairs_to_write(prepare()))


bqx_load()
