"""### Build a training set

Assembles the 730-column matrix of every pair, chooses the same up to 195 columns for all pairs, and writes
Parquet files to S3: features, reference columns and 25 raw targets, split by time into train, val and test.

1. **plan** fixes period, split and sizes, and refuses pairs whose feature tables are not complete.
2. **examine** (per pair) reads all 730 columns month by month, checks and profiles them, refuses a column
   that knows the future, and ranks them on a sample of training rows.
3. **choose** makes one list of columns for all pairs.
4. **export** (per pair) fits winsor limits and scaler on training rows and writes the files.
5. **publish** writes the report, then the manifest, last and once: readers see the whole data set or nothing.
6. **clean_up** removes all but the newest data sets, and what killed exports left.

The newest data set is used again if it was made of the same tables, columns and days: then **select** says
so, and nothing is made. With a `dataset_id` it is made anew.

A data set never changes. Clear a failed pair's task and the run goes on; what is written is not sent again.

Example configuration:

    {"pairs": ["eurusd", "gbpusd"], "first_day": "2024-07-01", "end_day": "2025-07-01"}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, chain, dag
from bqx.connections import database_url
from bqx.objects import object_store, reports
from bqx.running import announce, run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

DATASETS = Asset(settings.DATASETS_ASSET)
PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.DATASET_PARAMS | {"dry_run": forms.DRY_RUN}


@step()
def plan(params: dict[str, Any]) -> dict[str, Any]:
    """Decide what the data set is to be."""
    from include.dataset import steps

    return steps.plan(database_url(settings.CONNECTION), object_store, params["pairs"], run_id(), params)


@step()
def select(frame: dict[str, Any], params: dict[str, Any]) -> list[str]:
    """The pairs to work on; none in a dry run, or where the data set is there already."""
    from include.dataset import steps

    return steps.select(object_store(), frame, dry_run=params["dry_run"])


@per_pair()
def examine(pair: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Check, profile and rank all columns of one pair."""
    from include.dataset import steps

    return steps.examine(database_url(settings.CONNECTION), object_store(), frame, pair)


@step()
def choose(frame: dict[str, Any]) -> dict[str, Any]:
    """Choose one list of columns for all pairs."""
    from include.dataset import steps

    return steps.choose(object_store(), frame)


@per_pair()
def export(pair: str, frame: dict[str, Any]) -> dict[str, Any]:
    """Write the files of one pair."""
    from include.dataset import steps

    return steps.export(database_url(settings.CONNECTION), object_store(), frame, pair)


@step(outlets=[DATASETS], trigger_rule="none_failed")
def publish(frame: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Write report and manifest: from then on the data set is there. One that is there is only told."""
    from include.dataset import steps

    url = database_url(settings.CONNECTION)
    published = steps.publish(url, object_store(), frame, reports(), dry_run=params["dry_run"])
    announce(DATASETS, dataset_id=frame["dataset_id"])
    return published


@step()
def clean_up(params: dict[str, Any]) -> dict[str, Any]:
    """Remove old data sets and what killed exports left behind."""
    from include.dataset import steps

    return steps.clean_up(object_store(), reports(), params["keep_datasets"])


@dag(
    dag_id="bqx_dataset",
    dag_display_name="BQX 2.3 · training sets",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-2", "dataset"],
    **dag_arguments(PARAMS),
)
def bqx_dataset() -> None:
    """Plan, examine, choose, export, publish."""
    frame = plan()
    pairs = select(frame)
    chain(
        examine.partial(frame=frame).expand(pair=pairs),
        choose(frame),
        export.partial(frame=frame).expand(pair=pairs),
        publish(frame),
        clean_up(),
    )


bqx_dataset()
