"""What AWS refuses, said for people: whether it passes by itself, or what somebody has to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from include.errors import AwsBusy, BqxError

__all__ = ["Remedy", "for_people"]

# Too many calls, too many jobs, no machines.
PASSING = (
    "CapacityError",
    "InternalFailure",
    "InternalServerError",
    "RequestLimitExceeded",
    "ResourceLimitExceeded",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
UNKNOWN = ("UnrecognizedClientException", "InvalidClientTokenId")  # credentials that AWS does not know


class Remedy(NamedTuple):
    """What is said of a refusal besides the words of AWS.

    Attributes:
        kind: of the error, if a person has to act.
        means: a sentence: what became of money or traffic.
        permissions: an instruction, for a role that may not do it.
        otherwise: an instruction, for everything else.
    """

    kind: type[BqxError]
    means: str
    permissions: str
    otherwise: str


@contextmanager
def for_people(what: str, remedy: Remedy) -> Iterator[None]:
    """Turn what AWS refuses into an error that says whether to wait or what to do.

    Args:
        what: what was tried, as in "start a training job".
        remedy: what is said of it.

    Raises:
        AwsBusy: it passes by itself.
        BqxError: a person has to act; of the kind that the remedy names.
    """
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        code, message = said.get("Code", ""), said.get("Message", "")
        if code in PASSING or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            told = f"AWS could not {what} now ({code}: {message}). It is tried again. {remedy.means}"
            raise AwsBusy(told) from error
        denied = "AccessDenied" in code or code in UNKNOWN
        advice = remedy.permissions if denied else remedy.otherwise
        raise remedy.kind(
            f"AWS refused to {what} ({code}: {message}). {remedy.means} {advice} Then clear this task."
        ) from error
