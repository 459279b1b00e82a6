"""Runs of other DAGs as phases of bqx_retrain, and what follows its decision."""

from __future__ import annotations

from typing import Any

from airflow.sdk import chain, task_group

from bqx.approval import approval
from bqx.operators.phase import PhaseOperator
from bqx.operators.quiet import QuietSensor
from bqx.wiring import step

Plain = dict[str, Any]

LABEL = "retrain__{{ run_id }}"  # of the runs of other DAGs
REACHED = "none_failed_min_one_success"  # what comes before may be skipped, but not all of it
DECIDED = "{{ ti.xcom_pull('decide')['%s'] }}"


def phase(task_id: str, dag_id: str, told: str, label: str = LABEL, **operator: Any) -> PhaseOperator:
    """A run of another DAG.

    Args:
        task_id: of the task.
        dag_id: of that DAG.
        told: a template that gives its params.
        label: name of its run, a template.
        operator: further arguments of the operator.
    """
    return PhaseOperator(task_id=task_id, trigger_dag_id=dag_id, trigger_run_id=label, conf=told, **operator)


def quiet() -> QuietSensor:
    """A task that waits until no DAG works that changes what is read or served."""
    from include import settings

    return QuietSensor(
        task_id="quiet", dag_ids=settings.CHANGING, poke_interval=60, timeout=settings.QUIET_HOURS * 3600
    )


@task_group(group_id="serve")
def serve(decided: Any) -> None:
    """Deploy what the rules chose, and what a person approves of the doubtful rest."""
    from include import settings

    @step()
    def chosen(decided: Plain) -> Plain:
        """Params of bqx_deploy; skipped if no challenger is better or close."""
        from include.retraining import steps

        return steps.to_deploy(decided, "deploy")

    @step()
    def ask(decided: Plain) -> Plain:
        """Params of bqx_deploy; nobody is asked if no pair is doubtful."""
        from include.retraining import steps

        return steps.to_deploy(decided, "review")

    deploy = phase("deploy", "bqx_deploy", "{{ ti.xcom_pull('serve.chosen') }}")
    approved = approval(
        DECIDED % "subject", DECIDED % "question", hours=settings.APPROVAL_HOURS, fail_on_reject=False
    )
    reviewed = phase("reviewed", "bqx_deploy", "{{ ti.xcom_pull('serve.ask') }}", f"{LABEL}__reviewed")
    chain(chosen(decided), deploy)
    chain(ask(decided), approved, reviewed)
