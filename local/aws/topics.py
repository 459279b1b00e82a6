"""A topic of SNS that is there from the start, and a queue that keeps what it is told for whoever looks."""

from __future__ import annotations

from local.aws.settings import ACCOUNT
from local.aws.small import SmallServices


def make_topic(services: SmallServices, arn: str) -> None:
    """Make a topic and subscribe a queue of SQS with the same name to it; both may be there.

    Args:
        services: loaded ones.
        arn: of the topic.
    """
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    *_, region, _, name = arn.split(":")
    with services.lock:
        sns, sqs = sns_backends[ACCOUNT][region], sqs_backends[ACCOUNT][region]
        topic = sns.create_topic(name)
        queue = sqs.queues.get(name) or sqs.create_queue(name, {})
        sns.subscribe(topic.arn, queue.queue_arn, "sqs")
