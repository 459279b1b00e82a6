"""SageMaker's control plane: one method for each operation that the stand-in has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from local.aws import channels, jobs, listing, model, refusals
from local.aws.call import Call
from local.aws.errors import ServiceError
from local.aws.hosting.control import HostingControl
from local.aws.kinds import TRAINING_JOB
from local.aws.packages import Packages
from local.aws.refusals import Throttle
from local.aws.runner import Runner
from local.aws.settings import Settings
from local.aws.storage import Storage
from local.aws.store import Document, Store
from local.aws.tuner import Tuner
from local.aws.tuning_control import TuningControl

MOST_TAGS = 50

Parameters = dict[str, Any]


class Control:
    """Answers the requests for SageMaker.

    Args:
        settings: of the server.
        store: of the training jobs.
        tunings: of the tuning jobs.
        storage: S3, to see whether inputs are there.
        runner: runs the training jobs.
        tuner: runs the tuning jobs.
        hosting: answers the requests about endpoints.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        tunings: Store,
        storage: Storage,
        runner: Runner,
        tuner: Tuner,
        hosting: HostingControl,
    ) -> None:
        self._settings, self._store, self._storage, self._runner = settings, store, storage, runner
        self._stores = {each.kind.resource: each for each in (store, tunings, *hosting.stores)}
        self._throttle = Throttle(settings.rate)
        self._operations: dict[str, Callable[[Parameters, Call], Document | None]] = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "ListTrainingJobs": self._list,
            "DeleteTrainingJob": self._delete,
            **TuningControl(settings, store, tunings, storage, tuner).operations,
            **hosting.operations,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
            **Packages(settings.folder / "registry.sqlite").operations,
        }

    def answer(self, call: Call) -> bytes:
        """The body of the answer.

        Raises:
            ServiceError: the request is refused.
        """
        self._throttle.enter(call.operation)
        try:
            parameters = json.loads(call.body or b"{}")
        except ValueError as error:
            raise ServiceError("SerializationException", f"The body is no JSON: {error}") from error
        if call.operation not in self._operations:
            self._refuse(call)
        model.check(call.operation, parameters)
        answer = self._operations[call.operation](parameters, call)
        return json.dumps(model.cut(call.operation, answer)).encode() if answer is not None else b""

    def _refuse(self, call: Call) -> None:
        known = ", ".join(self._operations)
        raise ServiceError(
            "NotImplementedException",
            f"The stand-in of SageMaker does not have {call.operation}. It has {known}.",
            501,
        )

    def _create(self, asked: Parameters, call: Call) -> Document:
        refusals.check(asked, self._settings)
        job = jobs.new(asked, call.region)
        channels.check(job, self._storage)
        self._runner.add(job)
        return {"TrainingJobArn": job["TrainingJobArn"]}

    def _describe(self, asked: Parameters, call: Call) -> Document:
        return self._store.get(asked["TrainingJobName"])

    def _stop(self, asked: Parameters, call: Call) -> None:
        self._runner.stop(asked["TrainingJobName"])

    def _delete(self, asked: Parameters, call: Call) -> None:
        self._store.delete(asked["TrainingJobName"])

    def _list(self, asked: Parameters, call: Call) -> Document:
        return listing.page(self._store.all(), asked)

    def _add_tags(self, asked: Parameters, call: Call) -> Document:
        def add(job: Document) -> dict[str, str]:
            tags: dict[str, str] = job["tags"] | {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
            if len(tags) > MOST_TAGS:
                raise ServiceError("ResourceLimitExceeded", f"A resource has at most {MOST_TAGS} tags.")
            job["tags"] = tags
            return tags

        store, name = self._named(asked)
        return {"Tags": _tags(store.change(name, add))}

    def _list_tags(self, asked: Parameters, call: Call) -> Document:
        store, name = self._named(asked)
        return {"Tags": _tags(store.get(name)["tags"])}

    def _delete_tags(self, asked: Parameters, call: Call) -> Document:
        def delete(job: Document) -> None:
            for name in asked["TagKeys"]:
                job["tags"].pop(name, None)

        store, name = self._named(asked)
        store.change(name, delete)
        return {}

    def _named(self, asked: Parameters) -> tuple[Store, str]:
        """The store that a resource belongs to, and its name there."""
        kind, _, name = asked["ResourceArn"].rpartition(":")[2].partition("/")
        if kind not in self._stores:
            raise TRAINING_JOB.missing(name)
        return self._stores[kind], str(name)


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]
