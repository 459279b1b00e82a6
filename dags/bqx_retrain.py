"""### Train again, and let the better model serve

Every Monday at 02:00 UTC, and when `bqx_monitor` finds a drift: bars of the last week, their features, a data
set, models, and for every pair champion against challenger on the newest days that neither has seen.

1. **quiet** waits until no DAG works that changes what is read here. **load** runs `bqx_load`, where the
   Airflow Variable `bqx_load_params` says from where.
2. **plan** fixes the end of the data. Data are decided about once: after another run has, this one ends here.
   So does a drift soon after a decision.
3. **coming** makes partitions to come. **features** builds what is not right; **dataset**, **train** follow.
4. **compare** (per pair) scores both models. **decide** says *deploy* if the challenger is better or worse by
   at most 0.02 of skill, *review* if by more than 0.05 or an important column is missing, else *keep*.
5. **serve** deploys the former, and asks a person about the doubtful ones.
6. **conclude** keeps how the run ended and sends the report. It fails if there is no decision.

Example configuration:

    {"pairs": ["eurusd"], "history_days": 180}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, chain, dag
from bqx.connections import database_url
from bqx.objects import object_store, reports
from bqx.phases import REACHED, phase, quiet, serve
from bqx.running import as_of_mode, failed_tasks, kind, load_source, run_id
from bqx.wiring import dag_arguments, per_pair, step

from include import forms, settings
from include.pairs import PAIRS
from include.retraining.forms import RETRAIN_PARAMS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | RETRAIN_PARAMS
PLANNED = "{{ ti.xcom_pull('plan')['%s'] }}"

Plain = dict[str, Any]


@step()
def begin() -> None:
    """Note that a run has begun."""
    from include.retraining import steps

    steps.begin(database_url(settings.CONNECTION), run_id(), kind())


@step()
def source() -> Plain:
    """Params of the load; skipped, and the load with it, where nothing says from where."""
    return load_source()


@step(trigger_rule=REACHED)
def plan(params: Plain) -> Plain:
    """Decide whether there is something to decide."""
    from include.retraining import steps

    url = database_url(settings.CONNECTION)
    return steps.plan(url, params, as_of_mode(), run_id(), kind(), f"retrain__{run_id()}")


@step()
def coming(planned: Plain) -> Plain:
    """Make partitions of the coming months."""
    from include.retraining import steps

    return steps.coming(database_url(settings.CONNECTION), planned)


@step()
def stale(planned: Plain) -> Plain:
    """Months whose features are to be built."""
    from include.retraining import steps

    return steps.stale(database_url(settings.CONNECTION), planned)


@step(trigger_rule="all_done_min_one_success")
def candidates(planned: Plain) -> Plain:
    """Who serves each pair, and who challenges it."""
    from include.retraining import steps

    return steps.candidates(object_store(""), planned)


@step()
def select(planned: Plain) -> list[str]:
    """The pairs to compare."""
    from include.retraining import steps

    return steps.select(planned)


@per_pair()
def compare(pair: str, planned: Plain, found: Plain) -> Plain:
    """Champion against challenger."""
    from include.retraining import steps

    return steps.compare(database_url(settings.CONNECTION), object_store(""), planned, found, pair)


@step(trigger_rule="all_done_min_one_success")
def decide(planned: Plain, compared: Any) -> Plain:
    """Sort the pairs by what becomes of them, and write the page."""
    from include.retraining import steps

    return steps.decide(reports(), planned, compared)


@step(trigger_rule="all_done")
def conclude(planned: Plain | None, decided: Plain | None) -> Plain:
    """Keep how the run ended, and send the report."""
    from include.retraining import steps

    return steps.conclude(database_url(settings.CONNECTION), run_id(), planned, decided, failed_tasks())


@dag(
    dag_id="bqx_retrain",
    dag_display_name="BQX 7 · retraining",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 2 * * 1", timezone="UTC"), assets=Asset(settings.DRIFT_ASSET)
    ),
    catchup=False,
    render_template_as_native_obj=True,
    tags=["bqx", "phase-5", "retraining"],
    **dag_arguments(PARAMS),
)
def bqx_retrain() -> None:
    """Wait, load, plan, build, train, compare, decide, serve, conclude."""
    waited, asked, planned = quiet(), source(), plan()
    load = phase("load", "bqx_load", "{{ ti.xcom_pull('source') }}")
    chain(begin(), waited, asked, load, planned)
    chain(waited, planned)
    features = phase("features", "bqx_features", "{{ ti.xcom_pull('stale') }}")
    dataset = phase("dataset", "bqx_dataset", PLANNED % "dataset", trigger_rule=REACHED)
    train = phase("train", "bqx_train", PLANNED % "train")
    chain(stale(planned), features)
    chain([planned, coming(planned), features], dataset, train)
    found = candidates(planned)
    chain(train, found)
    decided = decide(planned, compare.partial(planned=planned, found=found).expand(pair=select(planned)))
    chain(serve(decided), conclude(planned, decided))


bqx_retrain()
