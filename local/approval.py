"""`make run` answers approvals as a person would: it shows the page and answers through Airflow's API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from local.api import Airflow

WAITING = "awaiting_input"  # state of a task that asked a person
APPROVE, REJECT = "Approve", "Reject"
# Faster than any person is too fast: the scheduler may not have noted yet that the asking process has ended,
# and takes the end it then hears of for that of the task that goes on.
PAUSE = 4.0
WIDE = 120  # columns; in less the tables of a page are easier to read as text


class Approver:
    """Answers every approval of the runs it is told about, once.

    Args:
        airflow: the API.
        console: where the page is shown.
        rejected: by the id of the task, why it cannot be approved here.
        pause: seconds between the question and the answer.
    """

    def __init__(
        self,
        airflow: Airflow,
        console: Console,
        rejected: Mapping[str, str] | None = None,
        pause: float = PAUSE,
    ) -> None:
        self._airflow, self._console, self._pause = airflow, console, pause
        self._rejected = rejected or {}
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
        self._console.rule(Text(asked["subject"], style="bold"))
        wide = self._console.is_terminal and self._console.width >= WIDE
        body = asked["body"] or ""
        self._console.print(Markdown(body) if wide else body, markup=False, highlight=False, soft_wrap=True)
        time.sleep(self._pause)
        why = self._rejected.get(task["task_id"])
        self._airflow.answer(task, REJECT if why else APPROVE)
        self._answered.add(key)
        answer = f"rejected by make run: {why}" if why else "approved by make run"
        self._console.rule(Text(f"{answer}; in your own Airflow a person decides"))
