"""`make run` answers approvals as a person would: it shows the page and approves through Airflow's API."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from local.api import Airflow

WAITING = "awaiting_input"  # state of a task that asked a person
APPROVE = "Approve"
# Faster than any person is too fast: the scheduler may not have noted yet that the asking process has ended,
# and takes the end it then hears of for that of the task that goes on.
PAUSE = 4.0
WIDE = 120  # columns; in less the tables of a page are easier to read as text


class Approver:
    """Answers every approval of the runs it is told about, once.

    Args:
        airflow: the API.
        console: where the page is shown.
        pause: seconds between the question and the answer.
    """

    def __init__(self, airflow: Airflow, console: Console, pause: float = PAUSE) -> None:
        self._airflow, self._console, self._pause = airflow, console, pause
        self._answered: set[tuple[str, str, str, int]] = set()

    def look_at(self, task: dict[str, Any]) -> None:
        """Answer if this task instance waits for a person.

        Args:
            task: a task instance of Airflow's REST API.
        """
        key = (task["dag_id"], task["dag_run_id"], task["task_id"], task["try_number"])
        if task["state"] != WAITING or key in self._answered:
            return
        asked = self._airflow.question(task)
        self._console.rule(f"[bold]{asked['subject']}[/]")
        wide = self._console.is_terminal and self._console.width >= WIDE
        body = asked["body"] or ""
        self._console.print(Markdown(body) if wide else body, markup=False, highlight=False, soft_wrap=True)
        time.sleep(self._pause)
        self._airflow.answer(task, APPROVE)
        self._answered.add(key)
        self._console.rule("approved by make run; in your own Airflow a person does that")
