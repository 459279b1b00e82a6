"""Which errors deserve another try."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule


def no_retry_for(exceptions: Iterable[str]) -> ExceptionRetryPolicy:
    """Fail at once on errors that only a person can mend; everything else is retried as usual.

    Args:
        exceptions: import paths of exception classes.
    """
    return ExceptionRetryPolicy([RetryRule(exception=path, action=RetryAction.FAIL) for path in exceptions])
