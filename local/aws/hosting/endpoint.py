"""One endpoint: a thread that brings its instances to what its document says, and answers for them.

A rule of a fault may disturb every step: its service is ``hosting``, its operation Create, Update, Rollback,
Scale or Delete. A rule with a status lets the step fail, one with a delay lets it take so long. Two more are
looked for all the time: Maintain has AWS maintain the endpoint for the delay of the rule, Outage takes it out
of service as long as the rule is there.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.errors import ServiceError
from local.aws.hosting import documents
from local.aws.hosting.fleet import Failure, Fleet, Tools
from local.aws.hosting.instance import Gone, Invocation
from local.aws.hosting.kinds import (
    ANSWERING,
    CREATING,
    DELETING,
    ENDPOINT,
    FAILED,
    IN_SERVICE,
    OUT_OF_SERVICE,
    ROLLING_BACK,
    SYSTEM_UPDATING,
    UPDATE_ROLLBACK_FAILED,
    UPDATING,
)
from local.aws.hosting.metrics import Place
from local.aws.rules import Rule
from local.aws.settings import ACCOUNT
from local.aws.store import Document

SERVICE = "hosting"  # of the rules
POLL = 0.1  # seconds between two looks at document and processes
PATIENCE = 60.0  # seconds for which a request waits for instances that are started again


class _Closing(Exception):
    """The server stops: the endpoint goes on at its next start."""


class Endpoint:
    """Keeps an endpoint of the store, in a thread of its own.

    Args:
        name: of the endpoint.
        tools: shared.

    Attributes:
        wake: set when its document was changed.
        closing: set when the server stops.
    """

    def __init__(self, name: str, tools: Tools) -> None:
        self._endpoint, self._tools = name, tools
        self.wake, self.closing = threading.Event(), threading.Event()
        self._fleets: dict[str, Fleet] = {}
        self._weights: dict[str, float] = {}
        self._open = threading.Event()
        self._deleted = False  # another endpoint of that name is kept by another thread
        self._steps: Mapping[str, Callable[[Document], None]] = {
            CREATING: self._create,
            UPDATING: self._update,
            ROLLING_BACK: self._roll_back,
            SYSTEM_UPDATING: self._end_maintenance,
            DELETING: self._delete,
            FAILED: lambda document: None,
        }
        self._thread = threading.Thread(target=self._run, name=f"endpoint {name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it is kept; False after it was deleted."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end of its thread."""
        self._thread.join(seconds)

    def _run(self) -> None:
        """Steps, until the endpoint is deleted or the server stops."""
        try:
            while not self.closing.is_set() and self._step() and not self._deleted:
                self.wake.wait(POLL)
                self.wake.clear()
        except _Closing:
            pass
        finally:
            self._open.clear()
            for fleet in self._fleets.values():
                fleet.kill()

    @property
    def processes(self) -> list[int]:
        """Process numbers of its instances."""
        return [pid for fleet in self._fleets.values() for pid in fleet.processes]

    def invoke(
        self, variant: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Place, int, Invocation]:
        """Ask a model.

        Args:
            variant: TargetVariant; empty for one by weight.
            target: TargetModel.
            body: of the request.
            headers: content type and what is accepted.

        Returns:
            Where it was asked, the number of instances there, and the answer.

        Raises:
            ServiceError: the endpoint or the model is not there, or does not answer.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            if not self._open.is_set():
                patience = deadline - time.monotonic() if self._status() in ANSWERING else 0.0
                if not self._open.wait(patience):
                    raise absent(self._endpoint)
            fleet = self._fleet(variant)
            try:
                answer = fleet.invoke(target, body, headers)
            except Gone as error:
                if time.monotonic() > deadline:
                    told = f"The service is unavailable. ({error})"
                    raise ServiceError("ServiceUnavailable", told, 503) from error
                time.sleep(0.05)  # an update or a new process is about to take over
                continue
            return fleet.place, fleet.count, answer

    def _fleet(self, variant: str) -> Fleet:
        fleets = self._fleets
        if not variant:
            names = list(fleets)
            weights = [self._weights.get(name, 1.0) for name in names]
            variant = names[0] if len(names) == 1 else random.choices(names, weights)[0]
        if variant not in fleets:
            raise ServiceError(
                "ValidationError", f"Variant {variant} of endpoint {self._endpoint} does not exist."
            )
        return fleets[variant]

    def _status(self) -> str:
        document = self._tools.endpoints.find(self._endpoint)
        return "" if document is None else ENDPOINT.status(document)

    def _step(self) -> bool:
        document = self._tools.endpoints.find(self._endpoint)
        if document is None:
            return False
        try:
            self._steps.get(ENDPOINT.status(document), self._tend)(document)
        except Failure as failure:  # instances that died cannot be replaced; the next step tries again
            print(f"endpoint {self._endpoint}: {failure}", flush=True)
        except _Closing:
            raise
        except Exception as error:
            if self.closing.is_set():  # S3 may have ended first
                raise _Closing from error
            traceback.print_exc()
            self._sleep(1.0)
        return True

    def _create(self, document: Document) -> None:
        try:
            self._meet("Create")
            self._take(self._new_fleets(document["deployed"], document["ProductionVariants"], document))
        except Failure as failure:
            self._enter(FAILED, str(failure))
        else:
            self._arrive(IN_SERVICE)

    def _update(self, document: Document) -> None:
        self._ensure(document)
        if "wanted" not in document:
            self._rescale(document)
            return
        fleets: dict[str, Fleet] = {}
        try:
            self._meet("Update")
            fleets = self._new_fleets(document["wanted"], document["wanted_variants"], document)
            self._bake(document)
        except Failure as failure:
            for fleet in fleets.values():
                fleet.kill()
            self._enter(ROLLING_BACK, str(failure))
            self._roll_back(document)
            return
        old = self._take(fleets)
        self._arrive(IN_SERVICE, documents.updated)
        for fleet in old.values():
            fleet.close()

    def _rescale(self, document: Document) -> None:
        wanted = {each["VariantName"]: int(each[documents.COUNT]) for each in document["ProductionVariants"]}
        reason = ""
        try:
            self._meet("Scale")
            for name, fleet in self._fleets.items():
                fleet.scale(wanted[name])
        except Failure as failure:
            reason = str(failure)
            counts = {name: {documents.COUNT: fleet.count} for name, fleet in self._fleets.items()}
            self._change(lambda endpoint: documents.wish(endpoint, counts))
        self._arrive(IN_SERVICE, reason=reason)

    def _roll_back(self, document: Document) -> None:
        """Give an update up: what was deployed before goes on."""
        self._ensure(document)
        try:
            self._meet("Rollback")
        except Failure as failure:
            reason = f"{self._reason()} The rollback failed too: {failure}"
            self._arrive(UPDATE_ROLLBACK_FAILED, documents.not_updated, reason)
        else:
            self._arrive(IN_SERVICE, documents.not_updated)

    def _bake(self, document: Document) -> None:
        """Watch the alarms of an update for its waiting time.

        Raises:
            Failure: one of them is in alarm.
        """
        config = document.get("LastDeploymentConfig") or {}
        alarms = [each["AlarmName"] for each in config.get("AutoRollbackConfiguration", {}).get("Alarms", ())]
        policy = config.get("BlueGreenUpdatePolicy", {})
        wait = policy.get("TerminationWaitInSeconds", 0)
        deadline = time.monotonic() + wait
        while True:
            for name in alarms:
                if self._tools.alarm_state(document["region"], name) == "ALARM":
                    raise Failure(
                        f"One or more configured alarms went into ALARM during the deployment: {name}."
                    )
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._sleep(min(left, POLL))

    def _tend(self, document: Document) -> None:
        """Keep instances alive, and look for what a rule does to the endpoint."""
        self._ensure(document)
        for fleet in self._fleets.values():
            fleet.heal()
            self._tools.metrics.loaded(fleet.place, fleet.loaded)
            for cpu, memory in fleet.used():
                self._tools.metrics.used(fleet.place, cpu, memory)
        if ENDPOINT.status(document) == UPDATE_ROLLBACK_FAILED:
            return
        outage = self._rule("Outage")
        if outage and ENDPOINT.status(document) == IN_SERVICE:
            self._open.clear()
            self._change_if(IN_SERVICE, OUT_OF_SERVICE)
        elif not outage and ENDPOINT.status(document) == OUT_OF_SERVICE:
            self._change_if(OUT_OF_SERVICE, IN_SERVICE)
            self._open.set()
        elif (maintenance := self._rule("Maintain")) and self._change_if(IN_SERVICE, SYSTEM_UPDATING):
            self._sleep(maintenance.delay)
            self._enter(IN_SERVICE)

    def _end_maintenance(self, document: Document) -> None:
        """The server was stopped meanwhile."""
        self._enter(IN_SERVICE)

    def _delete(self, document: Document) -> None:
        self._open.clear()
        try:
            self._meet("Delete")
        except Failure as failure:
            print(f"endpoint {self._endpoint}: {failure}", flush=True)
        for fleet in self._fleets.values():
            fleet.close()
        self._fleets = {}
        self._deleted = True
        self._tools.endpoints.remove(self._endpoint)

    def _ensure(self, document: Document) -> None:
        """Have the instances of what is deployed, after a restart of the server."""
        if not self._fleets:
            self._weigh(document)
            self._take(self._new_fleets(document["deployed"], document["ProductionVariants"], document))
            if ENDPOINT.status(document) == OUT_OF_SERVICE:
                self._open.clear()

    def _new_fleets(
        self, deployment: Mapping[str, Any], variants: list[Document], document: Document
    ) -> dict[str, Fleet]:
        """Fleets with the instances that are wished for."""
        counts = {each["VariantName"]: int(each[documents.COUNT]) for each in variants}
        fleets = {
            variant["VariantName"]: Fleet(self._endpoint, document["region"], variant, self._tools)
            for variant in deployment["variants"]
        }
        try:
            for name, fleet in fleets.items():
                fleet.scale(counts[name])
        except BaseException:
            for fleet in fleets.values():
                fleet.kill()
            raise
        if self.closing.is_set():
            for fleet in fleets.values():
                fleet.kill()
            raise _Closing
        return fleets

    def _take(self, fleets: dict[str, Fleet]) -> dict[str, Fleet]:
        """Let other fleets answer from now on; returns those that did."""
        old, self._fleets = self._fleets, fleets
        self._open.set()
        return old

    def _arrive(
        self, status: str, change: Callable[[Document], None] | None = None, reason: str = ""
    ) -> None:
        counts = {name: fleet.count for name, fleet in self._fleets.items()}

        def arrive(document: Document) -> None:
            if change is not None:
                change(document)
            documents.arrive(document, counts)
            documents.enter(document, status, reason)

        self._change(arrive)
        self._weigh(self._tools.endpoints.get(self._endpoint))

    def _weigh(self, document: Document) -> None:
        self._weights = {
            each["VariantName"]: each["CurrentWeight"] for each in document["ProductionVariants"]
        }

    def _enter(self, status: str, reason: str = "") -> None:
        self._change(lambda document: documents.enter(document, status, reason))

    def _change_if(self, before: str, status: str) -> bool:
        """Enter a status if a request has not changed it meanwhile."""

        def change(document: Document) -> bool:
            fits = ENDPOINT.status(document) == before
            if fits:
                documents.enter(document, status)
            return fits

        return bool(self._change(change))

    def _change(self, change: Callable[[Document], Any]) -> Any:
        return self._tools.endpoints.change(self._endpoint, change)

    def _reason(self) -> str:
        document = self._tools.endpoints.find(self._endpoint) or {}
        return str(document.get("FailureReason", ""))

    def _rule(self, step: str) -> Rule | None:
        return self._tools.rules.draw(SERVICE, step)

    def _meet(self, step: str) -> None:
        """Let a rule disturb a step.

        Raises:
            Failure: it lets the step fail.
        """
        rule = self._rule(step)
        if rule is not None:
            self._sleep(rule.delay)
            if rule.error is not None:
                raise Failure(rule.message)

    def _sleep(self, seconds: float) -> None:
        if self.closing.wait(seconds):
            raise _Closing


def absent(name: str) -> ServiceError:
    """What a request is answered with for which there is no endpoint that answers."""
    return ServiceError("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
