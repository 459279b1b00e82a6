"""What the endpoint answers to a request, or why it does not."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError

from include.serving.api.problems import Problem, mismatch, stale, unavailable
from include.serving.api.records import log
from include.serving.container import wire

CONNECTING, READING = 0.5, 1.5  # seconds, of one try
_OTHER_MODEL = (wire.VERSION, wire.FEATURES)


def client(connections: int, **options: Any) -> Any:
    """A client of ``sagemaker-runtime`` that tries once, and never waits longer than a request may.

    Args:
        connections: that are kept open.
        options: of ``boto3.client``.
    """
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=CONNECTING,
        read_timeout=READING,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
    )
    return boto3.client("sagemaker-runtime", config=settings, **options)


def invoke(client: Any, endpoint: str, target: str, body: bytes, request_id: str) -> bytes:
    """Ask the endpoint.

    Args:
        client: of ``sagemaker-runtime``.
        endpoint: its name.
        target: the model's archive below the endpoint's folder.
        body: from `wire.request`.
        request_id: shown in the logs of SageMaker.

    Raises:
        Problem: the endpoint does not answer, or refuses.
    """

    def ask() -> bytes:
        answer = client.invoke_endpoint(
            EndpointName=endpoint,
            TargetModel=target,
            ContentType=wire.CONTENT_TYPE,
            Accept=wire.CONTENT_TYPE,
            InferenceId=request_id,
            Body=body,
        )
        read: bytes = answer["Body"].read()
        return read

    try:
        try:
            return ask()
        except ConnectionClosedError:  # a connection that was kept was closed just when it was used again
            return ask()
    except ClientError as error:
        raise _refusal(error, endpoint, target) from error
    except (BotoCoreError, HTTPClientError) as error:
        _note(f"{type(error).__name__}: {error}", target)
        raise unavailable("endpoint", f"The endpoint {endpoint} does not answer, or not in time.") from error


def _refusal(error: ClientError, endpoint: str, target: str) -> Problem:
    told: Any = error.response
    code = told["Error"]["Code"]
    _note(str(error), target)
    if code == "ModelError":
        refused = wire.read_error(str(told.get("OriginalMessage", "")))
        if refused is not None and refused.code == wire.MISSING:
            return stale(refused.code, refused.message)
        if refused is not None and refused.code in _OTHER_MODEL:
            return mismatch(f"The endpoint holds another model than {target}: {refused.message}")
    return unavailable("endpoint", f"The endpoint {endpoint} has no answer of {target} ({code}).")


def _note(reason: str, target: str) -> None:
    log.warning("endpoint", extra={"told": {"target": target, "reason": reason[:500]}})
