"""The Airtable base of an Airflow connection; its token comes from there or from AWS Secrets Manager."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from airflow.sdk import Connection


class AirtableHook(BaseHook):
    """Leads to a base. The connection holds the password (the token) and, as extra, ``base_id``; or, as
    extra, ``secret_name``: an AWS secret with ``{"token": ..., "base_id": ...}``.

    An older secret has ``api_key`` instead of ``token``. The base id may be in the extra, in the same
    secret, or in a second one, ``base_secret_name``. ``aws_conn_id`` is the connection to AWS. A host is
    only needed for an Airtable that is not Airtable's.

    Args:
        conn_id: the connection.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "bqx_airtable"
    conn_type = "airtable"
    hook_name = "Airtable (BQX)"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_base(self, database_url: str) -> Any:
        """The base, sharing its limit with every process that uses the same database.

        Args:
            database_url: libpq connection string.

        Returns:
            An ``include.plan.airtable.Base``.

        Raises:
            PlanRefused: the connection or the secret lacks something; names what, never what it holds.
        """
        from include.plan.limiter import SharedLimiter

        return self._base(lambda base_id: SharedLimiter(database_url, _name(base_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Whether Airtable lets us in, and what to do if not: for the button of the connection's form."""
        from include.errors import BqxError
        from include.plan.limiter import MemoryLimiter

        try:
            self._base(lambda _: MemoryLimiter()).check()
        except BqxError as error:
            return False, str(error)
        return True, "Airtable answers, and the token reaches the base."

    def _base(self, limiter: Callable[[str], Any]) -> Any:
        from include.plan.airtable import Base

        connection = self.get_connection(self.conn_id)
        token, base_id = self._token_and_base(connection)
        mask_secret(token)
        mask_secret(base_id)
        return Base(token, base_id, endpoint=_endpoint(connection), limiter=limiter(base_id))

    def _token_and_base(self, connection: Connection) -> tuple[str, str]:
        extra = connection.extra_dejson
        held = {"token": connection.password}
        where = f"The connection {self.conn_id}"
        if name := extra.get("secret_name"):
            held = _secret(name, extra)
            where = f"The secret {name}"
        base_id = _text(extra, "base_id") or _text(held, "base_id")
        if not base_id and (second := extra.get("base_secret_name")):
            base_id = _text(_secret(second, extra), "base_id")
        token = _text(held, "token") or _text(held, "api_key")
        if not token:
            raise _refused(f"{where} has no token (as password, or in a secret under the key token).")
        if not base_id:
            raise _refused(f"{where} has no base_id, and the extra of the connection names none.")
        return token, base_id


def airtable_base(conn_id: str, database_url: str) -> Any:
    """The base behind a connection. Call it from a running task only, and never return it.

    Args:
        conn_id: connection to Airtable.
        database_url: libpq connection string of the database that keeps the limit.

    Returns:
        An ``include.plan.airtable.Base``.

    Raises:
        PlanRefused: the connection or the secret lacks something; names what, never what it holds.
    """
    return AirtableHook(conn_id).get_base(database_url)


def _endpoint(connection: Connection) -> str | None:
    host, port = connection.host, connection.port
    if not host:
        return None
    address = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    return f"{address}:{port}" if port else address


def _secret(name: str, extra: dict[str, Any]) -> dict[str, Any]:
    """A secret that is a JSON object. No error says what is in it, nor is any raised from one that does."""
    from airflow.providers.amazon.aws.hooks.secrets_manager import SecretsManagerHook
    from botocore.exceptions import ClientError

    problem = ""
    held: Any = None
    with _answers_unlogged():
        try:
            held = json.loads(SecretsManagerHook(extra.get("aws_conn_id", "aws_default")).get_secret(name))
        except ClientError as error:
            problem = f"AWS does not give the secret {name}: {error.response['Error'].get('Code')}."
        except ValueError:
            pass
    if not problem and not isinstance(held, dict):
        problem = f'The secret {name} is not a JSON object with the keys "token" and "base_id".'
    if problem:
        raise _refused(problem)
    return held


@contextmanager
def _answers_unlogged() -> Iterator[None]:
    """At the level DEBUG botocore logs every answer, and these answers are secrets."""
    logger = logging.getLogger("botocore.parsers")
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)


def _text(held: dict[str, Any], key: str) -> str:
    value = held.get(key)
    return value.strip() if isinstance(value, str) else ""


def _refused(problem: str) -> Exception:
    from include.errors import PlanRefused

    return PlanRefused(f"{problem} Mend it, then run this again; nothing was read or written.")


def _name(base_id: str) -> str:
    """What the limit of a base is called in the database, where its id has no business."""
    return f"base {hashlib.sha256(base_id.encode()).hexdigest()[:16]}"
