"""Where runs are recorded: the tracking server of a connection, and SageMaker's model registry."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from bqx.aws import client


def tracking_uri() -> str | None:
    """Address of the tracking server, or None where there is no connection ``bqx_mlflow``.

    The connection has the host of a server, with login and password if it asks for them, or, as extra,
    ``uri``: the address of a database, such as ``postgresql://user:password@host/mlflow``. The address holds
    the password: pass it on, never return it from a task and never log it. Call it from a running task only.

    Raises:
        MissingInput: the connection has neither.
    """
    from include import settings
    from include.errors import MissingInput

    try:
        connection = BaseHook.get_connection(settings.TRACKING_CONNECTION)
    except AirflowNotFoundException:
        return None
    uri = str(connection.extra_dejson.get("uri") or "") or _address(connection)
    if not uri:
        raise MissingInput(
            f"The connection {settings.TRACKING_CONNECTION} has neither a host nor, as extra, a uri. Give it "
            "one of them, or remove it: then nothing is tracked."
        )
    mask_secret(uri)
    mask_secret(urlsplit(uri).password)
    return uri


def forget_runs() -> Any:
    """A function that forgets old runs of MLflow, see ``include.monitoring.retention.sweep``; or None."""
    from bqx.objects import object_store
    from include.tracking.mlflow_tracker import MlflowTracker

    uri = tracking_uri()
    if uri is None:
        return None
    return lambda before, jobs, dry_run: MlflowTracker(uri, object_store("")).forget(before, jobs, dry_run)


def model_registry() -> Any:
    """A boto3 client of SageMaker, as ``aws_default`` says. Call it from a running task only."""
    return client("sagemaker")


def _address(connection: Any) -> str:
    """``https://login:password@host:port``; empty without a host."""
    host = connection.host
    if not host:
        return ""
    scheme, _, place = host.rpartition("://")
    who = ":".join(quote(part, safe="") for part in (connection.login, connection.password) if part)
    port = f":{connection.port}" if connection.port else ""
    return f"{scheme or connection.schema or 'https'}://{who and f'{who}@'}{place}{port}"
