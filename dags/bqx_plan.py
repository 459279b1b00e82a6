"""### Bring the Airtable plan up to date

Compares the plan that is wanted (`include/plan/desired`) with what Airtable holds, and closes the gaps.
Nothing is ever deleted, and what people wrote outside the managed fields stays as it is.

1. **preflight** checks token, base, tables, fields and options. **read** reads every page.
2. **analyse** lists what is missing, outdated, twice, orphaned, extra or in the way, as a report to forward.
   With `dry_run`, the default, that is all.
3. **approval** shows what would change and waits. A refusal leaves Airtable as it is.
4. **apply** writes in batches of ten, phases first, and reads every batch back.
5. **verify** reads everything again: a second run must have nothing to do. **report** says before and after.

A record that is ambiguous is left alone and listed. The run fails only if it is one the plan manages and
`include/plan/desired/decisions.yaml` does not say what to do.

Example configuration:

    {"dry_run": false}
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import chain, dag
from bqx.airtable import airtable_base
from bqx.approval import approval
from bqx.connections import database_url
from bqx.objects import object_store, reports
from bqx.running import run_id
from bqx.wiring import dag_arguments, step

from include import forms, settings


def base() -> Any:
    """The Airtable base, under the limit that all processes share."""
    return airtable_base(settings.AIRTABLE_CONNECTION, database_url(settings.CONNECTION))


@step()
def preflight() -> dict[str, Any]:
    """Check token, base, tables, fields and options."""
    from include.plan import steps

    return steps.preflight(base())


@step()
def read() -> str:
    """Read every page."""
    from include.plan import steps

    return steps.read(base(), object_store(settings.PLAN_FOLDER), run_id())


@step()
def analyse() -> dict[str, Any]:
    """List the gaps and what closes them."""
    from include.plan import steps

    return steps.analyse(object_store(settings.PLAN_FOLDER), run_id(), reports())


@step()
def decide(found: dict[str, Any], params: dict[str, Any]) -> None:
    """Skip the rest in a dry run, and if there is nothing to write; refuse a plan that does not add up."""
    from include.plan import steps

    steps.decide(found, dry_run=params["dry_run"])


@step()
def apply() -> dict[str, Any]:
    """Write in batches, each read back."""
    from include.plan import steps

    return steps.apply(base(), object_store(settings.PLAN_FOLDER), run_id())


@step()
def verify() -> dict[str, Any]:
    """Read everything again: nothing may be left to write."""
    from include.plan import steps

    return steps.verify(base(), object_store(settings.PLAN_FOLDER), run_id())


@step(trigger_rule="all_done")
def report() -> dict[str, Any]:
    """Say what was and what is, whatever happened in between."""
    from include.plan import steps

    return steps.report(object_store(settings.PLAN_FOLDER), run_id(), reports())


@dag(
    dag_id="bqx_plan",
    dag_display_name="BQX · Airtable plan",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "plan", "airtable"],
    **dag_arguments(forms.PLAN_PARAMS),
)
def bqx_plan() -> None:
    """Check, compare, ask, write, verify, report."""
    found = analyse()
    approved = approval(
        "Airtable plan: {{ ti.xcom_pull('analyse')['changes'] }} changes",
        "{{ ti.xcom_pull('analyse')['page'] }}",
        hours=settings.APPROVAL_HOURS,
        fail_on_reject=False,  # the report is written all the same
        ignore_downstream_trigger_rules=False,
    )
    applied, verified, reported = apply(), verify(), report()
    chain(preflight(), read(), found, decide(found), approved, applied, verified, reported)
    # The report is always written; a run is judged by its last task, which must hear of every failure.
    done = EmptyOperator(task_id="done", trigger_rule="none_failed")
    chain([applied, verified, reported], done)


bqx_plan()
