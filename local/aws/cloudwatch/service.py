"""CloudWatch as one thing: what answers its requests, and what the other services tell it and ask it."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.aws import model
from local.aws.call import Call
from local.aws.cloudwatch import alarm, dashboards
from local.aws.cloudwatch.actions import Publish
from local.aws.cloudwatch.alarms import Alarms
from local.aws.cloudwatch.dashboards import Dashboards
from local.aws.cloudwatch.data import HOUR, Data, check
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.errors import CloudWatchError, absent, unfit
from local.aws.cloudwatch.evaluator import Evaluator
from local.aws.cloudwatch.queries import Queries
from local.aws.errors import JSON, ServiceError
from local.aws.settings import Settings

TICK = 0.25  # seconds between two looks at the clock
PATIENCE = 5.0  # seconds for the thread to end when the server stops

Parameters = Mapping[str, Any]
Document = dict[str, Any]


class CloudWatch:
    """Answers the requests. Threads may use it at once.

    It speaks AWS JSON 1.0, as boto3 does.

    Args:
        settings: of the server.
        publish: gives SNS a message: ARN of the topic, subject, text.
    """

    def __init__(self, settings: Settings, publish: Publish) -> None:
        self._clock = settings.clock
        self._database = Database(settings.folder / "cloudwatch.sqlite")
        self._data, self._dashboards = Data(self._database), Dashboards(self._database, self._clock)
        queries = Queries(self._data, self._clock)
        self._alarms = Alarms(self._database, self._clock, publish)
        self._evaluator = Evaluator(self._alarms, queries, self._clock)
        self._closing, self._aged = threading.Event(), 0.0
        self._minder = threading.Thread(target=self._mind, name="alarms", daemon=True)
        self._operations: dict[str, Callable[[Parameters, str], Document | None]] = {
            "PutMetricData": self._put,
            **queries.operations,
            **self._alarms.operations,
            **self._dashboards.operations,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    def start(self) -> None:
        """Evaluate the alarms from now on, in a thread."""
        self._minder.start()

    def close(self) -> None:
        """End the evaluation and close the files."""
        self._closing.set()
        if self._minder.is_alive():
            self._minder.join(PATIENCE)
        self._database.close()

    def evaluate(self) -> None:
        """Evaluate now every alarm of which another period has ended, and do what follows from it."""
        self._evaluator.evaluate()

    def put(self, region: str, namespace: str, data: Iterable[Parameters]) -> None:
        """Take values of another service, in the form of PutMetricData."""
        self._data.put(region, namespace, data, self._clock())

    def alarm_state(self, region: str, name: str) -> str:
        """State of an alarm; empty if there is none."""
        found = self._alarms.find(region, name)
        return str(found["StateValue"]) if found else ""

    def count_alarms(self) -> int:
        """How many alarms there are."""
        return len(self._alarms.all())

    def answer(self, call: Call) -> bytes:
        """The body of the answer.

        Raises:
            ServiceError: the request is refused.
        """
        if call.protocol != JSON:
            raise absent("protocols other than AWS JSON, which boto3 speaks")
        try:
            asked = json.loads(call.body or b"{}")
        except ValueError as error:
            raise ServiceError("SerializationException", f"The body is no JSON: {error}") from error
        try:
            model.check(call.operation, asked, model.CLOUDWATCH)
        except ServiceError as error:
            if error.code == "ValidationException":
                raise unfit(error.message) from error
            raise
        if call.operation not in self._operations:
            raise absent(f"{call.operation}. It has {', '.join(self._operations)}")
        told = self._operations[call.operation](asked, call.region)
        return json.dumps(model.cut(call.operation, told or {}, model.CLOUDWATCH)).encode()

    def _put(self, asked: Parameters, region: str) -> None:
        now = self._clock()
        check(asked, now)
        self._data.put(region, asked["Namespace"], asked["MetricData"], now)

    def _mind(self) -> None:
        while not self._closing.wait(TICK):
            try:
                self.evaluate()
                self._age(self._clock())
            except Exception:  # the next look is another one
                traceback.print_exc()

    def _age(self, now: float) -> None:
        """Make what is old smaller, at most once an hour."""
        if now - self._aged >= HOUR:
            self._aged = now
            self._data.age(now)
            self._alarms.history.age(now)

    def _tag(self, asked: Parameters, region: str) -> None:
        told = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}

        def add(document: Document) -> None:
            if len(document["tags"] | told) > alarm.MOST_TAGS:
                raise unfit(f"A resource has at most {alarm.MOST_TAGS} tags.")
            document["tags"] |= told

        self._change(asked["ResourceARN"], region, add)

    def _untag(self, asked: Parameters, region: str) -> None:
        def remove(document: Document) -> None:
            document["tags"] = {
                name: value for name, value in document["tags"].items() if name not in asked["TagKeys"]
            }

        self._change(asked["ResourceARN"], region, remove)

    def _list_tags(self, asked: Parameters, region: str) -> Document:
        found: dict[str, str] = {}
        self._change(asked["ResourceARN"], region, lambda document: found.update(document["tags"]))
        return {"Tags": [{"Key": name, "Value": value} for name, value in found.items()]}

    def _change(self, arn: str, region: str, change: Callable[[Document], None]) -> None:
        """Change the alarm or dashboard that an ARN names."""
        name = arn.rpartition(":alarm:")[2]
        if arn == alarm.arn(region, name):
            there = self._alarms.change(region, name, change)
        else:
            name = arn.rpartition(":dashboard/")[2]
            there = arn == dashboards.arn(name) and self._dashboards.change(name, change)
        if not there:
            raise CloudWatchError("ResourceNotFoundException", f"There is no resource {arn}.")
