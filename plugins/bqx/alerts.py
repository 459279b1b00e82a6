"""Whom incidents are told to, and what is watched, as Airflow's connections and Variables say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import AirflowNotFoundException

from bqx.aws import client
from bqx.endpoint import endpoint_name

if TYPE_CHECKING:
    from airflow.sdk import Connection

SMTP_PORT, SMTPS_PORT = 587, 465


def alert(url: str) -> dict[str, Any]:
    """One round: look, note, tell. See ``include.alerts.rounds.go_round``.

    Args:
        url: libpq connection string of the database with the outbox.
    """
    from include.alerts import rounds

    return rounds.go_round(url, sources(), channels(), datetime.now(UTC))


def channels() -> list[Any]:
    """The channels that are set up: a topic of SNS, mail.

    Raises:
        MissingInput: addresses are set, but no connection that takes mails.
    """
    from include import settings
    from include.alerts.channels import Topic

    found: list[Any] = []
    if arn := _variable(settings.TOPIC_VARIABLE):
        warnings = _variable(settings.WARNING_TOPIC_VARIABLE)
        found.append(Topic(_client("sns", settings.AWS_CONNECTION), arn, warnings))
    if to := _variable(settings.MAIL_TO_VARIABLE):
        found.append(_mail(to))
    return found


def sources() -> Any:
    """What is looked at: Airflow's API and CloudWatch, where there are connections to them.

    Returns:
        An ``include.alerts.rounds.Sources``.
    """
    from airflow.sdk.configuration import conf

    from include import settings
    from include.alerts.airflow_api import AirflowApi
    from include.alerts.rounds import Sources

    airflow, aws = _connection(settings.AIRFLOW_CONNECTION), _connection(settings.AWS_CONNECTION)
    address = "" if airflow is None else _address(airflow)
    return Sources(
        airflow=AirflowApi(address, airflow.login or "", airflow.password or "") if airflow else None,
        cloudwatch=None if aws is None else _client("cloudwatch", settings.AWS_CONNECTION),
        alarms=f"{endpoint_name()}-",
        base=conf.get("api", "base_url", fallback="") or address,
        docs=_variable(settings.DOCS_VARIABLE),
    )


def _mail(to: str) -> Any:
    from include import settings
    from include.alerts.channels import Addresses, Mail, Ses, Smtp
    from include.errors import MissingInput

    connection = _connection(settings.MAIL_CONNECTION)
    if connection is None:
        raise MissingInput(
            f"The Airflow Variable {settings.MAIL_TO_VARIABLE} names addresses, but there is no connection "
            f"{settings.MAIL_CONNECTION}: create one of type smtp, or of type aws for SES."
        )
    recipients = tuple(each.strip() for each in to.split(",") if each.strip())
    addresses = Addresses(_variable(settings.MAIL_FROM_VARIABLE) or recipients[0], recipients)
    if connection.conn_type == "aws":
        return Mail(Ses(_client("ses", settings.MAIL_CONNECTION)), addresses)
    # The extras have the names of Airflow's provider for SMTP, so that its form can be used.
    extra = connection.extra_dejson
    tls = not _is_true(extra.get("disable_ssl"))
    return Mail(
        Smtp(
            connection.host or "localhost",
            connection.port or (SMTPS_PORT if tls else SMTP_PORT),
            connection.login or "",
            connection.password or "",
            tls=tls,
            starttls=not _is_true(extra.get("disable_tls")),
        ),
        addresses,
    )


def _client(service: str, conn_id: str) -> Any:
    """A client of AWS that tries once: the outbox tries again, and knows what it does."""
    from botocore.config import Config

    from include.alerts.channels import ONCE

    return client(service, conn_id, config=Config(**ONCE))


def _connection(conn_id: str) -> Connection | None:
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def _address(connection: Connection) -> str:
    host, port = connection.host or "localhost", connection.port
    address = host if "://" in host else f"{connection.schema or 'http'}://{host}"
    return f"{address}:{port}" if port else address


def _variable(name: str) -> str:
    return str(Variable.get(name, default=None) or "").strip()


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1", "yes")
