"""The small services: moto in this process, loaded when somebody asks for the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from local.aws.settings import ACCOUNT

GROUP = "/aws/sagemaker/TrainingJobs"


class Line(NamedTuple):
    """One line of a job's output.

    Attributes:
        moment: milliseconds since the epoch.
        text: without the end of the line.
    """

    moment: int
    text: str


class SmallServices:
    """Moto behind one lock, for its stores are made for one thread.

    Args:
        on_load: called with this object, under the lock, when moto has been loaded.
    """

    def __init__(self, on_load: Callable[[SmallServices], None]) -> None:
        self.lock = threading.RLock()
        self._on_load = on_load
        self._app: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether anybody has asked for a small service yet."""
        return self._app is not None

    def answer(self, environ: dict[str, Any]) -> Response:
        """What moto answers."""
        with self.lock:
            self._load()
            return Response.from_app(self._app, environ, buffered=True)

    def put_log(self, region: str, stream: str, lines: Iterable[Line]) -> None:
        """Add lines to a stream of the training jobs; makes group and stream if they are not there."""
        from moto.logs.models import logs_backends

        events = [{"timestamp": line.moment, "message": line.text} for line in lines]
        with self.lock:
            backend = logs_backends[ACCOUNT][region]
            backend.ensure_log_group(GROUP)
            backend.ensure_log_stream(GROUP, stream)
            if events:
                backend.put_log_events(GROUP, stream, events)

    def close(self) -> None:
        """Forget what the services hold: moto keeps it for the process, not for one server."""
        with self.lock:
            if self._app is not None:
                from moto.moto_api._internal.models import moto_api_backend

                moto_api_backend.reset()

    def _load(self) -> None:
        if self._app is None:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

            self._app = DomainDispatcherApplication(create_backend_app)
            self._on_load(self)
