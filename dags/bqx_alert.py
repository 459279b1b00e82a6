"""### Tell people what went wrong, once, and when it is over

Every two minutes: takes what callbacks wrote to the outbox, asks Airflow's API for what they lost (failed
runs, missed deadlines, stuck tasks, files that cannot be parsed) and CloudWatch for alarms that are on.
All of it is grouped into incidents; messages go to a topic of SNS and by mail.

What cannot be sent waits, and keeps nothing else from running. This DAG is paused at first: set its Variables
and connections, then switch it on. That Airflow itself is silent, the watchdog tells, which runs elsewhere.

Example configuration:

    {}
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag
from bqx import alerts
from bqx.connections import database_url
from bqx.wiring import dag_arguments, step

from include import settings


@step()
def alert() -> dict[str, Any]:
    """Look, note, tell."""
    return alerts.alert(database_url(settings.CONNECTION))


@dag(
    dag_id="bqx_alert",
    dag_display_name="BQX · alerts",
    doc_md=__doc__,
    schedule="*/2 * * * *",
    catchup=False,
    dagrun_timeout=timedelta(minutes=10),
    tags=["bqx", "alerts"],
    **dag_arguments({}),
)
def bqx_alert() -> None:
    """One task: a round is a second of work."""
    alert()


bqx_alert()
