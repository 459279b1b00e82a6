"""### Stage 1.6.9: legacy tables get their new names

Renames the seven legacy feature families, `statistics_features_eurusd` to `statistics_idx_eurusd` and so on,
with their partitions, indexes, constraints and sequences. No row is read, written or moved. Nothing happens
without an approval; every step may be killed and run again; everything can be taken back.

1. **plan** reads the catalog and says what would be done. With `dry_run`, the default, that is all.
2. **prepare** looks for whatever stands against it. **count** counts and fingerprints every partition.
3. **approval** shows the plan and waits; no answer within a day is a refusal.
4. **snapshot** saves a database on RDS as a whole.
5. **pairs.apply** renames, one short transaction per family; **pairs.check** compares with the counts.
6. **publish** writes the old-to-new manifest, counts before and after, and what the tables are now.

`action = revert` takes the old names back by the same steps, `drop views` removes the compatibility views.

Example configuration:

    {"dry_run": false, "pairs": ["eurusd"], "compatibility_views": true}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import chain, dag, get_current_context, task_group
from bqx.approval import approval
from bqx.connections import database_url
from bqx.objects import reports
from bqx.rds import ensure_snapshot, rds_of
from bqx.running import run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

DRY_RUN = forms.DRY_RUN | {"default": True, "description": "Only show the plan."}
PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.MIGRATE_PARAMS | {"dry_run": DRY_RUN}
PAGE = "{{ ti.xcom_pull('plan')['page'] }}\n{{ ti.xcom_pull('prepare', key='page') }}"


def parts() -> tuple[str, Any]:
    """Database and request of the present run."""
    from include.migration.steps import Request

    return database_url(settings.CONNECTION), Request.of(get_current_context()["params"])


@step()
def plan() -> dict[str, Any]:
    """Say what would be done; reads the catalog only."""
    from include.migration import steps

    return steps.plan(*parts(), reports=reports(), run_label=run_id())


@step()
def prepare(made: dict[str, Any], params: dict[str, Any]) -> list[str]:
    """Look for whatever stands against it; the pairs to work on. Skips the rest in a dry run."""
    from include.migration import steps

    found = steps.prepare(*parts(), made, parallel=settings.PARALLEL, dry_run=params["dry_run"])
    get_current_context()["ti"].xcom_push("page", found["page"])
    return found["pairs"]


@per_pair()
def count(pair: str, made: dict[str, Any]) -> dict[str, Any]:
    """Count and fingerprint every partition of a pair."""
    from include.migration import steps

    return steps.count(*parts(), made["hash"], pair)


@step()
def snapshot() -> str | None:
    """Save a database on RDS as a whole; elsewhere that is up to its owner."""
    database = rds_of(settings.CONNECTION)
    return ensure_snapshot(database, f"bqx-before-{run_id()}") if database else None


@per_pair()
def apply(pair: str, made: dict[str, Any]) -> dict[str, Any]:
    """Rename for one pair, one transaction per family."""
    from include.migration import steps

    return steps.apply(*parts(), made["hash"], pair)


@per_pair()
def check(pair: str) -> dict[str, Any]:
    """Compare a pair with what was counted before."""
    from include.migration import steps

    return steps.check(*parts(), pair)


@step()
def publish(made: dict[str, Any]) -> dict[str, Any]:
    """Write manifest, counts before and after, and the documentation of the tables."""
    from include.migration import steps

    return steps.publish(*parts(), made["hash"], reports=reports(), run_label=run_id())


@dag(
    dag_id="bqx_migrate",
    dag_display_name="BQX 1.6.9 · rename legacy tables",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-1.6", "migration"],
    **dag_arguments(PARAMS, events=True),
)
def bqx_migrate() -> None:
    """Plan, ask, rename, verify."""
    approved = approval(
        "Stage 1.6.9, {{ params.action }}: plan {{ ti.xcom_pull('plan')['hash'] }}",
        PAGE,
        hours=settings.APPROVAL_HOURS,
        fail_on_reject=True,  # whatever comes after this stage must not begin
    )

    @task_group(group_id="pairs")
    def pairs_group(pair: str, made: dict[str, Any]) -> None:
        chain(apply(pair, made), check(pair))

    made = plan()
    pairs = prepare(made)
    counted = count.partial(made=made).expand(pair=pairs)
    chain(counted, approved, snapshot(), pairs_group.partial(made=made).expand(pair=pairs), publish(made))


bqx_migrate()
