"""Requests for S3, handed on to its stand-in as they are: bodies are streamed in both directions."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from local.aws.errors import ServiceError

BLOCK = 1 << 18
PATIENCE = 120.0  # seconds
_OF_ONE_CONNECTION = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect")


def forward(environ: dict[str, Any], address: str) -> Response:
    """Ask the stand-in and answer what it answers.

    Args:
        environ: of the request, with what `server.Handler` adds: the path and the headers as they came.
        address: of the stand-in.
    """
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    sent = {name: value for name, value in environ["bqx.headers"].items() if _is_passed_on(name)}
    chunked = bool(environ.get("wsgi.input_terminated"))  # its length is not told in advance
    if chunked:
        sent["Transfer-Encoding"] = "chunked"
    try:
        connection.request(
            environ["REQUEST_METHOD"], environ["bqx.path"], _body(environ), sent, encode_chunked=chunked
        )
        answer = connection.getresponse()
    except OSError as error:
        connection.close()
        raise ServiceError("ServiceUnavailable", f"The S3 stand-in does not answer: {error}", 503) from error
    headers = [(name, value) for name, value in answer.getheaders() if _is_passed_on(name)]
    response = Response(_blocks(answer), answer.status, headers)
    response.call_on_close(connection.close)
    return response


def forget(environ: dict[str, Any]) -> None:
    """Read a body that nobody wants: a client that still sends would not see its answer."""
    for _ in _body(environ) or ():
        pass


def _is_passed_on(header: str) -> bool:
    return header.lower() not in _OF_ONE_CONNECTION


def _body(environ: dict[str, Any]) -> Iterator[bytes] | None:
    if "CONTENT_LENGTH" not in environ and not environ.get("wsgi.input_terminated"):
        return None
    return _blocks(get_input_stream(environ))


def _blocks(stream: Any) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block
