"""### Build feature tables

One task group per currency pair, one group per stage inside it. A stage reads the pair's bars with
their warm-up, computes its families and swaps each month in atomically: readers see the old month or
the new one, never half of it.

1. **select** lists the pairs.
2. **pairs.s1_6_10 ... s1_6_14**, then **pairs.s2_1_base**, for every pair at once, bounded by the pool
   `bqx_builds`.
3. **coverage** counts every key and compares the families of each pair. It fails the run, naming the
   pairs, when something is missing.

One pair that fails leaves the others finished. Mend the cause, then clear that pair's tasks: months that
are right are not built again.

Example configuration:

    {"pairs": ["eurusd"], "months": ["2024-07"], "families": ["technical_idx"]}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Param, chain, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from bqx.connections import database_url
from bqx.retries import no_retry_for

from include import settings
from include.pairs import PAIRS

PARAMS = {"pairs": settings.pairs_param(PAIRS)} | settings.FEATURE_PARAMS | {"dry_run": settings.DRY_RUN}


@dag(
    dag_id="bqx_features",
    dag_display_name="BQX 2 · build features",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    params={name: Param(**schema) for name, schema in PARAMS.items()},
    default_args=settings.DEFAULT_ARGS | {"retry_policy": no_retry_for(settings.FINAL_ERRORS)},
    tags=["bqx", "phase-1.6", "phase-2", "features"],
)
def bqx_features() -> None:
    """Build the stored feature families of every pair."""

    @task
    def select(params: dict[str, Any]) -> list[str]:
        """The pairs this run works on."""
        return params["pairs"]

    def stage_group(stage: settings.Stage, pair: str) -> Any:
        @task_group(group_id=stage.group, tooltip=stage.title)
        def group(pair: str) -> None:
            @task(
                map_index_template="{{ pair }}",
                pool=settings.BUILD_POOL,
                trigger_rule="none_failed",
                outlets=[Asset(f"x-bqx://tables/{family}") for family in stage.families],
            )
            def build(pair: str, params: dict[str, Any]) -> dict[str, Any]:
                """Build the families of this stage for one pair."""
                from include.storage.build import build

                get_current_context()["pair"] = pair  # type: ignore[typeddict-unknown-key]
                families = [family for family in stage.families if family in params["families"]]
                if not families:
                    raise AirflowSkipException("None of this stage's families was asked for.")
                options = {name: params[name] for name in ("rebuild", "dry_run")}
                return build(
                    database_url(settings.CONNECTION), pair, families, params["months"] or (), **options
                )

            build(pair)

        return group(pair)

    @task_group(group_id="pairs")
    def pairs_group(pair: str) -> None:
        groups = {stage.group: stage_group(stage, pair) for stage in settings.STAGES}
        base = groups.pop(settings.BASE_STAGE)
        chain(list(groups.values()), base)

    @task(trigger_rule="all_done")
    def coverage(pairs: list[str], params: dict[str, Any]) -> dict[str, int]:
        """Compare the keys of all families of each pair; fail naming the pairs that lack some."""
        from include.storage.coverage import check_coverage

        url = database_url(settings.CONNECTION)
        return (
            {}
            if params["dry_run"]
            else check_coverage(url, pairs, params["families"], params["months"] or ())
        )

    pairs = select()
    chain(pairs_group.expand(pair=pairs), coverage(pairs))


bqx_features()
