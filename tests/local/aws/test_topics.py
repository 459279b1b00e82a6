"""Topics that a server is told of are there from the start, and keep what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.alerts.store import Message
from local.services import TOPIC
from tests.alerts import published, topic
from tests.sagemaker import served


def test_a_topic_is_there_and_its_queue_keeps_what_it_is_told(tmp_path: Path) -> None:
    with served(tmp_path, topics=(TOPIC,)) as aws:
        sns = aws.client("sns")
        assert [one["TopicArn"] for one in sns.list_topics()["Topics"]] == [TOPIC]
        topic(aws).send(Message("1", "opened", "warning", "[BQX 1] it", "why", ""))
        (told,) = published(aws)
        assert (told["Subject"], told["Message"], told["TopicArn"]) == ("[BQX 1] it", "why", TOPIC)
        with pytest.raises(sns.exceptions.InvalidParameterException):
            sns.publish(TopicArn=TOPIC, Subject="s" * 101, Message="m")
        sns.close()
