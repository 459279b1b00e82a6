"""The tasks of the DAG bqx_experiment that end with a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from include.errors import BadParameter, NothingToDo
from include.experiments import ab, page, trial
from include.experiments.ab import Result
from include.experiments.forms import JUDGE
from include.names import to_minute
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.serving import clock, routing
from include.storage.connection import connect

__all__ = ["KIND", "conclude", "judge"]

KIND = "experiments"  # of reports

Plain = dict[str, Any]


def conclude(
    reports: Reports, planned: Mapping[str, Any], compared: Iterable[Plain | None] | None, run: str
) -> Plain:
    """Apply the rollout rule, and write the page; see `include.experiments.trial.conclude`.

    Args:
        reports: where the page goes.
        planned: from `include.experiments.trial.plan`.
        compared: the comparison of each pair.
        run: of the DAG.
    """
    told = trial.conclude(compared, [job["pair"] for job in planned["jobs"]])
    drawn = page.experiment(told, planned["dataset_id"])
    return told | {"report": reports.write(KIND, run, {INDEX: drawn})[INDEX]}


def judge(
    url: str, bucket: ObjectStore, reports: Reports, params: Mapping[str, Any], mode: str, run: str
) -> Plain:
    """Where the A/B tests of the pairs that are split stand, as a page too.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        reports: where the page goes.
        params: those of the form.
        mode: see `include.serving.clock.as_of`.
        run: of the DAG.

    Raises:
        NothingToDo: the form does not ask for it.
        BadParameter: there is no first day, or no split, or not one of halves.
    """
    if params["action"] != JUDGE:
        raise NothingToDo("No split is judged: the form asks for an experiment.")
    if params["first_day"] is None:
        raise BadParameter(
            "Answers from before the split would spoil the test. Set first_day to the day after the run of "
            "bqx_deploy that split the pairs, and leave it the same whenever you look again."
        )
    since = to_minute(datetime.fromisoformat(params["first_day"]).replace(tzinfo=UTC))
    routes = routing.read(bucket).pairs
    pairs = [pair for pair in params["pairs"] if pair in routes and routes[pair].challenger]
    if not pairs:
        raise BadParameter(
            f"None of {', '.join(params['pairs'])} has a challenger. Run bqx_deploy with the action split "
            "and share 0.5 first, or choose the pairs that are split."
        )
    with connect(url) as connection:
        as_of = clock.as_of(connection, mode)
        found = [ab.result(connection, bucket, pair, since, as_of) for pair in pairs]
    summary = " ".join(map(_sentence, found))
    link = reports.write(KIND, run, {INDEX: page.split(found, since, as_of, summary)})[INDEX]
    return {
        "verdicts": {each.pair: each.verdict.outcome for each in found},
        "summary": summary,
        "report": link,
    }


def _sentence(found: Result) -> str:
    days = f"{found.verdict.days} days with answers of both"
    decided = f"on day {found.verdict.day} of {days}" if found.verdict.day else f"after {days}"
    return f"{found.pair}: {found.verdict.outcome}, {decided}."
