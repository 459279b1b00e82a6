"""### Build feature tables

One task group per currency pair, one group per stage inside it. A stage reads the pair's bars with
their warm-up, computes its families and swaps each month in atomically: readers see the old month or
the new one, never half of it.

1. **select** lists the pairs in which something is to be done; **shared** computes once what the
   correlations of all pairs read.
2. **pairs.s1_6_10 ... s1_6_16**, then **pairs.s2_1_base**, for every pair at once, bounded by the pool
   `bqx_builds`. Each ends with its quality gate: what was really written is compared with the bars and the
   catalogue. A gate that finds something fails the stage and names its report.
3. **last.s1_6_17_correlation_bqx** starts when every pair's other stages have ended. A pair that failed
   before is left out.
4. **coverage** counts every key and compares the families of each pair. It fails the run, naming the
   pairs, when something is missing or failed. **clean_up** removes reports of old runs and says which.

A pair is right already if a build would write what is there and a gate has found nothing in it. One
pair that fails leaves the others finished. Mend the cause, then clear that pair's tasks with
downstream: months that are right are not built again.

Example configuration:

    {"pairs": ["eurusd"], "months": ["2024-07"], "families": ["technical_idx"]}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, chain, dag, task_group
from bqx.connections import database_url
from bqx.objects import reports
from bqx.running import failed_in_group, result_of, run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.FEATURE_PARAMS | {"dry_run": forms.DRY_RUN}


@step()
def select(params: dict[str, Any]) -> list[str]:
    """The pairs of this run that are not right already."""
    from include.quality import steps

    return steps.select(database_url(settings.CONNECTION), params)


@step(pool=settings.BUILD_POOL, outlets=[Asset("x-bqx://tables/correlation_shared")])
def shared(params: dict[str, Any]) -> dict[str, Any]:
    """Compute what the correlation families of all pairs read."""
    from include.quality import steps

    return steps.build_shared(database_url(settings.CONNECTION), params)


def stage_group(stage: settings.Stage, pair: str, **operator: Any) -> Any:
    """The task group of a stage for one pair."""

    @per_pair(outlets=[Asset(f"x-bqx://tables/{family}") for family in stage.families], **operator)
    def build(pair: str, params: dict[str, Any]) -> dict[str, Any]:
        """Build the families of this stage for one pair, then check what was written."""
        from include.quality import steps

        return steps.build(
            database_url(settings.CONNECTION), stage, pair, params,
            failed=lambda: failed_in_group("pairs", result_of("select")),
            reports=reports(), run_label=run_id(),
        )  # fmt: skip

    @task_group(group_id=stage.group, tooltip=stage.title)
    def group(pair: str) -> None:
        build(pair)

    return group(pair)


@task_group(group_id="pairs")
def pairs_group(pair: str, shared_done: Any) -> None:
    """All stages of a pair but the last, side by side; those that read what is shared wait for it."""
    groups = {stage.group: stage_group(stage, pair, trigger_rule="none_failed") for stage in settings.STAGES}
    shared_done >> groups[settings.SHARING_STAGE]
    base = groups.pop(settings.BASE_STAGE)
    chain(list(groups.values()), base)


@task_group(group_id="last")
def last_group(pair: str) -> None:
    """The stage that begins when every pair's other stages have ended."""
    stage_group(settings.LAST_STAGE, pair, trigger_rule="all_done")


@step(trigger_rule="all_done")
def coverage(
    selected: list[str], shared_result: dict[str, Any] | None, params: dict[str, Any]
) -> dict[str, Any]:
    """Compare the keys of all families of each pair; fail naming the pairs that lack some."""
    from include.quality import steps

    failed = failed_in_group("pairs", selected) | failed_in_group("last", selected)
    return steps.coverage(
        database_url(settings.CONNECTION), selected, params, shared=shared_result, failed=failed
    )


@step(trigger_rule="all_done")
def clean_up(params: dict[str, Any]) -> dict[str, Any]:
    """Remove reports of old runs and leftovers of killed builds; say which."""
    from include.quality import retention

    url = database_url(settings.CONNECTION)
    return retention.clean_up(url, reports(), params["keep_runs"], dry_run=params["dry_run"])


@dag(
    dag_id="bqx_features",
    dag_display_name="BQX 2 · build features",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-1.6", "phase-2", "features"],
    **dag_arguments(PARAMS, events=True),
)
def bqx_features() -> None:
    """Build the stored feature families of every pair."""
    pairs, shared_done = select(), shared()
    chain(pairs, shared_done)
    last = last_group.expand(pair=pairs)
    chain(
        pairs_group.partial(shared_done=shared_done).expand(pair=pairs),
        last,
        [coverage(pairs, shared_done), clean_up()],
    )


bqx_features()
