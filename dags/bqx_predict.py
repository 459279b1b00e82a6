"""### Predict a day

Every day at 00:00 UTC: forecasts of every minute of the day before, for every pair that is deployed, in the
tables `predictions_{pair}`. The features come from the bars, the models are the champions of the routing
table, and the numbers are those that the endpoint gives.

1. **load** runs `bqx_load` first, where the Airflow Variable `bqx_load_params` says from where.
2. **plan** fixes day, models and as of when: the wall clock, or the end of the last bar where the Airflow
   Variable `bqx_as_of` is `last_bar`.
3. **predict** (per pair) replaces the day in the table in one transaction, so a day may be predicted again.
   A minute of which the model lacks an input is there without a forecast.

Example configuration:

    {"pairs": ["eurusd"], "day": "2024-07-30"}
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronTriggerTimetable, chain, dag
from bqx.connections import database_url
from bqx.objects import object_store
from bqx.running import as_of_mode, load_source
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.PREDICT_PARAMS | {"dry_run": forms.DRY_RUN}

Plain = dict[str, Any]


@step()
def source(params: Plain) -> Plain:
    """Params of the load; skipped, and the load with it, in a dry run and where nothing says from where."""
    from include.errors import NothingToDo

    if params["dry_run"]:
        raise NothingToDo("Dry run: nothing is loaded.")
    return load_source()


@step(trigger_rule="none_failed")
def plan(params: Plain) -> Plain:
    """Fix the day, the models and the moment."""
    from include.serving import batch

    return batch.plan(database_url(settings.CONNECTION), object_store(""), params, as_of_mode())


@step()
def select(planned: Plain, params: Plain) -> list[str]:
    """The pairs to predict; none in a dry run."""
    from include.serving import batch

    return batch.select(planned, dry_run=params["dry_run"])


@per_pair()
def predict(pair: str, planned: Plain) -> Plain:
    """Forecast the day of one pair and write it."""
    from include.serving import batch

    return batch.predict(database_url(settings.CONNECTION), object_store(""), planned, pair)


@dag(
    dag_id="bqx_predict",
    dag_display_name="BQX 5 · predictions",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 0 * * *", timezone="UTC"),
    catchup=False,
    render_template_as_native_obj=True,
    tags=["bqx", "phase-4", "serving"],
    **dag_arguments(PARAMS),
)
def bqx_predict() -> None:
    """Load, plan, predict."""
    asked = source()
    load = TriggerDagRunOperator(
        task_id="load",
        trigger_dag_id="bqx_load",
        conf=asked,
        wait_for_completion=True,
        deferrable=True,
        poke_interval=2,
        execution_timeout=None,
        retries=0,  # the DAG that it waits for has tried its tasks again already
    )
    planned = plan()
    chain(load, planned)
    predict.partial(planned=planned).expand(pair=select(planned))


bqx_predict()
