"""Parts of bqx_train that are wired here: paid jobs, the search for settings, the networks."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import chain, task_group

from bqx.approval import approval
from bqx.objects import object_store, training_account
from bqx.operators.training import TrainingOperator
from bqx.operators.tuning import TuningOperator
from bqx.retries import no_retry_for
from bqx.running import announced
from bqx.wiring import step

Plain = dict[str, Any]

JOB = "{{ task.config.HyperParameters.pair }} {{ task.config.HyperParameters.model }}"
PAIR = "{{ task.config.TrainingJobDefinition.StaticHyperParameters.pair }}"
ASKED = "{{ ti.xcom_pull('gate')['%s'] }}"


def paid(operator: Any, task_id: str, label: str, requests: Any, slots: int = 1) -> Any:
    """Mapped tasks that each run a paid job.

    Args:
        operator: `TrainingOperator` or `TuningOperator`.
        task_id: of the tasks.
        label: how the grid names each of them, a template.
        requests: the requests, from a task.
        slots: of the pool that each of them takes: how many jobs it runs at once.
    """
    from include import settings

    return operator.partial(
        task_id=task_id,
        map_index_template=label,
        pool=settings.TRAINING_POOL,
        pool_slots=slots,
        aws_conn_id=settings.AWS_CONNECTION,
        check_interval="{{ params.poll_seconds }}",
        execution_timeout=None,  # the job has limits of its own
        retries=settings.TRAINING_RETRIES,
        retry_policy=no_retry_for(settings.FINAL_ERRORS),
    ).expand(config=requests)


def ended(tasks: Any, task_id: str) -> Any:
    """A task that follows jobs however they end: what comes next goes on with those that have completed."""
    end = EmptyOperator(task_id=task_id, trigger_rule="all_done")
    chain(tasks, end)
    return end


@task_group(group_id="tune")
def tune() -> None:
    """Search settings of XGBoost on a few pairs; skipped unless it is asked for."""
    from include import forms

    @step()
    def plan(params: Plain) -> Plain:
        """Which pairs are to be searched."""
        from include.training import tuning

        return tuning.plan(object_store(""), training_account(), params, announced())

    @step()
    def requests(planned: Plain) -> list[Plain]:
        """The searches to start."""
        return list(planned["requests"])

    @step(trigger_rule="none_failed")
    def choose(planned: Plain | None) -> Plain:
        """Choose the settings that all pairs get."""
        from include.training import inputs, tuning

        return tuning.choose(object_store(""), inputs.under_way(planned))

    planned = plan()
    at_once = forms.TRAINING_PARAMS["parallel_trials"]["default"]
    chain(paid(TuningOperator, "search", PAIR, requests(planned), at_once), choose(planned))


@task_group(group_id="networks")
def networks(planned: Any, gated: Any) -> Any:
    """Ask a person whether networks are worth their price, and train them; skipped if the gate is closed.

    Returns:
        The task that plans them, and the one that follows them.
    """
    from include import settings

    @step()
    def ask(gated: Plain) -> None:
        """Nothing is asked if the gate is closed for all pairs."""
        from include.training import choosing

        choosing.ask(gated)

    @step()
    def plan(planned: Plain, gated: Plain, params: Plain) -> Plain:
        """Which networks are missing."""
        from include.training import jobs

        return jobs.plan_networks(object_store(""), training_account(), params, planned, gated["pairs"])

    @step()
    def requests(networks: Plain) -> list[Plain]:
        """The jobs to run."""
        return list(networks["requests"])

    found = plan(planned, gated)
    approved = approval(
        ASKED % "subject", ASKED % "question", hours=settings.APPROVAL_HOURS, fail_on_reject=False
    )
    chain(ask(gated), approved, found)
    return found, ended(paid(TrainingOperator, "train", JOB, requests(found)), "trained")
