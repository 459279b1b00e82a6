"""Questions to a person, asked by a task that holds no worker while it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from bqx.retries import no_retry_for

# An answer is an answer: only what is not one, such as a lost worker, asks again.
_ANSWERS = tuple(
    f"airflow.providers.standard.exceptions.{name}" for name in ("HITLRejectException", "HITLTimeoutError")
)


def approval(subject: str, body: str, *, hours: float, fail_on_reject: bool, **operator: Any) -> Any:
    """The task ``approval``: shows a page and waits; no answer in time is a refusal.

    Args:
        subject: the question, a template.
        body: the page above the buttons, a template that gives Markdown.
        hours: how long it waits.
        fail_on_reject: a refusal fails the run, so that whatever waits for it does not begin; otherwise
            what comes after the question is skipped.
        operator: further arguments of the operator.
    """
    return ApprovalOperator(
        task_id="approval",
        subject=subject,
        body=body,
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=hours),
        execution_timeout=None,
        fail_on_reject=fail_on_reject,
        retry_policy=no_retry_for(_ANSWERS),
        **operator,
    )
