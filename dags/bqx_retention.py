"""### Remove what is older than its time

Every Sunday: what is kept too long of captures, predictions, values of the monitor, incidents, events,
archives of models, training jobs, reports and runs of MLflow. **A dry run unless told otherwise**: the
scheduled run only says what it would remove. Trigger it with `dry_run` off to remove it.

Data sets and the reports of the quality gate are not its business: `bqx_dataset` and `bqx_features` keep the
newest.

Example configuration:

    {"dry_run": false, "captures_days": 90}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, dag
from bqx.connections import database_url
from bqx.objects import object_store, reports
from bqx.running import as_of_mode
from bqx.tracking import forget_runs
from bqx.wiring import dag_arguments, step

from include import forms, settings


@step()
def sweep(params: dict[str, Any]) -> dict[str, Any]:
    """Find, report, remove."""
    from include.monitoring import retention

    url, mode = database_url(settings.CONNECTION), as_of_mode()
    return retention.sweep(url, object_store(""), reports(), params, mode, forget_runs())


@dag(
    dag_id="bqx_retention",
    dag_display_name="BQX 6 · retention",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 3 * * 0", timezone="UTC"),
    catchup=False,
    tags=["bqx", "phase-5", "monitoring"],
    **dag_arguments(forms.RETENTION_PARAMS),
)
def bqx_retention() -> None:
    """One task does it all."""
    sweep()


bqx_retention()
