"""InvokeEndpoint: a request to a model of an endpoint, and its answer or error as SageMaker writes it."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from werkzeug.wrappers import Response

from local.aws.call import Call
from local.aws.errors import ServiceError
from local.aws.hosting.hosting import Hosting
from local.aws.hosting.instance import Reply
from local.aws.hosting.metrics import Metrics, Place
from local.aws.settings import ACCOUNT

LARGEST = 6_291_456  # bytes of a body
_HEADER = "HTTP_X_AMZN_SAGEMAKER_"


class ModelError(ServiceError):
    """A model answered with an error.

    Args:
        reply: of the container.
        endpoint: its name.
        region: of AWS.
    """

    def __init__(self, reply: Reply, endpoint: str, region: str) -> None:
        side = "client" if 400 <= reply.status < 500 else "server"
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self._original = reply.status, reply.body.decode(errors="replace")
        self._stream = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"
        super().__init__(
            "ModelError",
            f'Received {side} error ({reply.status}) from model with message "{self._original[1]}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:"
            f"group={group} in account {ACCOUNT} for more information.",
            424,
        )

    def body(self, protocol: str) -> tuple[bytes, dict[str, str]]:
        """As of `ServiceError`, with what the model said."""
        told, headers = super().body(protocol)
        status, message = self._original
        more = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": self._stream}
        return json.dumps(json.loads(told) | more).encode(), headers


class Runtime:
    """Answers the requests to models.

    Args:
        hosting: the endpoints.
        metrics: of them.
    """

    def __init__(self, hosting: Hosting, metrics: Metrics) -> None:
        self._hosting, self._metrics = hosting, metrics

    def answer(self, call: Call, environ: dict[str, Any]) -> Response:
        """The answer of a model.

        Raises:
            ServiceError: ValidationError, ModelError or ServiceUnavailable.
        """
        began = time.perf_counter()
        name = call.endpoint
        target = environ.get(f"{_HEADER}TARGET_MODEL", "")
        if len(call.body) > LARGEST:
            raise ServiceError("ValidationError", f"The body has more than {LARGEST} bytes.", 413)
        if not target:
            raise ServiceError(
                "ValidationError", f"Request {secrets.token_hex(16)} is missing a target model header."
            )
        headers = {
            "Content-Type": environ.get("CONTENT_TYPE") or "application/octet-stream",
            "Accept": environ.get("HTTP_ACCEPT") or "*/*",
        }
        variant = environ.get(f"{_HEADER}TARGET_VARIANT", "")
        place, instances, told = self._hosting.invoke(name, variant, target, call.body, headers)
        self._count(place, instances, told.reply, told.times, told.hit, began)
        if told.reply.status != 200:
            raise ModelError(told.reply, name, call.region)
        answered = {"x-Amzn-Invoked-Production-Variant": place.variant}
        return Response(told.reply.body, 200, answered, content_type=told.reply.kind)

    def _count(
        self, place: Place, instances: int, reply: Reply, times: dict[str, float], hit: bool, began: float
    ) -> None:
        total = (time.perf_counter() - began) * 1e6
        of_model = times.get("ModelLatency", 0.0) + times.get("ModelLoadingWaitTime", 0.0)
        times["OverheadLatency"] = max(total - of_model, 0.0)
        self._metrics.invocation(place, instances, reply.status or 500, times, hit)
