"""Replay weeks of recorded bars on a running stack: predict, monitor, retrain, as of each Monday.

    make up STATE=state
    python -m tools.replay --state state --data bars --pairs eurusd,gbpusd --first 2019-04-08 --weeks 10

The DAGs of the stack do everything; this script starts them in their order, with bars up to a Monday, and
waits. The stack's time is the end of its bars, so each week knows what a deployment would have known.
`bqx_pipeline` must have served models of bars before the first Monday. Doubtful challengers are rejected, as
if nobody had looked at them. A week that has been replayed is not replayed again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from rich.console import Console

from include.retraining.forms import RETRAIN_PARAMS
from local.api import Airflow
from local.approval import Approver
from local.options import PROFILES
from local.predict import exports
from local.stack import Stack
from local.state import State
from tools import replay_report

ENDED = ("success", "failed")
NOTES = "replay.jsonl"  # in the folder of the stack: a line for each week
VALUES = ("skill", "r2", "r2_no_skill", "mae_change")
LOOK = 3.0  # seconds
REJECTED = "nobody looked at it in a replay"
LONGEST = 4 * 3600.0  # seconds of a run


class Replay(NamedTuple):
    """What is replayed.

    Attributes:
        airflow: API of the stack.
        database: its connection string.
        data: bars, as `bqx_load` takes them.
        since: first day that is loaded; None for all that there is.
        pairs: which.
        sizes: params of data set, models and endpoint.
        console: where progress is shown.
    """

    airflow: Airflow
    database: str
    data: str
    since: str | None
    pairs: list[str]
    sizes: dict[str, Any]
    console: Console

    def week(self, monday: date) -> dict[str, Any]:
        """The week before a Monday, 00:00 UTC: what was forecast in it, and the retraining after it."""
        started = time.monotonic()
        days = {"first_day": self.since, "end_day": monday.isoformat()}
        self._run("bqx_load", {"source": self.data, "pairs": self.pairs, **days})
        for back in range(7, 0, -1):
            day = monday - timedelta(days=back)
            if day.weekday() != 5:  # nobody trades on a Saturday
                self._run("bqx_predict", {"pairs": self.pairs, "day": day.isoformat()})
        self._run("bqx_monitor", {"pairs": self.pairs})
        run = self._run("bqx_retrain", {"pairs": self.pairs, **self.sizes})
        told = {task["map_index"]: self.airflow.xcom(task) for task in self.airflow.tasks("bqx_retrain", run)
                if task["task_id"] == "compare" and task["state"] == "success"}  # fmt: skip
        return {
            "monday": monday.isoformat(),
            "state": self.airflow.run("bqx_retrain", run)["state"],
            "seconds": round(time.monotonic() - started),
            "values": self._values(),
            "pairs": [told[place] for place in sorted(told)],
        }

    def _run(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and wait for its end; a failed one is told in the result."""
        approver = Approver(self.airflow, self.console, {"serve.approval": REJECTED})
        run = self.airflow.trigger(dag, conf)
        deadline = time.monotonic() + LONGEST
        while (state := str(self.airflow.run(dag, run)["state"])) not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{dag} {run} has not ended after {LONGEST / 3600:g} hours.")
            for task in self.airflow.tasks(dag, run):
                approver.look_at(task)
            time.sleep(LOOK)
        self.console.print(f"{dag:12} {conf.get('day') or conf.get('end_day') or '':10} {state}")
        return run

    def _values(self) -> dict[str, float | None]:
        """The newest values of the monitor over all pairs."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT DISTINCT ON (name) name, value FROM bqx.monitor_values WHERE name = any(%s) "
                "AND pair = '' AND horizon = 0 ORDER BY name, as_of DESC",
                [list(VALUES)],
            )
            return dict(rows.fetchall())


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, then write plot and table; returns the exit code."""
    options = _options(arguments)
    known = exports(options.state / "env")
    profile = PROFILES[options.profile].sizes
    sizes: dict[str, Any] = {name: size for name, size in profile.items() if name in RETRAIN_PARAMS}
    sizes |= {"backtest_pairs": None, "history_days": options.history}
    notes = options.state / NOTES
    done = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    with Stack(State(options.state)).api() as airflow:
        for dag in ("bqx_predict", "bqx_monitor", "bqx_retrain"):
            airflow.unpause(dag)
        replay = Replay(
            airflow, known["BQX_DATABASE_URL"], options.data, options.since, options.pairs, sizes, Console()
        )
        for number in range(options.weeks):
            monday = options.first + timedelta(weeks=number)
            if monday.isoformat() not in {week["monday"] for week in done}:
                done.append(replay.week(monday))
                with notes.open("a") as stream:
                    stream.write(json.dumps(done[-1]) + "\n")
    replay_report.write(done, options.out)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.replay", description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=Path, default=Path(".local"), help="folder of the running stack")
    parser.add_argument("--data", required=True, help="folder of bars, or s3://bucket/folder")
    parser.add_argument("--pairs", type=lambda text: text.split(","), required=True)
    parser.add_argument("--first", type=date.fromisoformat, required=True, help="the first Monday")
    parser.add_argument("--since", help="first day that is loaded, as make run had it with FROM")
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--history", type=int, default=365, help="calendar days that a model learns from")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="demo", help="sizes of the models")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of docs/img and the table")
    options = parser.parse_args(arguments)
    if options.first.weekday() != 0:
        parser.error(f"{options.first} is no Monday.")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
