"""A run of another DAG as a phase of this one: started once under a name of ours, and adopted if it is there.

The provider's operator fails where a run of that name exists, or clears it although it runs, which stops paid
jobs. A task that was killed between start and wait finds its run again here.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.triggers.external_task import DagStateTrigger

ENDED_WELL, ENDED_BADLY = "success", "failed"


class PhaseOperator(TriggerDagRunOperator):
    """Run another DAG to its end without holding a worker.

    Args:
        trigger_dag_id: which.
        trigger_run_id: name of its run, a template that gives the same name to every attempt.
        operator: further arguments of the operator.
    """

    def __init__(self, *, trigger_dag_id: str, trigger_run_id: str, **operator: Any) -> None:
        fixed = {
            "wait_for_completion": True,
            "deferrable": True,
            "poke_interval": 2,
            "execution_timeout": None,
            "retries": 0,  # the DAG that it waits for has tried its tasks again already
        }
        super().__init__(trigger_dag_id=trigger_dag_id, trigger_run_id=trigger_run_id, **(fixed | operator))

    def execute(self, context: Any) -> None:
        """Start the run, take it up, or clear it if it has failed."""
        state = self._state(context["ti"])
        if state == ENDED_WELL:
            self.log.info("Run %s of %s has ended.", self.trigger_run_id, self.trigger_dag_id)
            return
        if state in (None, ENDED_BADLY):
            self.reset_dag_run = state is not None
            super().execute(context)
        self.log.info("Run %s of %s goes on.", self.trigger_run_id, self.trigger_dag_id)
        self.defer(
            trigger=DagStateTrigger(
                dag_id=self.trigger_dag_id,
                states=[*self.allowed_states, *self.failed_states],
                run_ids=[str(self.trigger_run_id)],
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )

    def _state(self, task: Any) -> str | None:
        """State of the run; None if there is none."""
        if not task.get_dr_count(dag_id=self.trigger_dag_id, run_ids=[self.trigger_run_id]):
            return None
        return str(task.get_dagrun_state(self.trigger_dag_id, self.trigger_run_id))
