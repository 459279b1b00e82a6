"""What is wrong with a job, written for the person who has to act on it."""

from __future__ import annotations

LONGEST = 1024  # characters of SageMaker's FailureReason


class JobProblem(Exception):
    """The job cannot be done: the message says what is wrong, where, and what to do."""


def failure_text(problem: BaseException) -> str:
    """What is written to ``output/failure``; it never exceeds `LONGEST` characters."""
    if isinstance(problem, JobProblem):
        text = str(problem)
    elif isinstance(problem, MemoryError):
        text = "The job ran out of memory. Lower max_train_rows, or choose a larger instance."
    else:
        text = (
            f"The training code failed unexpectedly ({type(problem).__name__}: {problem}). The end of the "
            "job's log shows where. If the same inputs fail again, report it with the log."
        )
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
