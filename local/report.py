"""What `make run` says when the pipeline is over: the stages, the failures, where to look."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from include.reports import FOLDER
from local.api import Airflow
from local.options import Options
from local.progress import Progress, Task, clock
from local.services import BUCKET, address
from local.stack import Stack

SHOWN = 10  # failures described one by one


def summary(
    console: Console,
    options: Options,
    progress: Progress,
    states: Mapping[str, str],
    seconds: float,
    standing: str = "",
) -> None:
    """Print pairs, rows and seconds of each stage, what tasks left to tell, and how each DAG run ended.

    Args:
        console: where to.
        options: what was asked for.
        progress: the last look at the run.
        states: final state by DAG id.
        seconds: how long everything took, start of the stack included.
        standing: where the Airtable plan stands, a few lines.
    """
    view = Table("stage", title=options.sizes)
    for heading in ("pairs", "failed", "rows", "seconds"):
        view.add_column(heading, justify="right")
    for stage in progress.stages:
        took = f"{stage.span(progress.now):.1f}"
        view.add_row(
            stage.title, f"{stage.done}/{stage.pairs}", str(stage.failed or ""), f"{stage.rows:,}", took
        )
    console.print(view)
    if progress.gates:
        console.print(_gates(progress), soft_wrap=True)
    for text in filter(None, (*progress.summaries, standing)):
        console.print(text, markup=False, soft_wrap=True)
    outcomes = ", ".join(f"{dag} {state}" for dag, state in states.items())
    console.print(f"{outcomes}; {clock(seconds)} in all", soft_wrap=True)


def _gates(progress: Progress) -> str:
    """How many gates found nothing wrong, and what they found absent in the source, each input once."""
    gates = progress.gates
    by_input: dict[str, list[str]] = {}
    for pair, _, words in sorted({text.partition(": ") for gate in gates for text in gate["absent_inputs"]}):
        by_input.setdefault(words, []).append(pair)
    partitions = sum(gate["partitions"] for gate in gates)
    unchanged = sum(gate.get("unchanged", 0) for gate in gates)
    known = f", {unchanged:,} as they were when they were found right" if unchanged else ""
    lines = [f"Quality gates: {len(gates)} passed, {partitions:,} partitions checked{known}"]
    for words, pairs in by_input.items():
        named = ", ".join(pairs[:SHOWN]) + (f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else "")
        lines.append(f"  absent, its columns are NULL: {words} ({named})")
    return "\n".join(lines)


def failures(console: Console, airflow: Airflow, failed: Sequence[Task]) -> None:
    """Name the tasks that failed, the last line of each error and how to heal it."""
    for task in failed[:SHOWN]:
        reason = airflow.last_words(
            {
                "dag_id": task.dag,
                "dag_run_id": task.run,
                "task_id": task.name,
                "try_number": task.attempt,
                "map_index": task.place,
            }
        )
        pair = f", pair {task.pair or task.place}" if task.place >= 0 else ""
        for text in (
            f"Failed: {task.dag}, {task.name}{pair}",
            textwrap.indent(reason or "it left no error in its log", "  "),
            f"  To heal: mend the cause, open {airflow.url}/dags/{task.dag}/runs/{task.run}, "
            "select this task and clear it with its downstream tasks. Or just make run again.",
        ):
            console.print(text, markup=False, soft_wrap=True)
    if len(failed) > SHOWN:
        console.print(f"and {len(failed) - SHOWN} more failed tasks, see the UI", soft_wrap=True)


def addresses(console: Console, stack: Stack) -> None:
    """Print where the running stack is and how to stop it."""
    root = stack.state.root
    where = "" if root == Path(".local").absolute() else f" STATE={shlex.quote(str(root))}"
    console.print(
        f"UI        {stack.link}  (opens once; make status{where} prints another)\n"
        f"Reports   s3://{BUCKET}/{FOLDER}; the log of each task that writes one has its link\n"
        f"Database  source {shlex.quote(str(stack.state.env))}; psql $BQX_DATABASE_URL\n"
        f"Objects   s3://{BUCKET} at {address(stack.service_ports['s3'])}; that file also leads boto3 there\n"
        f"AWS       {address(stack.service_ports['aws'])}  (a stand-in; SageMaker trains on this machine)\n"
        f"API       {address(stack.service_ports['api'])}  (make predict PAIR=eurusd{where} asks it)\n"
        f"Airtable  {address(stack.service_ports['airtable'])}  (a stand-in; look at the plan there)\n"
        f"Mails     {address(stack.service_ports['mail'])}  (caught on this machine: what people are told)\n"
        f"Stop      make stop{where}",
        markup=False,
        soft_wrap=True,
    )
