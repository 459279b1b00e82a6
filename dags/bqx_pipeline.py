"""### The whole pipeline, in order

Triggers the other DAGs one after the other and waits for each without holding a worker: rename legacy
tables (which asks for an approval if there are any and comes before everything else), load bars, build
features, build a training set, train models on it, serve the chosen ones (which asks for an approval too).
Before them it starts the update of the Airtable plan and does not wait for it: the data need neither Airtable
nor whoever approves. A phase that fails stops the chain; heal it there (clear the failed pair), then clear
the phase here.

Example configuration:

    {"source": "/data/bars", "pairs": ["eurusd", "gbpusd"]}
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain, dag
from bqx.wiring import dag_arguments

from include import forms
from include.pairs import PAIRS

PAIRS_PARAM = {"pairs": forms.pairs_param(PAIRS)}
MIGRATE_PARAMS = {name: schema for name, schema in forms.MIGRATE_PARAMS.items() if name != "action"}
# The data set to train on is the one that the phase before has made: the newest.
TRAIN_PARAMS = {name: schema for name, schema in forms.TRAINING_PARAMS.items() if name != "dataset_id"}
PHASES = {
    "plan": ("bqx_plan", {}),
    "migrate": ("bqx_migrate", PAIRS_PARAM | MIGRATE_PARAMS),
    "load": ("bqx_load", PAIRS_PARAM | forms.LOAD_PARAMS),
    "features": ("bqx_features", PAIRS_PARAM | forms.FEATURE_PARAMS),
    "dataset": ("bqx_dataset", PAIRS_PARAM | forms.DATASET_PARAMS),
    "train": ("bqx_train", PAIRS_PARAM | TRAIN_PARAMS),
    "deploy": ("bqx_deploy", PAIRS_PARAM | forms.ENDPOINT_PARAMS),
}
# Jinja reads what it rendered as Python: a bare "15" would arrive as a number. Its repr arrives as it was.
AS_IT_IS = "{{{{ '%r' | format(params.{name}) }}}}"
# A param of several phases is described by the first one that has it.
PARAMS = {
    name: schema for _, params in reversed(PHASES.values()) for name, schema in params.items()
} | PAIRS_PARAM


@dag(
    dag_id="bqx_pipeline",
    dag_display_name="BQX 0 · pipeline",
    doc_md=__doc__,
    schedule=None,
    render_template_as_native_obj=True,
    tags=["bqx", "pipeline"],
    **dag_arguments(PARAMS),
)
def bqx_pipeline() -> None:
    """Run every phase in order."""
    chain(
        *(
            TriggerDagRunOperator(
                task_id=phase,
                trigger_dag_id=dag_id,
                conf={name: AS_IT_IS.format(name=name) for name in params} | {"dry_run": False},
                wait_for_completion=phase != "plan",
                deferrable=phase != "plan",
                poke_interval=2,
                execution_timeout=None,
                retries=0,  # the DAG that it waits for has tried its tasks again already
            )
            for phase, (dag_id, params) in PHASES.items()
        )
    )


bqx_pipeline()
