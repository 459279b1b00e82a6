"""Why a request is not answered: every problem with its status of HTTP, its identifier and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from include.errors import BqxError

SOON = MappingProxyType({"Retry-After": "1"})  # seconds


class Problem(BqxError):
    """A request that is not answered.

    Args:
        status: of HTTP.
        code: stable identifier for programs.
        message: what is wrong, for a person; without any secret.
        headers: of the answer, besides the usual ones.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def unauthorized() -> Problem:
    """No token, or a wrong one."""
    return Problem(
        401,
        "unauthorized",
        "The request needs the header Authorization: Bearer with the token of this API.",
        {"WWW-Authenticate": "Bearer"},
    )


def not_found(path: str) -> Problem:
    """There is no such path."""
    return Problem(404, "not_found", f"There is no {path[:100]!r} here. Ask POST /predict or GET /health.")


def wrong_method(allowed: str) -> Problem:
    """The path is there, but not for this method."""
    return Problem(405, "method_not_allowed", f"This path takes {allowed}.", {"Allow": allowed})


def client_gone() -> Problem:
    """The client went away before its body was there; for the log, nobody reads the answer."""
    return Problem(499, "client_gone", "The client closed the connection.")


def too_slow(seconds: float) -> Problem:
    """The body did not arrive in time."""
    return Problem(
        408, "slow_request", f"The request did not arrive within {seconds:g} s.", {"Connection": "close"}
    )


def too_large(limit: int) -> Problem:
    """The body is too large; what comes of it still is thrown away."""
    return Problem(413, "too_large", f"A request has at most {limit:,} bytes.")


def invalid(message: str) -> Problem:
    """The body is not what the schema asks for."""
    return Problem(422, "invalid_request", message)


def unknown_pair(pair: str) -> Problem:
    """Not one of the 28 pairs."""
    return Problem(404, "unknown_pair", f"{pair!r} is no pair that is known here; write for example eurusd.")


def not_served(pair: str) -> Problem:
    """No model of the pair was deployed."""
    return Problem(404, "not_served", f"No model of {pair} is deployed: run the DAG bqx_deploy for it.")


def stale(code: str, message: str) -> Problem:
    """The data do not allow an answer now; nothing is put in place of what is missing."""
    return Problem(409, code, message)


def too_many(rate: float) -> Problem:
    """More requests than the API takes."""
    return Problem(429, "too_many_requests", f"At most {rate:g} requests are taken in a second.", SOON)


def busy() -> Problem:
    """As many requests wait as may."""
    return Problem(429, "busy", "As many requests wait for an answer as may; ask again later.", SOON)


def late(seconds: float) -> Problem:
    """It took too long."""
    return Problem(503, "timeout", f"There was no answer within {seconds:g} s; ask again.", SOON)


def unavailable(what: str, message: str) -> Problem:
    """Something that is needed does not answer: ``database``, ``endpoint``, ``routing``."""
    return Problem(503, f"{what}_unavailable", message, SOON)


def mismatch(message: str) -> Problem:
    """The endpoint answered as another model than the one that was asked: no number is better."""
    return Problem(503, "model_mismatch", message, SOON)


def internal() -> Problem:
    """A defect of ours; the log has it under the request id."""
    return Problem(500, "internal_error", "Something went wrong here. The log has it under this request id.")
