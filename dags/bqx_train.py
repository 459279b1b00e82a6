"""### Train the baselines

Trains a Random Forest and XGBoost for every pair of a data set, as jobs on SageMaker, at most eight at once
and on spot instances, and says how much of what they forecast is skill.

1. **plan** finds the data set and its jobs. A job is named after data, code, image and settings; what was
   trained already is left alone.
2. **select** ends the run here if every model exists, or in a dry run.
3. **train** (per pair and model) starts the job or adopts it, and waits without holding a worker. A crash of
   Airflow stops nothing; a person who marks or clears a waiting task stops its job.
4. **report** writes the leaderboard: each score beside the forecast without skill, with its interval. It
   names the pairs that failed, and stops everything after it if a score is too good to be true.

A new data set starts a run by itself, unless `bqx_pipeline` made it. Clear a failed pair's task to try again.

Example configuration:

    {"pairs": ["eurusd", "gbpusd"], "models": ["xgboost"]}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, TriggerRule, chain, dag
from bqx.objects import object_store, reports, training_account
from bqx.operators.training import TrainingOperator
from bqx.retries import no_retry_for
from bqx.running import announced, run_id
from bqx.wiring import dag_arguments, step

from include import settings
from include.pairs import PAIRS

JOB = "{{ task.config.HyperParameters.pair }} {{ task.config.HyperParameters.model }}"
PARAMS = (
    {"pairs": settings.pairs_param(PAIRS) | settings.ALL_OF_DATASET}
    | settings.TRAINING_PARAMS
    | {"dry_run": settings.DRY_RUN}
)


@step()
def plan(params: dict[str, Any]) -> dict[str, Any]:
    """Find the data set, and which of its models are missing."""
    from include.training import jobs

    return jobs.plan(object_store(""), training_account(), params, announced())


@step()
def select(planned: dict[str, Any], params: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs to run; none in a dry run, or if all models are there."""
    from include.training import jobs

    return jobs.select(planned, dry_run=params["dry_run"])


@step(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def report(planned: dict[str, Any]) -> dict[str, Any]:
    """Write the leaderboard, and fail where a model is missing or too good."""
    from include.training import scoring

    return scoring.report(object_store(""), reports(), planned, run_id())


@dag(
    dag_id="bqx_train",
    dag_display_name="BQX 3.1 · baselines",
    doc_md=__doc__,
    schedule=Asset(settings.DATASETS_ASSET),
    tags=["bqx", "phase-3", "training"],
    **dag_arguments(PARAMS, events=True),
)
def bqx_train() -> None:
    """Plan, train, report."""
    planned = plan()
    chain(
        TrainingOperator.partial(
            task_id="train",
            pool=settings.TRAINING_POOL,
            aws_conn_id=settings.AWS_CONNECTION,
            map_index_template=JOB,
            execution_timeout=None,  # the job has limits of its own
            retries=settings.TRAINING_RETRIES,
            retry_policy=no_retry_for(settings.FINAL_ERRORS),
        ).expand(config=select(planned)),
        report(planned),
    )


bqx_train()
