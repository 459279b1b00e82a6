"""### Build feature tables

One task group per currency pair, one group per stage inside it. A stage reads the pair's bars with
their warm-up, computes its families and swaps each month in atomically: readers see the old month or
the new one, never half of it.

1. **select** lists the pairs; **shared** computes once what the correlations of all pairs read.
2. **pairs.s1_6_10 ... s1_6_16**, then **pairs.s2_1_base**, for every pair at once, bounded by the pool
   `bqx_builds`. Each ends with its quality gate: what was really written is compared with the bars and the
   catalogue. A gate that finds something fails the stage and names its report.
3. **last.s1_6_17_correlation_bqx** starts when every pair's other stages have ended. A pair that failed
   before is left out.
4. **coverage** counts every key and compares the families of each pair. It fails the run, naming the
   pairs, when something is missing or failed. **clean_up** removes reports of old runs and says which.

One pair that fails leaves the others finished. Mend the cause, then clear that pair's tasks with
downstream: months that are right are not built again.

Example configuration:

    {"pairs": ["eurusd"], "months": ["2024-07"], "families": ["technical_idx"]}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Param, chain, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from bqx.connections import database_url
from bqx.notifier import watched
from bqx.reports import reports_folder
from bqx.running import failed_in_group, run_id

from include import settings
from include.pairs import PAIRS

PARAMS = {"pairs": settings.pairs_param(PAIRS)} | settings.FEATURE_PARAMS | {"dry_run": settings.DRY_RUN}


def stage_group(stage: settings.Stage, pair: str, **operator: Any) -> Any:
    """The task group of a stage for one pair."""

    @task(
        map_index_template="{{ pair }}",
        pool=settings.BUILD_POOL,
        outlets=[Asset(f"x-bqx://tables/{family}") for family in stage.families],
        **operator,
    )
    def build(pair: str, params: dict[str, Any]) -> dict[str, Any]:
        """Build the families of this stage for one pair, then check what was written."""
        from include.build.coverage import gaps_of
        from include.quality.stage import build_stage

        get_current_context()["pair"] = pair  # type: ignore[typeddict-unknown-key]
        url, months = database_url(settings.CONNECTION), params["months"] or ()
        families = stage.wanted(params["families"])
        if not families:
            raise AirflowSkipException("None of this stage's families was asked for.")
        before = [family for family in stage.after if family in params["families"]]
        if before and not params["dry_run"]:
            failed = failed_in_group("pairs", params["pairs"]).get(pair)
            if faults := failed or gaps_of(url, pair, before, months):
                raise AirflowSkipException(f"Left out, its other stages are not right: {' '.join(faults)}")
        options = {name: params[name] for name in ("rebuild", "dry_run")}
        kept = {"reports": reports_folder(settings.REPORTS_VARIABLE), "run_label": run_id()}
        return build_stage(url, pair, families, months, **options, **kept)

    @task_group(group_id=stage.group, tooltip=stage.title)
    def group(pair: str) -> None:
        build(pair)

    return group(pair)


@dag(
    dag_id="bqx_features",
    dag_display_name="BQX 2 · build features",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    params={name: Param(**schema) for name, schema in PARAMS.items()},
    tags=["bqx", "phase-1.6", "phase-2", "features"],
    **watched(settings.DEFAULT_ARGS, settings.FINAL_ERRORS),
)
def bqx_features() -> None:
    """Build the stored feature families of every pair."""

    @task
    def select(params: dict[str, Any]) -> list[str]:
        """The pairs this run works on."""
        return params["pairs"]

    @task(
        pool=settings.BUILD_POOL,
        outlets=[Asset("x-bqx://tables/correlation_shared")],
    )
    def shared(params: dict[str, Any]) -> dict[str, Any]:
        """Compute what the correlation families of all pairs read."""
        from include.build.shared import build_shared

        if not settings.needs_shared(params["families"]):
            raise AirflowSkipException("No correlation family was asked for.")
        options = {name: params[name] for name in ("rebuild", "dry_run")}
        return build_shared(database_url(settings.CONNECTION), params["months"] or (), **options)

    shared_done = shared()

    @task_group(group_id="pairs")
    def pairs_group(pair: str) -> None:
        groups = {
            stage.group: stage_group(stage, pair, trigger_rule="none_failed") for stage in settings.STAGES
        }
        shared_done >> groups[settings.SHARING_STAGE]
        base = groups.pop(settings.BASE_STAGE)
        chain(list(groups.values()), base)

    @task_group(group_id="last")
    def last_group(pair: str) -> None:
        stage_group(settings.LAST_STAGE, pair, trigger_rule="all_done")

    @task(trigger_rule="all_done")
    def coverage(
        pairs: list[str], shared_result: dict[str, Any] | None, params: dict[str, Any]
    ) -> dict[str, int]:
        """Compare the keys of all families of each pair; fail naming the pairs that lack some."""
        from include.build.coverage import check_coverage

        url, months = database_url(settings.CONNECTION), params["months"] or ()
        known = {
            "left_out": (shared_result or {}).get("left_out", {}),
            "failed": failed_in_group("pairs", pairs) | failed_in_group("last", pairs),
        }
        return {} if params["dry_run"] else check_coverage(url, pairs, params["families"], months, **known)

    @task(trigger_rule="all_done")
    def clean_up(params: dict[str, Any]) -> dict[str, Any]:
        """Remove reports of old runs and leftovers of killed builds; say which."""
        from include.quality.retention import clean_up

        url, reports = database_url(settings.CONNECTION), reports_folder(settings.REPORTS_VARIABLE)
        return clean_up(url, reports, params["keep_runs"], dry_run=params["dry_run"])

    pairs = select()
    chain(pairs, shared_done)
    last = last_group.expand(pair=pairs)
    chain(pairs_group.expand(pair=pairs), last, [coverage(pairs, shared_done), clean_up()])


bqx_features()
