"""Waiting, without a worker, until none of some DAGs runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseSensorOperator

from bqx.running import at_work


class QuietSensor(BaseSensorOperator):
    """Ends when none of these DAGs has a running run. A queued run of a DAG that is paused does not count.

    Args:
        dag_ids: which.
        sensor: further arguments of the sensor.
    """

    def __init__(self, *, dag_ids: Sequence[str], **sensor: Any) -> None:
        super().__init__(mode="reschedule", **sensor)
        self.dag_ids = dag_ids

    def poke(self, context: Any) -> bool:
        """Whether it is quiet now."""
        busy = at_work(self.dag_ids)
        if busy:
            self.log.info("Waiting for %s.", ", ".join(busy))
        return not busy
