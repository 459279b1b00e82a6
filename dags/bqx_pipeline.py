"""### The whole pipeline, in order

Triggers the other DAGs one after the other and waits for each without holding a worker:
load bars, rename legacy tables (which asks for an approval if there are any), build features. A phase that
fails stops the chain; heal it there (clear the failed pair), then clear the phase here.

Example configuration:

    {"source": "/data/bars", "pairs": ["eurusd", "gbpusd"]}
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, chain, dag

from include import settings
from include.pairs import PAIRS

MIGRATE_PARAMS = {name: schema for name, schema in settings.MIGRATE_PARAMS.items() if name != "action"}
PHASES = {
    "load": ("bqx_load", settings.LOAD_PARAMS),
    "migrate": ("bqx_migrate", MIGRATE_PARAMS),
    "features": ("bqx_features", settings.FEATURE_PARAMS),
}
PARAMS = (
    {"pairs": settings.pairs_param(PAIRS)} | settings.LOAD_PARAMS | MIGRATE_PARAMS | settings.FEATURE_PARAMS
)


@dag(
    dag_id="bqx_pipeline",
    dag_display_name="BQX 0 · pipeline",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    params={name: Param(**schema) for name, schema in PARAMS.items()},
    default_args=settings.DEFAULT_ARGS | {"retries": 0},
    render_template_as_native_obj=True,
    tags=["bqx", "pipeline"],
)
def bqx_pipeline() -> None:
    """Run every phase in order."""
    chain(
        *(
            TriggerDagRunOperator(
                task_id=phase,
                trigger_dag_id=dag_id,
                conf={name: f"{{{{ params.{name} }}}}" for name in ("pairs", *params)} | {"dry_run": False},
                wait_for_completion=True,
                deferrable=True,
                poke_interval=2,
            )
            for phase, (dag_id, params) in PHASES.items()
        )
    )


bqx_pipeline()
