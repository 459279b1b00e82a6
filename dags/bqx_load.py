"""### Load minute bars

Reads bar files (Parquet, HistData, MetaTrader, Dukascopy), or registers the bars that are already in
the database, and writes what everything else starts from.

1. **prepare** opens and checks *every* file before anything is written: a bad one fails the run with
   its name, its row and the remedy, and the database stays as it was. Then it stores the baseline of
   the rate index (chosen at the first load, never moved) and the watermark.
2. **pairs.write**, once per pair: the months of `m1_{pair}` and of the BQX series `bqx_{pair}`. A month
   that did not change is left alone, so the DAG may be run again at any time.

Example configuration:

    {"source": "/data/bars", "pairs": ["eurusd", "gbpusd"], "price_side": "bid", "crosses": "derive"}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Param, dag, get_current_context, task, task_group
from bqx.connections import database_url
from bqx.retries import no_retry_for

from include import settings
from include.pairs import PAIRS

PARAMS = {"pairs": settings.pairs_param(PAIRS)} | settings.LOAD_PARAMS | {"dry_run": settings.DRY_RUN}


@dag(
    dag_id="bqx_load",
    dag_display_name="BQX 1 · load bars",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    params={name: Param(**schema) for name, schema in PARAMS.items()},
    default_args=settings.DEFAULT_ARGS | {"retry_policy": no_retry_for(settings.FINAL_ERRORS)},
    tags=["bqx", "phase-1", "market-data"],
)
def bqx_load() -> None:
    """Check every source, then write bars and BQX of each pair."""

    @task
    def prepare(params: dict[str, Any]) -> dict[str, Any]:
        """Check all sources, store baselines and watermark."""
        from include.market.load import prepare
        from include.market.request import LoadRequest

        url = database_url(settings.CONNECTION)
        return prepare(url, LoadRequest.of(params), dry_run=params["dry_run"])

    @task
    def pairs_to_write(prepared: dict[str, Any], params: dict[str, Any]) -> list[str]:
        """The pairs the source can give; none in a dry run."""
        return [] if params["dry_run"] else prepared["pairs"]

    @task(
        map_index_template="{{ pair }}",
        pool=settings.BUILD_POOL,
        outlets=[Asset("x-bqx://tables/m1"), Asset("bqx://tables/bqx")],
    )
    def write(pair: str, params: dict[str, Any]) -> dict[str, Any]:
        """Write the bars of one pair and build its BQX series."""
        from include.market.load import load_pair
        from include.market.request import LoadRequest

        get_current_context()["pair"] = pair  # type: ignore[typeddict-unknown-key]
        return load_pair(database_url(settings.CONNECTION), LoadRequest.of(params), pair)

    @task_group(group_id="pairs")
    def pairs_group(pair: str) -> None:
        write(pair)

    pairs_group.expand(pair=pairs_to_write(prepare()))


bqx_load()
