"""### Train, compare and choose the models

Trains a Random Forest and XGBoost for every pair of a data set, as jobs on SageMaker, at most eight at once
and on spot instances; networks only where a gate opens and a person approves; says how much of what they
forecast is skill; and chooses the model of every pair.

1. **tune** (only with the param `tune`) searches settings of XGBoost on a few pairs; all pairs get the best.
2. **plan** finds the data set and its jobs. A job is named after data, code, image and settings; what was
   trained already is left alone.
3. **train** (per pair and model) starts the job or adopts it, and waits without holding a worker. A crash of
   Airflow stops nothing; a person who marks or clears a waiting task stops its job.
4. **gate** decides by the validation set for which pairs networks are worth a question; **networks** asks it
   and, if a person approves, trains them.
5. **report** writes the leaderboard: each score beside the forecast without skill, with its interval. It
   stops everything after it if a score is too good to be true.
6. **choose** writes the decision about every pair; **record** tells MLflow and the model registry.
7. **conclude** names the models that are missing. Clear their tasks to try again.

A new data set starts a run by itself, unless `bqx_pipeline` made it.

Example configuration:

    {"pairs": ["eurusd", "gbpusd"], "models": ["xgboost"]}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, chain, dag
from bqx.groups import JOB, TrainingOperator, ended, networks, paid, tune
from bqx.objects import object_store, reports, training_account
from bqx.running import announced, run_id
from bqx.tracking import model_registry, tracking_uri
from bqx.wiring import dag_arguments, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = (
    {"pairs": forms.pairs_param(PAIRS) | forms.ALL_OF_DATASET}
    | forms.TRAINING_PARAMS
    | {"dry_run": forms.DRY_RUN}
)

Plain = dict[str, Any]


@step(trigger_rule="none_failed")
def plan(params: Plain) -> Plain:
    """Find the data set, and which of its models are missing."""
    from include.training import jobs

    return jobs.plan(object_store(""), training_account(), params, announced())


@step()
def select(planned: Plain) -> list[Plain]:
    """The jobs to run; none in a dry run, or if all models are there."""
    from include.training import jobs

    return jobs.select(planned)


@step(trigger_rule="none_failed")
def gate(planned: Plain | None) -> Plain:
    """For which pairs a person is asked about networks."""
    from include.training import choosing, inputs

    return choosing.gate(object_store(""), reports(), inputs.under_way(planned), run_id())


@step(trigger_rule="none_failed")
def report(planned: Plain | None, networks: Plain | None) -> Plain:
    """Write the leaderboard, and stop if a score is too good."""
    from include.training import inputs, scoring

    return scoring.report(object_store(""), reports(), inputs.under_way(planned), networks, run_id())


@step(trigger_rule="none_failed")
def choose(planned: Plain | None, networks: Plain | None, gated: Plain | None) -> Plain:
    """Write the decision about every pair."""
    from include.training import choosing, inputs

    answer = choosing.answer(gated, networks)
    return choosing.choose(
        object_store(""), reports(), inputs.under_way(planned), networks, gated, answer, run_id()
    )


@step(trigger_rule="none_failed")
def record(planned: Plain | None, networks: Plain | None, chosen: Plain | None) -> Plain:
    """Record every model in MLflow, if there is a connection to it, and every decision in the registry."""
    from include.training import inputs, registry, tracking

    bucket = object_store("")
    tracked = tracking.track(bucket, tracking_uri(), inputs.under_way(planned), networks, chosen, run_id())
    registered = registry.register(bucket, model_registry(), training_account().image_of, chosen)
    return tracked | registered | {"summary": f"{tracked['summary']} {registered['summary']}"}


@step()
def conclude(chosen: Plain) -> None:
    """Remove what is left of jobs whose data set is gone; name the models that are missing, and fail then."""
    from include.training import choosing, retention

    retention.clean_up(object_store(""))
    choosing.conclude(chosen)


@dag(
    dag_id="bqx_train",
    dag_display_name="BQX 3 · models",
    doc_md=__doc__,
    schedule=Asset(settings.DATASETS_ASSET),
    tags=["bqx", "phase-3", "training"],
    **dag_arguments(PARAMS, events=True),
)
def bqx_train() -> None:
    """Tune, plan, train, ask, train networks, report, choose, record."""
    planned = plan()
    chain(tune(), planned)
    gated = gate(planned)
    chain(ended(paid(TrainingOperator, "train", JOB, select(planned)), "trained"), gated)
    nets, nets_trained = networks(planned, gated)
    reported, chosen = report(planned, nets), choose(planned, nets, gated)
    chain(nets_trained, reported, chosen, record(planned, nets, chosen), conclude(chosen))


bqx_train()
