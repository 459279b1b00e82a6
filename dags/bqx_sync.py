"""### Keep the status of the AirTable plan true

Every five minutes: looks at what is really there (tables, exact counts, gate verdicts, the migration's
journal), asks Airflow how the runs stand, takes the events that tasks left in the outbox, and writes status
and evidence of stages and tasks where AirTable says something else.

Nothing is *Done* without evidence. Events that were lost, doubled or came out of order change nothing in the
end, and while AirTable is down they wait. It is paused at first: switch it on when `bqx_plan` has run.

Example configuration:

    {}
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from bqx.airtable import airtable_base
from bqx.connections import database_url
from bqx.retries import no_retry_for
from bqx.running import recent_runs

from include import settings


@dag(
    dag_id="bqx_sync",
    dag_display_name="BQX · AirTable status",
    doc_md=__doc__,
    schedule="*/5 * * * *",
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args=settings.DEFAULT_ARGS | {"retry_policy": no_retry_for(settings.FINAL_ERRORS)},
    tags=["bqx", "plan", "airtable"],
)
def bqx_sync() -> None:
    """Drain and reconcile."""

    @task
    def sync() -> dict[str, Any]:
        """Compare the plan with what is true, and write what differs."""
        from include.plan import sync

        url = database_url(settings.CONNECTION)
        base = airtable_base(settings.AIRTABLE_CONNECTION, url)
        return sync.sync(url, base, recent_runs(url, sync.dags()))

    sync()


bqx_sync()
