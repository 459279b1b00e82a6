"""All endpoints: their threads, what asks them, and what is done for them once a second."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping

from local.aws.hosting import documents
from local.aws.hosting.endpoint import Endpoint, absent
from local.aws.hosting.fleet import Tools, clean
from local.aws.hosting.instance import Invocation
from local.aws.hosting.kinds import ENDPOINT, IN_SERVICE
from local.aws.hosting.metrics import Place
from local.aws.hosting.scaling import Scaling
from local.aws.store import Document

PERIOD = 1.0  # seconds between two hand-overs of metrics, and two looks of the scaling at them
PATIENCE = 5.0  # seconds for the threads to end when the server stops


class Hosting:
    """Keeps the endpoints of a store.

    Args:
        tools: what they share.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.scaling = Scaling(tools, self.scale)
        self._minder = threading.Thread(target=self._mind, daemon=True)

    def recover(self) -> None:
        """Start the endpoints that were there when the server ended."""
        clean(self._tools.settings)
        for document in self._tools.endpoints.all():
            self.start(ENDPOINT.name(document))
        self._minder.start()

    def start(self, name: str) -> None:
        """Keep an endpoint of the store."""
        with self._lock:
            self._endpoints = {each: kept for each, kept in self._endpoints.items() if kept.is_alive}
            self._endpoints[name] = Endpoint(name, self._tools)

    def wake(self, name: str) -> None:
        """Let an endpoint look at its document."""
        with self._lock:
            endpoint = self._endpoints.get(name)
        if endpoint is not None:
            endpoint.wake.set()

    def scale(self, name: str, variant: str, count: int) -> None:
        """Let a variant have so many instances, if nothing else is being done."""

        def change(endpoint: Document) -> None:
            if ENDPOINT.status(endpoint) == IN_SERVICE:
                documents.wish(endpoint, {variant: {documents.COUNT: count}})

        self._tools.endpoints.change(name, change)
        self.wake(name)

    def invoke(
        self, name: str, variant: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Place, int, Invocation]:
        """Ask a model of an endpoint; see `Endpoint.invoke`."""
        with self._lock:
            endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise absent(name)
        return endpoint.invoke(variant, target, body, headers)

    def processes(self, name: str) -> list[int]:
        """Process numbers of an endpoint's instances."""
        return self._endpoints[name].processes

    def close(self) -> None:
        """End every process. The endpoints stay as they are, for `recover`."""
        self._closing.set()
        with self._lock:
            endpoints = list(self._endpoints.values())
        for endpoint in endpoints:
            endpoint.closing.set()
            endpoint.wake.set()
        for endpoint in endpoints:
            endpoint.join(PATIENCE)
        if self._minder.is_alive():
            self._minder.join(PATIENCE)
        self.scaling.look()

    def _mind(self) -> None:
        while not self._closing.wait(PERIOD):
            try:
                self._tools.metrics.flush()
                self.scaling.step()
            except Exception:  # the next second is another one
                traceback.print_exc()
