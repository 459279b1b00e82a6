"""Ways to reach people, for tests: a topic whose queue can be read, and a mail server in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.alerts.channels import ONCE, Addresses, Mail, Smtp, Topic
from local.mail.folder import Caught, caught
from local.mail.smtp import Server
from local.services import TOPIC
from tests.sagemaker import Aws

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PEOPLE = Addresses("airflow@example.com", ("one@example.com", "other@example.com"))


@contextmanager
def mail_server(folder: Path, port: int = 0) -> Iterator[Server]:
    """A mail server of a folder, while the block runs."""
    server = Server(folder, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def mail(port: int) -> Mail:
    """Mail to `PEOPLE` through the server of a port."""
    return Mail(Smtp("127.0.0.1", port, starttls=False), PEOPLE)


def topic(aws: Aws) -> Topic:
    """The topic of an AWS that was started with ``topics=(TOPIC,)``."""
    return Topic(aws.client("sns", **ONCE), TOPIC)


def published(aws: Aws) -> list[dict[str, Any]]:
    """What the topic was told since this was asked last; attributes are those of messages of SNS."""
    sqs = aws.client("sqs")
    queue = sqs.get_queue_url(QueueName=TOPIC.rpartition(":")[2])["QueueUrl"]
    found: list[dict[str, Any]] = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for one in batch:
            found.append(json.loads(one["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    sqs.close()
    return found


def subjects(folder: Path) -> list[str]:
    """Subjects of the caught mails, oldest first."""
    return [one.subject for one in mails(folder)]


def mails(folder: Path) -> list[Caught]:
    """The caught mails, oldest first."""
    return caught(folder)[::-1]
