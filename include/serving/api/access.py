"""Who may ask: whoever knows the token, or whom a gateway of AWS has let through, and nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from include.errors import BadParameter
from include.serving.api.handler import Head

SHORTEST = 20  # characters of a token
_SCHEME = "bearer "


def bearer(token: str) -> Callable[[Head], bool]:
    """Lets requests in that carry the token. How long the comparison takes says nothing about the token.

    Raises:
        BadParameter: the token is too short to be one.
    """
    if len(token) < SHORTEST:
        raise BadParameter(
            f"BQX_API_TOKEN needs at least {SHORTEST} characters, for example of `openssl rand -hex 32`. "
            "Without a token nobody would be answered."
        )
    expected = token.encode()

    def may_ask(head: Head) -> bool:
        told = head.headers.get("authorization", "")
        if not told.lower().startswith(_SCHEME):
            return False
        return hmac.compare_digest(told[len(_SCHEME) :].strip().encode(), expected)

    return may_ask


def known_caller(head: Head) -> bool:
    """Lets requests in whose caller a gateway has proved."""
    return bool(head.caller)
