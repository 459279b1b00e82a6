"""What AWS refuses: some of it passes, some a person has to mend, and some is a failure of the job."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
LINES = 20  # of the job's log, in a message


def refusals(what: str) -> AbstractContextManager[None]:
    """Turn what AWS refuses into an error that says whether to wait or what to do.

    Args:
        what: what was tried, as in "start a training job".

    Raises:
        AwsBusy: it passes by itself.
        TrainingRefused: a person has to act.
    """
    from include.aws import Remedy, for_people
    from include.errors import TrainingRefused

    remedy = Remedy(
        TrainingRefused,
        "Nothing was paid twice.",
        "Give the role of Airflow sagemaker:CreateTrainingJob, DescribeTrainingJob, StopTrainingJob, AddTags "
        "and ListTags, for tuning also the same of HyperParameterTuningJob and "
        "ListTrainingJobsForHyperParameterTuningJob, and iam:PassRole on the role of the jobs; or mend the "
        "connection aws_default.",
        "Mend what it names: image and role are Airflow Variables, the rest are params of the run.",
    )
    return for_people(what, remedy)


def refused(text: str) -> Exception:
    """An error that only a person can mend; nothing was started."""
    from include.errors import TrainingRefused

    return TrainingRefused(text)


def failed(text: str) -> Exception:
    """The job ran and failed."""
    from include.errors import TrainingFailed

    return TrainingFailed(text)


def log_tail(hook: Any, name: str) -> str:
    """The last lines of a job's log, or why there are none."""
    from botocore.exceptions import ClientError

    logs = hook.logs_hook.get_conn()
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")
        lines = [
            event["message"].rstrip()
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], limit=LINES
            )["events"]
        ]
    except ClientError as error:
        return f"Its log cannot be read ({error})."
    return "The end of its log:\n" + "\n".join(lines[-LINES:]) if lines else "Its log is empty."
