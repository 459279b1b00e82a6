"""### Load minute bars

Reads bar files (Parquet, HistData, MetaTrader, Dukascopy) from a folder or from S3, or registers the bars
that are already in the database, and writes what everything else starts from.

1. **prepare** opens and checks *every* file before anything is written: a bad one fails the run with
   its name, its row and the remedy, and the database stays as it was. The result says what was decided about
   each file (`read`) and which files name a pair and are not read (`left_out`). Then it stores the
   baseline of the rate index (chosen at the first load, never moved) and the watermark.
2. **pairs.write**, once per pair: the months of `m1_{pair}` and of the BQX series `bqx_{pair}`. A month
   that did not change is left alone, so the DAG may be run again at any time.

Example configuration:

    {"source": "s3://my-bucket/bars", "pairs": ["eurusd", "gbpusd"], "price_side": "bid", "crosses": "derive"}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Variable, dag, task_group
from bqx.connections import database_url
from bqx.objects import place_of
from bqx.running import asked_for
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.LOAD_PARAMS | {"dry_run": forms.DRY_RUN}


@step()
def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """Check all sources, store baselines and watermark."""
    from include.market import load

    asked = asked_for(params)
    return load.prepare(
        database_url(settings.CONNECTION),
        load.LoadRequest.of(asked),
        place=place_of(asked["source"]),
        dry_run=asked["dry_run"],
    )


@step()
def pairs_to_write(prepared: dict[str, Any]) -> list[str]:
    """The pairs the source can give; none in a dry run."""
    return prepared["pairs_to_write"]


@per_pair(outlets=[Asset("x-bqx://tables/m1"), Asset("x-bqx://tables/bqx")])
def write(pair: str, params: dict[str, Any]) -> dict[str, Any]:
    """Write the bars of one pair and build its BQX series."""
    from include.market import load

    asked = asked_for(params)
    return load.load_pair(
        database_url(settings.CONNECTION),
        load.LoadRequest.of(asked),
        pair,
        place=place_of(asked["source"]),
    )


@dag(
    dag_id="bqx_load",
    dag_display_name="BQX 1 · load bars",
    doc_md=__doc__,
    schedule=Variable.get(settings.LOAD_SCHEDULE_VARIABLE, default=None) or None,
    catchup=False,
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
