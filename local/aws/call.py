"""What a request asks for: service, operation, region and key, whichever protocol it comes in."""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from werkzeug.wsgi import get_input_stream

from local.aws.errors import CBOR, JSON, QUERY, REST

_SCOPE = re.compile(r"Credential=([^/,\s]+)/[^/]*/([^/]*)/([^/]*)/aws4_request")
_NAMES = ("TrainingJobName", "HyperParameterTuningJobName", "ResourceArn")
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
    """

    service: str
    operation: str
    region: str
    key_id: str
    protocol: str
    body: bytes = b""

    @property
    def name(self) -> str:
        """The job a request of SageMaker is about; empty if it is about none."""
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
    if not scope and path.startswith("/moto-api"):
        return Call("moto-api", method, "", "", JSON)
    if service == "s3":
        return Call(service, method, region, key_id, REST)
    body = get_input_stream(environ).read()
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    operation, protocol = _operation(environ, body)
    return Call(service, operation, region, key_id, protocol, body)


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
