"""The server: one front for all services, and what stands behind it."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Iterable
from functools import partial
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response

from local.aws.call import CLOUDWATCH, COST_EXPLORER, INVOKE, SAGEMAKER, Call, read
from local.aws.errors import CBOR, JSON, QUERY, ServiceError
from local.aws.journal import Journal
from local.aws.logs import LogBook
from local.aws.proxy import forget, forward
from local.aws.rules import Rule, Rules
from local.aws.settings import HOST, Settings
from local.aws.topics import make_topic
from local.signature import Signature
from local.stand_in import own


class Handler(WSGIRequestHandler):
    """Gives the front what WSGI takes away: the path and the headers as they came."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body leave one after the other, and must not wait

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

    Attributes:
        cloudwatch: the metrics and alarms.
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
        for topic in settings.topics:
            self._logs.services.on_load.append(partial(make_topic, arn=topic))
        self._behind()
        self._began = True

    def _behind(self) -> None:
        from local.aws.bill import Bill
        from local.aws.cloudwatch.service import CloudWatch
        from local.aws.control import Control
        from local.aws.hosting.control import HostingControl
        from local.aws.hosting.fleet import Tools
        from local.aws.hosting.hosting import Hosting
        from local.aws.hosting.kinds import CONFIG, ENDPOINT, MODEL
        from local.aws.hosting.metrics import Metrics
        from local.aws.hosting.runtime import Runtime
        from local.aws.kinds import TRAINING_JOB, TUNING_JOB
        from local.aws.runner import Runner
        from local.aws.storage import Storage
        from local.aws.store import Store
        from local.aws.tuner import Tuner

        self._store = Store(self.settings.folder / "jobs.sqlite", TRAINING_JOB)
        self._tunings = Store(self.settings.folder / "tunings.sqlite", TUNING_JOB)
        self._storage = Storage(self.settings.s3, self.settings.key_id, self.settings.secret)
        self._runner = Runner(self.settings, self._store, self._storage, self._logs, self.endpoint)
        self._tuner = Tuner(self._tunings, self._store, self._runner)
        models, configs, endpoints = (
            Store(self.settings.folder / f"{kind.resource}s.sqlite", kind)
            for kind in (MODEL, CONFIG, ENDPOINT)
        )
        self._hosted = models, configs, endpoints
        services = self._logs.services
        self.cloudwatch = CloudWatch(self.settings, services.publish)
        metrics = Metrics(self.cloudwatch.put, self.settings.clock)
        self._bill = Bill(self._store, endpoints, self.cloudwatch.count_alarms, self.settings.clock)
        self._hosting = Hosting(
            Tools(
                self.settings,
                endpoints,
                self._storage,
                self._rules,
                metrics,
                services,
                self.cloudwatch.alarm_state,
            )
        )
        self._runtime = Runtime(self._hosting, metrics)
        self._control = Control(
            self.settings,
            self._store,
            self._tunings,
            self._storage,
            self._runner,
            self._tuner,
            HostingControl(self.settings, self._hosted, self._storage, self._hosting),
        )
        self._runner.recover()
        self._tuner.recover()
        self._hosting.recover()
        self.cloudwatch.start()

    @property
    def endpoint(self) -> str:
        """What clients call ``endpoint_url``."""
        return f"http://{HOST}:{self.server_port}"

    def server_close(self) -> None:
        """End the jobs' processes, give port and folder back."""
        super().server_close()
        if self._began:  # werkzeug closes a first socket of its own while it is made, and again at the end
            self._began = False
            self._hosting.close()
            self.cloudwatch.close()
            self._tuner.close()
            self._runner.close()
            self._logs.services.close()
            self._storage.close()
            self._store.close()
            for store in (self._tunings, *self._hosted):
                store.close()
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
        self._authorize(call, environ)
        if call.operation == INVOKE:
            return self._runtime.answer(call, environ)
        if call.service in SAGEMAKER:
            return Response(self._control.answer(call), content_type="application/x-amz-json-1.1")
        if call.service == CLOUDWATCH:
            return Response(self.cloudwatch.answer(call), content_type="application/x-amz-json-1.0")
        if call.service == COST_EXPLORER:
            return Response(self._bill.answer(call), content_type="application/x-amz-json-1.1")
        return self._logs.services.answer(environ)

    def _authorize(self, call: Call, environ: dict[str, Any]) -> None:
        if call.key_id != self.settings.key_id:
            raise _wrong_key(call)
        method, target, headers = environ["REQUEST_METHOD"], environ["bqx.path"], environ["bqx.headers"]
        signature = Signature.of(target, headers)
        if signature is None or not signature.fits(
            method, target, headers, call.digest, self.settings.secret
        ):
            raise _wrong_signature(call)

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


def _wrong_signature(call: Call) -> ServiceError:
    code = "InvalidSignatureException" if call.protocol in (JSON, CBOR) else "SignatureDoesNotMatch"
    return ServiceError(code, "The signature is not that of the key. Check your secret access key.", 403)


def _wrong_key(call: Call) -> ServiceError:
    code = "UnrecognizedClientException" if call.protocol in (JSON, CBOR) else "InvalidClientTokenId"
    assert call.protocol in (JSON, CBOR, QUERY)
    return ServiceError(code, "The security token included in the request is invalid.", 403)
