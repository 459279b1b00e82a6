"""SageMaker's control plane for tuning jobs: one method for each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.aws import channels, listing, refusals, tuning
from local.aws.call import Call
from local.aws.kinds import TUNING_JOB
from local.aws.settings import Settings
from local.aws.storage import Storage
from local.aws.store import Document, Store
from local.aws.tuner import Tuner

Parameters = dict[str, Any]


class TuningControl:
    """Answers the requests about tuning jobs.

    Args:
        settings: of the server.
        trainings: store of the training jobs.
        store: of the tuning jobs.
        storage: S3, to see whether inputs are there.
        tuner: runs the tuning jobs.

    Attributes:
        operations: by their names.
    """

    def __init__(
        self, settings: Settings, trainings: Store, store: Store, storage: Storage, tuner: Tuner
    ) -> None:
        self._settings, self._trainings, self._store = settings, trainings, store
        self._storage, self._tuner = storage, tuner
        self.operations: dict[str, Callable[[Parameters, Call], Document | None]] = {
            "CreateHyperParameterTuningJob": self._create,
            "DescribeHyperParameterTuningJob": self._describe,
            "StopHyperParameterTuningJob": self._stop,
            "ListHyperParameterTuningJobs": self._list,
            "ListTrainingJobsForHyperParameterTuningJob": self._list_trials,
        }

    def _create(self, asked: Parameters, call: Call) -> Document:
        tuning.check(asked)
        job = tuning.new(asked, call.region)
        first = tuning.trial(job, 1)
        refusals.check(first, self._settings)
        channels.check(first, self._storage)
        self._store.add(job, lambda _: self._check_quota(job, first))
        self._tuner.start(TUNING_JOB.name(job))
        return {"HyperParameterTuningJobArn": job["HyperParameterTuningJobArn"]}

    def _check_quota(self, job: Document, first: Document) -> None:
        refusals.check_quota(first, self._trainings.active(), self._settings.quota, tuning.parallel(job))

    def _describe(self, asked: Parameters, call: Call) -> Document:
        job = self._store.get(asked["HyperParameterTuningJobName"])
        return tuning.describe(job, self._trials(job))

    def _stop(self, asked: Parameters, call: Call) -> None:
        self._store.change(asked["HyperParameterTuningJobName"], tuning.stop)

    def _list(self, asked: Parameters, call: Call) -> Document:
        jobs = [tuning.short(job, self._trials(job)) for job in self._store.all()]
        return listing.page(jobs, asked, listing.TUNING_JOBS)

    def _list_trials(self, asked: Parameters, call: Call) -> Document:
        trials = self._trials(self._store.get(asked["HyperParameterTuningJobName"]))
        return listing.page([tuning.summary(trial) for trial in trials], asked, listing.TRIALS)

    def _trials(self, job: Document) -> list[Document]:
        return self._trainings.some(tuning.trial_names(job))
