"""Clients of AWS, as an Airflow connection says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config


def client(
    service: str, conn_id: str | None = None, region: str | None = None, config: Config | None = None
) -> Any:
    """A boto3 client with the credentials, region and endpoint of a connection. For running tasks only.

    It is made from the hook's session. The hook's own ``get_conn`` names the calling operator in the user
    agent and looks for it with ``inspect.stack()``, which made the stage of features 15 % longer.

    Args:
        service: as boto3 calls it, ``s3``.
        conn_id: the connection; ``aws_default`` if not given.
        region: instead of the connection's.
        config: what differs from the connection's configuration.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    from include import settings

    hook = AwsBaseHook(
        aws_conn_id=conn_id or settings.AWS_CONNECTION, client_type=service, region_name=region
    )
    return hook.get_session().client(
        service,
        endpoint_url=hook.conn_config.get_service_endpoint_url(service_name=service),
        config=hook.config.merge(config) if config else hook.config,
        verify=hook.verify,
    )
