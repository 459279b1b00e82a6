"""### Watch what is served

Every four hours: how good the forecasts were, beside the no-skill forecast of the same minutes, whether
features or predictions have drifted, and how old the data are. Every value goes to the table
`bqx.monitor_values`, and what is drawn or has a limit to CloudWatch.

1. **plan** fixes as of when, and which models are watched: the champions of the routing table.
2. **learn** (per pair) counts the training rows of the model, once for each data set; **bound** makes of them
   how far a quiet window strays, for all columns of all pairs together.
3. **watch** (per pair) reads everything about a pair and keeps it. A pair that fails does not stop others.
4. **conclude** reads what holds for all pairs, the endpoint and the cost, publishes it, fills the scoreboard.
5. **provide** sends alarms and dashboards to CloudWatch and removes those that are declared no longer;
   **draw** draws the dashboards for people; **complete** fails if a pair was not watched, and names it.
6. **drifted** starts `bqx_retrain` if a model has drifted, once in five days.

Example configuration:

    {"pairs": ["eurusd"], "window_days": 5}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, chain, dag
from bqx.connections import database_url
from bqx.endpoint import monitoring_clients
from bqx.objects import object_store, reports
from bqx.running import as_of_mode, budget, run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.MONITOR_PARAMS | {"dry_run": forms.DRY_RUN}

Plain = dict[str, Any]


@step()
def plan(params: Plain) -> Plain:
    """Fix the moment and the models."""
    from include.monitoring import steps

    url = database_url(settings.CONNECTION)
    return steps.plan(url, object_store(""), params, as_of_mode(), budget())


@step()
def select(planned: Plain) -> list[str]:
    """The pairs to watch; none in a dry run."""
    from include.monitoring import steps

    return steps.select(planned)


@per_pair()
def learn(pair: str, planned: Plain) -> Plain:
    """Count the training rows of one pair, if nobody has."""
    from include.monitoring import steps

    return steps.learn(object_store(""), object_store(), planned, pair)


@step(trigger_rule="all_done_min_one_success")
def bound(learned: Any) -> float | None:
    """How far quiet windows stray, all columns and pairs together."""
    from include.monitoring import steps

    return steps.bound(learned)


@per_pair()
def watch(pair: str, planned: Plain, k: float | None) -> Plain:
    """Read and keep everything about one pair."""
    from include.monitoring import steps

    url = database_url(settings.CONNECTION)
    return steps.watch(url, object_store(""), object_store(), planned, pair, k, run_id())


@step(trigger_rule="all_done_min_one_success")
def conclude(planned: Plain) -> Plain:
    """Publish, and fill the scoreboard."""
    from include.monitoring import steps

    url, clients = database_url(settings.CONNECTION), monitoring_clients()
    return steps.conclude(url, object_store(""), object_store(), clients, planned, run_id())


@step()
def provide(planned: Plain) -> Plain:
    """Make alarms and dashboards in CloudWatch what they are declared to be."""
    from include.monitoring import steps

    return steps.provide(monitoring_clients().cloudwatch, object_store(""), planned)


@step()
def draw(planned: Plain) -> Plain:
    """Draw both dashboards."""
    from include.monitoring import steps

    return steps.draw(database_url(settings.CONNECTION), reports(), planned, run_id())


@step()
def complete(planned: Plain, concluded: Plain) -> None:
    """Fail if a pair was not watched."""
    from include.monitoring import steps

    steps.complete(concluded["absent"], planned)


@step(trigger_rule="all_done_min_one_success", outlets=[Asset(settings.DRIFT_ASSET)])
def drifted(planned: Plain) -> Plain:
    """Ask for a retraining; skipped if nothing has drifted, or asked within the last days."""
    from include.monitoring import steps

    return steps.drifted(database_url(settings.CONNECTION), planned)


@dag(
    dag_id="bqx_monitor",
    dag_display_name="BQX 6 · monitoring",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 */4 * * *", timezone="UTC"),
    catchup=False,
    render_template_as_native_obj=True,
    tags=["bqx", "phase-5", "monitoring"],
    **dag_arguments(PARAMS),
)
def bqx_monitor() -> None:
    """Plan, learn, watch, conclude; then alarms, dashboards, pictures."""
    planned = plan()
    chosen = select(planned)
    learned = learn.partial(planned=planned).expand(pair=chosen)
    watched = watch.partial(planned=planned, k=bound(learned)).expand(pair=chosen)
    concluded = conclude(planned)
    chain(watched, concluded, [provide(planned), draw(planned), drifted(planned)])
    complete(planned, concluded)


bqx_monitor()
