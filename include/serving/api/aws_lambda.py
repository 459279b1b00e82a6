"""The handler as an AWS Lambda function behind an HTTP API of API Gateway (payload format 2.0).

The gateway asks for a signature of IAM and limits the rate. Whoever it lets through is named in the event; an
event that names nobody is refused. The machine code of the kernels lies in the image, which is read only, and
numba keeps code only in a folder that it may write to: `prepare` copies it to one.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from include.serving.api import access, records, settings
from include.serving.api.handler import Handler, Head, Reply
from include.serving.api.problems import Problem

COMPILED = "BQX_KERNELS"  # variable that names the folder with the machine code in the image
CACHE = "NUMBA_CACHE_DIR"  # variable that names where it is used

SCHEDULE = "bqx.keep-warm"  # of the event that comes every minute; the gateway's events have no source

Event = Mapping[str, Any]


def begin(variables: Mapping[str, str]) -> None:
    """Do everything that the first request would wait for; what is missing then, that request is told."""
    prepare(variables)
    try:
        serving().warm()
    except Problem as problem:
        records.log.warning("not ready", extra={"told": {"reason": problem.message}})


def prepare(variables: Mapping[str, str]) -> None:
    """Bring the machine code of the kernels to where numba may use it; before anything imports numba."""
    compiled, used = variables.get(COMPILED), variables.get(CACHE)
    if compiled and used and not Path(used).exists():
        shutil.copytree(compiled, used)


def answer(event: Event, context: object) -> dict[str, Any]:
    """Answer an event; ``answer`` is the function that the image names."""
    return answered(serving(), event)


def answered(handler: Handler, event: Event) -> dict[str, Any]:
    """What a handler says to an event, in the gateway's form; to the schedule's, how many models are warm."""
    if event.get("source") == SCHEDULE:
        handler.write_captures()  # a function stands still between two events, its threads too
        return {"warm": handler.keep_warm()}
    told = event.get("requestContext", {})
    http = told.get("http", {})
    caller = (told.get("authorizer") or {}).get("iam", {}).get("userArn") or ""
    headers = {str(name).lower(): str(value) for name, value in event.get("headers", {}).items()}
    path = str(event.get("rawPath", ""))
    stage = f"/{told.get('stage', '')}"
    if stage != "/$default" and path.startswith(f"{stage}/"):
        path = path.removeprefix(stage)
    reply = handler.answer(Head(str(http.get("method", "")), path, headers, str(caller)), _body(event))
    return _of(reply)


@cache
def serving() -> Handler:
    """The handler of this process, made once."""
    from include.serving.api.assembly import make_handler

    records.to_standard_output()
    told = settings.read(os.environ, _secret)
    # A function answers one request at a time; the rate of all is limited by the gateway.
    return make_handler(told._replace(threads=1, room=1), access.known_caller)


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error:
            return b""
    return str(body).encode()


def _of(reply: Reply) -> dict[str, Any]:
    return {
        "statusCode": reply.status,
        "headers": reply.headers,
        "body": reply.body.decode(),
        "isBase64Encoded": False,
    }


def _secret(name: str) -> str:
    import boto3

    client = boto3.client("secretsmanager")
    return str(client.get_secret_value(SecretId=name)["SecretString"])
