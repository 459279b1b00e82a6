"""What the API must be told, by environment variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from include.errors import BadParameter

ENDPOINT = "bqx"
MODES = ("now", "last_bar")  # what time it is; those of include.serving.clock
RATE, BURST = 100.0, 50  # requests a second in the long run; at once
THREADS, ROOM = 4, 32  # requests that are answered at once; that may wait besides
OLDEST = 15  # minutes after which data are too old for a forecast
CAPTURED = 20  # percent of the answers that are captured
PATIENCE = 1.8  # seconds that an answer may take


class Settings(NamedTuple):
    """What the API needs.

    Attributes:
        database_url: libpq URL.
        bucket: that has the routing table.
        endpoint: name of the endpoint.
        as_of: what time it is: ``now`` or ``last_bar``.
        oldest: minutes after which data are too old for a forecast.
        threads, room: requests that are answered at once; that may wait besides.
        rate, burst: requests a second in the long run; at once.
        captured: percent of the answers that are captured.
    """

    database_url: str
    bucket: str
    endpoint: str = ENDPOINT
    as_of: str = "now"
    oldest: int = OLDEST
    threads: int = THREADS
    room: int = ROOM
    rate: float = RATE
    burst: int = BURST
    captured: int = CAPTURED


def read(variables: Mapping[str, str], secret_of: Callable[[str], str] | None = None) -> Settings:
    """The settings.

    Args:
        variables: of the environment: BQX_S3_BUCKET, BQX_DATABASE_URL or BQX_DATABASE_SECRET (name of a
            secret of AWS Secrets Manager that holds the URL, or a document as RDS makes them), and as options
            BQX_ENDPOINT_NAME, BQX_AS_OF, BQX_API_OLDEST, BQX_API_THREADS, BQX_API_ROOM, BQX_API_RATE,
            BQX_API_BURST, BQX_API_CAPTURED.
        secret_of: gives the text of a secret.

    Raises:
        BadParameter: a variable is missing, or is no number; names it.
    """
    return Settings(
        _database_url(variables, secret_of),
        _needed(variables, "BQX_S3_BUCKET"),
        variables.get("BQX_ENDPOINT_NAME") or ENDPOINT,
        _as_of(variables),
        _count(variables, "BQX_API_OLDEST", OLDEST),
        _count(variables, "BQX_API_THREADS", THREADS),
        _count(variables, "BQX_API_ROOM", ROOM),
        float(_count(variables, "BQX_API_RATE", int(RATE))),
        _count(variables, "BQX_API_BURST", BURST),
        _percent(variables, "BQX_API_CAPTURED", CAPTURED),
    )


def url_of(secret: str) -> str:
    """The libpq URL that a secret means: the URL itself, or a document with host, username and password.

    Raises:
        BadParameter: it means none. The message does not show it.
    """
    if secret.startswith(("postgresql://", "postgres://")):
        return secret
    try:
        told: dict[str, Any] = json.loads(secret)
        user, password = (quote(str(told[name]), safe="") for name in ("username", "password"))
        return f"postgresql://{user}:{password}@{told['host']}:{told.get('port', 5432)}/{told['dbname']}"
    except (ValueError, KeyError, TypeError):
        raise BadParameter(
            "The secret of BQX_DATABASE_SECRET is neither a postgresql:// URL nor a JSON document with "
            "username, password, host and dbname."
        ) from None


def _database_url(variables: Mapping[str, str], secret_of: Callable[[str], str] | None) -> str:
    if secret_of is not None and (name := variables.get("BQX_DATABASE_SECRET")):
        return url_of(secret_of(name))
    return _needed(variables, "BQX_DATABASE_URL")


def _needed(variables: Mapping[str, str], name: str) -> str:
    if not (value := variables.get(name, "")):
        raise BadParameter(
            f"The environment variable {name} is not set. The embedded stack tells it in $STATE/env."
        )
    return value


def _as_of(variables: Mapping[str, str]) -> str:
    told = variables.get("BQX_AS_OF") or MODES[0]
    if told not in MODES:
        raise BadParameter(f"BQX_AS_OF is {told!r}; it can be {' or '.join(MODES)}.")
    return told


def _count(variables: Mapping[str, str], name: str, default: int) -> int:
    told = variables.get(name) or str(default)
    if not (told.isascii() and told.isdigit() and int(told) > 0):
        raise BadParameter(f"{name} is {told!r}; it must be a whole number above 0.")
    return int(told)


def _percent(variables: Mapping[str, str], name: str, default: int) -> int:
    told = variables.get(name) or str(default)
    if not (told.isascii() and told.isdigit() and int(told) <= 100):
        raise BadParameter(f"{name} is {told!r}; it must be a whole number from 0 to 100.")
    return int(told)
