"""### Keep the status of the Airtable plan true

Every five minutes: looks at what is really there (tables, exact counts, gate verdicts, the migration's
journal), asks Airflow how the runs stand, takes the events that tasks left in the outbox, and writes status
and evidence of stages and tasks where Airtable says something else.

Nothing is *Done* without evidence. Events that were lost, doubled or came out of order change nothing in the
end, and while Airtable is down they wait. It is paused at first: switch it on when `bqx_plan` has run.

Example configuration:

    {}
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag
from bqx.airtable import airtable_base
from bqx.connections import database_url
from bqx.objects import bucket, reports
from bqx.running import recent_runs
from bqx.wiring import dag_arguments, step

from include import settings


@step()
def sync() -> dict[str, Any]:
    """Compare the plan with what is true, and write what differs."""
    from include.plan import sync as syncing

    url = database_url(settings.CONNECTION)
    base = airtable_base(settings.AIRTABLE_CONNECTION, url)
    return syncing.sync(url, base, recent_runs(url, syncing.dags()), reports(), bucket=bucket())


@dag(
    dag_id="bqx_sync",
    dag_display_name="BQX · Airtable status",
    doc_md=__doc__,
    schedule="*/5 * * * *",
    catchup=False,
    dagrun_timeout=timedelta(minutes=30),
    tags=["bqx", "plan", "airtable"],
    **dag_arguments({}),
)
def bqx_sync() -> None:
    """Drain and reconcile."""
    sync()


bqx_sync()
