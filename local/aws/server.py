"""The server: one front for all services, and what stands behind it."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Iterable
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response

from local.aws.call import Call, read
from local.aws.errors import CBOR, JSON, QUERY, ServiceError
from local.aws.journal import Journal
from local.aws.logs import LogBook
from local.aws.proxy import forget, forward
from local.aws.rules import Rule, Rules
from local.aws.settings import HOST, Settings
from local.stand_in import own

SAGEMAKER = ("sagemaker", "sagemaker-runtime")  # both sign as the first; a scope may still say the second


class Handler(WSGIRequestHandler):
    """Gives the front what WSGI takes away: the path and the headers as they came."""

    protocol_version = "HTTP/1.1"

    def make_environ(self) -> dict[str, Any]:
        """The environment of a request."""
        return super().make_environ() | {"bqx.path": self.path, "bqx.headers": self.headers}

    def log(self, kind: str, message: str, *details: Any) -> None:
        """Silence: the journal has every request."""


class Server(ThreadedWSGIServer):
    """Serves the AWS of one folder.

    Args:
        settings: folder, address of S3 and the rest.
        port: 0 for any that is free.
    """

    request_queue_size = 128
    _began = False

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.settings = settings
        self._owner = own(settings.folder)
        try:  # werkzeug would end the process if the port is taken
            listener = socket.create_server((HOST, port), backlog=self.request_queue_size)
        except OSError:
            self._owner.close()
            raise
        with listener:
            super().__init__(HOST, port, self._answer, Handler, fd=listener.fileno())
        self.server_port = self.port
        for folder in (settings.interrupts, settings.roots, settings.logs):
            folder.mkdir(exist_ok=True)
        self._rules, self._journal = Rules(settings.faults), Journal(settings.requests)
        self._logs = LogBook(settings.logs)
        self._behind()
        self._began = True

    def _behind(self) -> None:
        from local.aws.control import Control
        from local.aws.kinds import TRAINING_JOB, TUNING_JOB
        from local.aws.runner import Runner
        from local.aws.storage import Storage
        from local.aws.store import Store
        from local.aws.tuner import Tuner

        self._store = Store(self.settings.folder / "jobs.sqlite", TRAINING_JOB)
        self._tunings = Store(self.settings.folder / "tunings.sqlite", TUNING_JOB)
        self._storage = Storage(self.settings.s3, self.settings.key_id)
        self._runner = Runner(self.settings, self._store, self._storage, self._logs, self.endpoint)
        self._tuner = Tuner(self._tunings, self._store, self._runner)
        self._control = Control(
            self.settings, self._store, self._tunings, self._storage, self._runner, self._tuner
        )
        self._runner.recover()
        self._tuner.recover()

    @property
    def endpoint(self) -> str:
        """What clients call ``endpoint_url``."""
        return f"http://{HOST}:{self.server_port}"

    def server_close(self) -> None:
        """End the jobs' processes, give port and folder back."""
        super().server_close()
        if self._began:  # werkzeug closes a first socket of its own while it is made
            self._tuner.close()
            self._runner.close()
            self._logs.services.close()
            self._storage.close()
            self._store.close()
            self._tunings.close()
            self._owner.close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = read(environ)
        rule = None
        try:
            rule = self._rules.draw(call.service, call.operation)
            response = self._done(call, environ) if rule is None else self._troubled(rule, call, environ)
        except ServiceError as error:
            response = _refusal(call, error)
        except Exception as error:
            traceback.print_exc()
            response = _refusal(
                call, ServiceError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            )
        self._journal.note(call, response.status_code, fault=rule is not None and rule.error is not None)
        return response(environ, start_response)

    def _done(self, call: Call, environ: dict[str, Any]) -> Response:
        if call.service == "s3":
            return forward(environ, self.settings.s3)
        if call.service != "moto-api" and call.key_id != self.settings.key_id:
            raise _wrong_key(call)
        if call.service in SAGEMAKER:
            return Response(self._control.answer(call), content_type="application/x-amz-json-1.1")
        return self._logs.services.answer(environ)

    def _troubled(self, rule: Rule, call: Call, environ: dict[str, Any]) -> Response:
        time.sleep(rule.delay)
        if rule.error is None:
            return self._done(call, environ)
        if rule.applied:
            response = self._done(call, environ)
            for _ in response.response:  # the S3 stand-in is through with it at the end
                pass
            response.close()
        elif call.service == "s3":
            forget(environ)
        return _refusal(call, rule.error)


def _refusal(call: Call, error: ServiceError) -> Response:
    body, headers = error.body(call.protocol)
    return Response(body, error.status, headers)


def _wrong_key(call: Call) -> ServiceError:
    code = "UnrecognizedClientException" if call.protocol in (JSON, CBOR) else "InvalidClientTokenId"
    assert call.protocol in (JSON, CBOR, QUERY)
    return ServiceError(code, "The security token included in the request is invalid.", 403)
