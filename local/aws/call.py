"""What a request asks for: service, operation, region and key, whichever protocol it comes in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from werkzeug.wsgi import get_input_stream

from local.aws.errors import CBOR, JSON, QUERY, REST

_SCOPE = re.compile(r"Credential=([^/,\s]+)/[^/]*/([^/]*)/([^/]*)/aws4_request")
_NAMES = (
    "TrainingJobName", "HyperParameterTuningJobName", "ResourceArn", "EndpointName", "EndpointConfigName",
    "ModelName",
)  # fmt: skip
SAGEMAKER = ("sagemaker", "sagemaker-runtime")  # both sign as the first; a scope may still say the second
CLOUDWATCH = "monitoring"  # as CloudWatch signs
COST_EXPLORER = "ce"
INVOKE = "InvokeEndpoint"
_INVOCATION = re.compile(r"/endpoints/([^/?]+)/invocations")
_RPC = re.compile(r"/service/[^/]+/operation/([^/?]+)")


class Call(NamedTuple):
    """One request.

    Attributes:
        service: of the signature's scope; ``s3`` for what is not signed.
        operation: name of the operation; the method for S3 and other services without a name in the request.
        region: of the scope.
        key_id: that signed it, empty for none.
        protocol: in which an error is written.
        body: what was sent, empty for S3 whose bodies are passed on unread.
        endpoint: whose model is asked; empty for other requests.
        digest: SHA-256 of the body as it came.
    """

    service: str
    operation: str
    region: str
    key_id: str
    protocol: str
    body: bytes = b""
    endpoint: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The job or endpoint a request of SageMaker is about; empty if it is about none."""
        if self.operation == INVOKE:
            return self.endpoint
        with suppress(ValueError, AttributeError):
            parameters = json.loads(self.body or b"{}")
            named = [parameters[name] for name in _NAMES if parameters.get(name)]
            return str(named[0]).rpartition("/")[2] if named else ""
        return ""


def read(environ: dict[str, Any]) -> Call:
    """The call of a request; puts what was read of its body back."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    key_id, region, service = scope.groups() if scope else ("", "", "s3")
    if service == "s3":
        return Call(service, method, region, key_id, REST)
    body = get_input_stream(environ).read()
    digest = hashlib.sha256(body).hexdigest()
    if environ.pop("HTTP_CONTENT_ENCODING", "") == "gzip":  # boto3 makes large requests to CloudWatch smaller
        body = gzip.decompress(body)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    invocation = _INVOCATION.fullmatch(path) if service in SAGEMAKER else None
    if invocation and method == "POST":
        return Call(service, INVOKE, region, key_id, JSON, body, invocation[1], digest)
    operation, protocol = _operation(environ, body)
    return Call(service, operation, region, key_id, protocol, body, digest=digest)


def _operation(environ: dict[str, Any], body: bytes) -> tuple[str, str]:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2], JSON
    path = environ.get("PATH_INFO", "")
    if match := _RPC.search(path):
        return match[1], CBOR
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        return parse_qs(body.decode(errors="replace")).get("Action", [""])[0], QUERY
    return environ["REQUEST_METHOD"], JSON
