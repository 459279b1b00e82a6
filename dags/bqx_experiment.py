"""### Try other params on four majors, or judge a split

Trains one model per pair with the params of this form, on a data set that is there, and compares each with
the champion on the newest days that neither has seen. Nothing is decided about a pair and nothing is
deployed: the result says whether the params are to be proposed for all pairs, which is the case if skill
grows by more than 0.03 in the mean. To roll them out, start `bqx_retrain` with them.

1. **plan** finds the data set and the jobs; what was trained already is left alone.
2. **train** (per pair) starts the job or adopts it. **compare** (per pair) scores it beside the champion.
3. **conclude** applies the rollout rule and writes a page; it fails if a pair could not be compared.

With `action = judge split` nothing is trained: **judge** says where the A/B tests of the pairs stand that
`bqx_deploy` has split in halves, and writes a page. One may look as often as one likes.

    {"action": "judge split", "pairs": ["eurusd"], "first_day": "2026-03-02"}

Example configuration:

    {"model": "xgboost", "rounds": 300, "max_train_rows": 60000}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import chain, dag
from bqx.connections import database_url
from bqx.groups import JOB, TrainingOperator, ended, paid
from bqx.objects import object_store, reports, training_account
from bqx.running import as_of_mode, run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.experiments.forms import EXPERIMENT_PARAMS
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS) | {"default": list(settings.MAJORS)}} | EXPERIMENT_PARAMS

Plain = dict[str, Any]


@step()
def plan(params: Plain) -> Plain:
    """Find the data set, and which models of the experiment are missing."""
    from include.experiments import trial

    return trial.plan(object_store(""), training_account(), params)


@step()
def select(planned: Plain) -> list[Plain]:
    """The jobs to run; none if all models are there."""
    from include.training import jobs

    return jobs.select(planned)


@step(trigger_rule="none_failed")
def pairs(planned: Plain | None) -> list[str]:
    """The pairs to compare."""
    from include.training import inputs

    planned = inputs.under_way(planned)
    return [job["pair"] for job in planned["jobs"]]


@per_pair()
def compare(pair: str, planned: Plain, params: Plain) -> Plain:
    """The experiment's model of a pair beside the champion."""
    from include.experiments import trial

    url = database_url(settings.CONNECTION)
    return trial.compare(url, object_store(""), planned, pair, params["holdout_days"])


@step(trigger_rule="all_done_min_one_success")
def conclude(planned: Plain, compared: Any) -> Plain:
    """Apply the rollout rule, and write the page."""
    from include.experiments import steps

    return steps.conclude(reports(), planned, compared, run_id())


@step()
def judge(params: Plain) -> Plain:
    """Where the A/B tests stand; skipped unless it is asked for."""
    from include.experiments import steps

    url = database_url(settings.CONNECTION)
    return steps.judge(url, object_store(""), reports(), params, as_of_mode(), run_id())


@dag(
    dag_id="bqx_experiment",
    dag_display_name="BQX 8 · experiments",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-5", "experiments"],
    **dag_arguments(PARAMS),
)
def bqx_experiment() -> None:
    """Plan, train, compare, conclude; or judge."""
    judge()
    planned = plan()
    trained = ended(paid(TrainingOperator, "train", JOB, select(planned)), "trained")
    chosen = pairs(planned)
    chain(trained, chosen)
    conclude(planned, compare.partial(planned=planned).expand(pair=chosen))


bqx_experiment()
