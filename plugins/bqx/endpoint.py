"""Clients of AWS for serving, and what Variables say about the endpoint."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Variable

from bqx.aws import client

TIMEOUT_SECONDS = 10  # of a request to the endpoint: far longer than any answer that is still of use


def endpoint_name() -> str:
    """Name of the endpoint. Call it from a running task only."""
    from include import settings

    return str(Variable.get(settings.ENDPOINT_VARIABLE, default=None) or settings.ENDPOINT)


def serving_account() -> Any:
    """Bucket, image, role and region of the endpoint, as the Airflow Variables and ``aws_default`` say.

    AWS has one image of XGBoost for training and serving, so that of training serves unless another is named.

    Returns:
        An ``include.training.requests.Account``.

    Raises:
        MissingInput: a Variable is not set.
    """
    from bqx.objects import object_store
    from include import settings
    from include.serving.requests import checked_account

    image, same, role = (
        str(Variable.get(name, default=None) or "")
        for name in (
            settings.SERVING_IMAGE_VARIABLE,
            settings.TRAINING_IMAGE_VARIABLE,
            settings.SAGEMAKER_ROLE_VARIABLE,
        )
    )
    store = object_store("")
    return checked_account(store.bucket, image or same, role, str(store.client.meta.region_name))


def serving_clients() -> Any:
    """Clients as ``aws_default`` says, an ``include.serving.endpoint.Clients``."""
    from include.serving.endpoint import Clients

    return Clients(*(client(name) for name in ("sagemaker", "cloudwatch", "application-autoscaling")))


def monitoring_clients() -> Any:
    """Clients as ``aws_default`` says, an ``include.monitoring.steps.Clients``."""
    from include.monitoring.steps import Clients

    return Clients(*(client(name) for name in ("cloudwatch", "ce", "sagemaker")))


def runtime() -> Any:
    """A client that asks the endpoint. It tries once: a second try would hide how slow the first one was."""
    from botocore.config import Config

    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=TIMEOUT_SECONDS,
        connect_timeout=TIMEOUT_SECONDS,
        max_pool_connections=64,
    )
    return client("sagemaker-runtime", config=config)
