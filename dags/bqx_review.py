"""### Review the quarter

On the first day of each quarter at 06:00 UTC: a page from what was measured, on features, models, data
quality and cost, with proposals that follow from it. A person accepts them or not; the answer is kept.

1. **gather** reads everything and writes the page.
2. **approval** shows the proposals and waits.
3. **conclude** keeps the review as `reviews/{day}.json` in the bucket.

Example configuration:

    {}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import CronTriggerTimetable, chain, dag
from bqx.approval import approval
from bqx.connections import database_url
from bqx.objects import object_store, reports
from bqx.running import as_of_mode, budget, ended_well, run_id
from bqx.wiring import dag_arguments, step

from include import settings

Plain = dict[str, Any]
TOLD = "{{ ti.xcom_pull('gather')['%s'] }}"


@step()
def gather() -> Plain:
    """Read what was measured, and propose."""
    from include.review import steps

    url = database_url(settings.CONNECTION)
    return steps.gather(url, object_store(""), reports(), budget(), as_of_mode(), run_id())


@step()
def accepted() -> bool:
    """Comes after an approval only."""
    return True


@step(trigger_rule="none_failed_min_one_success")
def conclude(gathered: Plain | None) -> Plain:
    """Keep the review with its answer."""
    from include.review import steps

    return steps.conclude(object_store(""), gathered, ended_well("accepted"), run_id())


@dag(
    dag_id="bqx_review",
    dag_display_name="BQX 9 · review",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 6 1 1,4,7,10 *", timezone="UTC"),
    catchup=False,
    tags=["bqx", "phase-5", "review"],
    **dag_arguments({}),
)
def bqx_review() -> None:
    """Gather, ask, keep."""
    gathered = gather()
    approved = approval(
        TOLD % "subject", TOLD % "question", hours=settings.APPROVAL_HOURS, fail_on_reject=False
    )
    chain(gathered, approved, accepted(), conclude(gathered))


bqx_review()
