"""The embedded CloudWatch for tests: a server whose time a test turns, and clients of boto3."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.aws.server import Server
from local.aws.settings import Settings
from tests.sagemaker import connect

START = datetime(2024, 7, 1, 12, 0, 5, tzinfo=UTC).timestamp()  # the newest minute has settled
MINUTE = 60
NAMESPACE = "bqx"
PAIR = [{"Name": "pair", "Value": "eurusd"}]


@dataclass
class Clock:
    """Time that stands still until a test turns it; in seconds since the epoch."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Watch:
    """A running CloudWatch as a test sees it.

    Attributes:
        server: behind it.
        clock: its time.
        client: of CloudWatch.
    """

    server: Server
    clock: Clock
    client: Any
    _clients: dict[str, Any] = field(default_factory=dict)

    def other(self, service: str) -> Any:
        """A client of another service."""
        if service not in self._clients:
            self._clients[service] = connect(service, self.server.endpoint)
        return self._clients[service]

    def other_region(self, region: str) -> Any:
        """A client of CloudWatch in another region."""
        self._clients[region] = connect("cloudwatch", self.server.endpoint, region=region)
        return self._clients[region]

    def put(self, *values: float, name: str = "skill", ago: float = 0.0, **more: Any) -> None:
        """Put values into a metric of a pair; `more` replaces members of the datum."""
        moment = datetime.fromtimestamp(self.clock() - ago, UTC)
        datum = {"MetricName": name, "Dimensions": PAIR, "Timestamp": moment, "Values": list(values)} | more
        told = {key: value for key, value in datum.items() if value is not None}
        self.client.put_metric_data(Namespace=NAMESPACE, MetricData=[told])

    def alarm(self, name: str = "low", **more: Any) -> None:
        """An alarm that fires when the average of a minute is below 0; `more` replaces, None leaves out."""
        asked = {
            "AlarmName": name, "Namespace": NAMESPACE, "MetricName": "skill", "Dimensions": PAIR,
            "Statistic": "Average", "Period": MINUTE, "EvaluationPeriods": 1, "Threshold": 0.0,
            "ComparisonOperator": "LessThanThreshold",
        } | more  # fmt: skip
        self.client.put_metric_alarm(**{key: value for key, value in asked.items() if value is not None})

    def evaluate(self) -> None:
        """Have everything evaluated that is due; what follows from it has been done afterwards."""
        self.server.cloudwatch.evaluate()

    def minute(self, *values: float, **more: Any) -> str:
        """Put values into this minute, let it end, evaluate; returns the state of the first alarm."""
        if values:
            self.put(*values, **more)
        self.clock.turn(MINUTE)
        self.evaluate()
        return self.state()

    def describe(self, name: str = "low") -> dict[str, Any]:
        """What DescribeAlarms says of an alarm."""
        (found,) = self.client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return dict(found)

    def state(self, name: str = "low") -> str:
        """State of an alarm."""
        return str(self.describe(name)["StateValue"])

    def history(self, kind: str, name: str = "low") -> list[str]:
        """Summaries of an alarm's history, the oldest first."""
        found = self.client.describe_alarm_history(
            AlarmName=name, HistoryItemType=kind, ScanBy="TimestampAscending"
        )
        return [item["HistorySummary"] for item in found["AlarmHistoryItems"]]

    def topic(self, name: str = "alerts") -> str:
        """A topic of SNS whose messages `messages` reads; returns its ARN."""
        arn = str(self.other("sns").create_topic(Name=name)["TopicArn"])
        queue = self.other("sqs").create_queue(QueueName=name)["QueueUrl"]
        told = self.other("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        self.other("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=told["Attributes"]["QueueArn"])
        return arn

    def messages(self, name: str = "alerts") -> list[tuple[str, dict[str, Any]]]:
        """Subjects and messages that have come to a topic since the last time."""
        queue, found = self.other("sqs").get_queue_url(QueueName=name)["QueueUrl"], []
        while told := self.other("sqs").receive_message(QueueUrl=queue).get("Messages"):
            for each in told:
                envelope = json.loads(each["Body"])
                found.append((envelope["Subject"], json.loads(envelope["Message"])))
                self.other("sqs").delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return found

    def close(self) -> None:
        """Close the clients."""
        for client in (self.client, *self._clients.values()):
            client.close()


@contextmanager
def watched(folder: Path, clock: Clock | None = None) -> Iterator[Watch]:
    """CloudWatch in a thread, while the block runs."""
    clock = clock or Clock()
    with Server(Settings(folder, "http://127.0.0.1:9", clock=clock)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        watch = Watch(server, clock, connect("cloudwatch", server.endpoint))
        try:
            yield watch
        finally:
            watch.close()
            server.shutdown()
            thread.join()
