"""Requests to Airtable through pyairtable: paced, tried again where that is safe, refusals in plain words.

What pyairtable raises names the address, and with it the base; what `requests` raises may quote the token.
Neither leaves this module: a failure is read, and what is raised instead has no such exception behind it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import requests
from pyairtable import Api
from requests.adapters import HTTPAdapter

from include.errors import AirtableUnavailable, PlanRefused
from include.plan.limiter import Limiter

ENDPOINT = "https://api.airtable.com"
LONGEST_PAUSE = 30.0  # seconds between two tries

_MEANINGS = {
    "INVALID_MULTIPLE_CHOICE_OPTIONS": "a select field has no such option",
    "INVALID_VALUE_FOR_COLUMN": "a value does not fit the type of its field",
    "LIST_RECORDS_ITERATOR_NOT_AVAILABLE": "the list took too long to read",
    "MODEL_ID_NOT_FOUND": "the record is not there any more",
    "NOT_FOUND": "the record or table is not there",
    "ROW_DOES_NOT_EXIST": "the record is not there any more",
    "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE": "a link leads to a record of another table",
    "TABLE_NOT_FOUND": "the table is not there",
    "UNKNOWN_FIELD_NAME": "the table has no such field",
}
_NO_MORE_THIS_MONTH = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"  # a 429 that no waiting ends


class Patience(NamedTuple):
    """How long to wait for what.

    Attributes:
        seconds: of waiting for one request, all pauses together.
        pause: seconds of the first pause after a failure; each is twice as long as the one before.
        penalty: seconds without any request after a 429 that does not say for how long.
        timeout: seconds to connect, seconds without a byte.
    """

    seconds: float = 300.0
    pause: float = 1.0
    penalty: float = 30.0
    timeout: tuple[int, int] = (5, 30)


@dataclass(frozen=True)
class Failure:
    """Why a request came to nothing.

    Attributes:
        words: for people; names neither token nor base.
        status: HTTP status, None where there was no whole answer.
        kind: Airtable's name of the error.
        seconds: how long Airtable wants to be left alone.
    """

    words: str
    status: int | None = None
    kind: str = ""
    seconds: float = 0.0

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status in (408, 429) or self.status >= 500

    @property
    def doubtful(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.passes and self.status != 429


class Refused(Exception):
    """Airtable understood the request and will not do it."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.words)


class Doubtful(Refused):
    """Records may have been created or not: look before trying again."""


class Tries:
    """The patience left for one thing.

    Args:
        patience: at the start.
        sleep: called with seconds.
    """

    def __init__(self, patience: Patience, sleep: Callable[[float], None]) -> None:
        self._patience, self._sleep = patience, sleep
        self._left, self._pause = patience.seconds, patience.pause

    def pause(self, failure: Failure) -> None:
        """Wait before the next try. After a 429 the limiter makes everyone wait, so nothing is added here.

        Raises:
            AirtableUnavailable: the patience is over.
        """
        seconds = failure.seconds or self._pause * random.uniform(0.8, 1.2)
        self._left -= seconds
        if self._left < 0 or failure.kind == _NO_MORE_THIS_MONTH:
            raise AirtableUnavailable(
                f"Airtable did not do what was asked in {self._patience.seconds:.0f} s of waiting. Its last "
                f"answer: {failure.words}. What was written stays. Run this again later."
            )
        if not failure.seconds:
            self._sleep(seconds)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)


class PatientApi(Api):
    """pyairtable's client, with every HTTP request of it paced and its failures sorted.

    Args:
        token: personal access token.
        base_id: the base, only to keep its id out of messages.
        limiter: whom to ask for a turn.
        endpoint: address of the API, None for Airtable's.
        patience: how long to wait for what.
        sleep: called with seconds.

    Raises:
        PlanRefused: the token cannot be one.
    """

    def __init__(
        self,
        token: str,
        base_id: str,
        *,
        limiter: Limiter,
        endpoint: str | None,
        patience: Patience,
        sleep: Callable[[float], None],
    ) -> None:
        token = _usable(token)
        endpoint = endpoint or ENDPOINT
        super().__init__(token, timeout=patience.timeout, retry_strategy=None, endpoint_url=endpoint)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _PacedAdapter(limiter, patience.penalty))
        self._secrets, self._patience, self._sleep = (token, base_id), patience, sleep

    def tries(self) -> Tries:
        """The whole patience, for one thing."""
        return Tries(self._patience, self._sleep)

    def request(
        self,
        method: str,
        url: str,
        fallback: tuple[str, str] | None = None,
        options: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
    ) -> Any:
        """One request, as often as it takes. Every page of a list and every batch comes through here.

        Raises:
            Refused: Airtable will not do it.
            Doubtful: records were to be created, and nobody knows whether they were.
            AirtableUnavailable: the patience is over.
        """
        creates = method.upper() == "POST" and not str(url).endswith("/listRecords")
        tries = self.tries()
        while True:
            answer = self._once(method, url, fallback=fallback, options=options, params=params, json=json)
            if not isinstance(answer, Failure):
                return answer
            if not answer.passes:
                raise Refused(answer)
            if creates and answer.doubtful:
                raise Doubtful(answer)
            tries.pause(answer)

    def _once(self, method: str, url: str, **rest: Any) -> Any:
        """The answer, or a `Failure`: returned, so that no exception keeps what it was made of."""
        try:
            return super().request(method, url, **rest)
        except requests.HTTPError as error:
            return Failure("no answer") if error.response is None else self._failure(error.response)
        except requests.Timeout:
            return Failure("no answer in time")
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.JSONDecodeError,
        ) as error:
            return Failure(f"the connection broke ({type(error).__name__})")
        except requests.RequestException as error:
            return Failure(f"the request cannot be sent ({type(error).__name__}): look at the address", 400)

    def _failure(self, response: requests.Response) -> Failure:
        status = response.status_code
        kind, message = _said(response)
        words = ": ".join(filter(None, (_MEANINGS.get(kind), message))) or "no reason given"
        for secret in filter(None, self._secrets):
            words = words.replace(secret, "***")
        words = f"{words} ({f'HTTP {status} {kind}'.rstrip()})"
        seconds = _retry_after(response, self._patience.penalty) if status == 429 else 0.0
        return Failure(words, status, kind, seconds)


class _PacedAdapter(HTTPAdapter):
    """Sends nothing without a turn, and tells the limiter when Airtable finds us too fast."""

    def __init__(self, limiter: Limiter, penalty: float) -> None:
        self._limiter, self._penalty = limiter, penalty
        super().__init__(max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One HTTP request."""
        with self._limiter.turn():
            response = super().send(request, *args, **kwargs)
        if response.status_code == 429:
            self._limiter.penalty(_retry_after(response, self._penalty))
        return response


def no_access(failure: Failure, scope: str) -> PlanRefused:
    """The error for somebody whom Airtable does not let in.

    Args:
        failure: Airtable's answer.
        scope: what the token has to be allowed.
    """
    return PlanRefused(
        f"Airtable refuses access ({failure.words}). Either the base id is wrong, or the token is: mistyped, "
        f"expired, revoked, or without this base or the scope {scope}. Airtable does not say which. Compare "
        "both with Airtable's pages for developers, then mend the connection or the secret that holds them."
    )


def _usable(token: str) -> str:
    """A token without the blanks around it.

    Raises:
        PlanRefused: it cannot be one. Sent all the same, the error would quote it.
    """
    token = token.strip()
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise PlanRefused(
            "The Airtable token is empty or has blanks or odd characters in it: copy it again from Airtable "
            "into the connection or the secret that holds it."
        )
    return token


def _said(response: requests.Response) -> tuple[str, str]:
    """Airtable's name of an error and its message: it has three ways to say them, proxies have others."""
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        return "", ""
    if not isinstance(body, Mapping):
        return "", ""
    errors = body.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("type") or error.get("error") or ""), str(error.get("message") or "")
    return str(error or ""), ""


def _retry_after(response: requests.Response, otherwise: float) -> float:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return otherwise
