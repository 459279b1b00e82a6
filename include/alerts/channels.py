"""Ways to reach people: a topic of SNS, and mail by SMTP or SES. Each sends once and tries nothing again.

Trying again is the business of the outbox: a client that repeats by itself turns one lost answer into
several messages.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Protocol

from include.alerts.policy import CRITICAL
from include.alerts.store import Message

TOPIC, MAIL = "sns", "mail"
TIMEOUT = 10.0  # seconds without an answer
ONCE: dict[str, Any] = {
    "connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "retries": {"total_max_attempts": 1},
}  # configuration of a botocore client that tries once
_LONGEST_BODY = 200_000  # bytes; SNS takes 256 KB with subject and attributes


@dataclass(frozen=True)
class Topic:
    """A topic of SNS, or two.

    Attributes:
        client: boto3 client of SNS, made with `ONCE`.
        arn: of the topic.
        warnings: ARN of another one for what is no more than a warning; empty for the same.
    """

    client: Any
    arn: str
    warnings: str = ""
    name: str = TOPIC

    def send(self, message: Message) -> None:
        """Publish a message; subscribers may filter by stage and severity."""
        told = {"incident": message.alert_id, "stage": message.stage, "severity": message.severity}
        body = message.body.encode()[:_LONGEST_BODY].decode(errors="ignore")
        self.client.publish(
            TopicArn=self.arn if message.severity == CRITICAL else self.warnings or self.arn,
            Subject=message.subject,
            Message=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in told.items()
            },
        )


@dataclass(frozen=True)
class Addresses:
    """From whom mails come, and to whom they go."""

    sender: str
    recipients: tuple[str, ...]


class Carrier(Protocol):
    """What takes mails."""

    def carry(self, mail: EmailMessage, addresses: Addresses) -> None:
        """Take a mail, or raise."""
        ...


@dataclass(frozen=True)
class Smtp:
    """A mail server.

    Attributes:
        host, port: where it is.
        login, password: empty for a server that asks for none.
        tls: whether the first byte is encrypted already (port 465).
        starttls: whether the connection is encrypted before anything is said (port 587).
    """

    host: str
    port: int
    login: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    starttls: bool = True

    def carry(self, mail: EmailMessage, addresses: Addresses) -> None:
        """Hand a mail over in a session of its own."""
        with self._session() as server:
            server.send_message(mail, addresses.sender, addresses.recipients)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        trusted = ssl.create_default_context()
        server: smtplib.SMTP = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=trusted)
            if self.tls
            else smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        )
        with server:
            if self.starttls and not self.tls:
                server.starttls(context=trusted)
            if self.login:
                server.login(self.login, self.password)
            yield server


@dataclass(frozen=True)
class Ses:
    """AWS SES.

    Attributes:
        client: boto3 client of SES, made with `ONCE`.
    """

    client: Any

    def carry(self, mail: EmailMessage, addresses: Addresses) -> None:
        """Hand a mail over."""
        self.client.send_raw_email(
            Source=addresses.sender,
            Destinations=list(addresses.recipients),
            RawMessage={"Data": mail.as_bytes()},
        )


@dataclass(frozen=True)
class Mail:
    """Mail to some people."""

    carrier: Carrier
    addresses: Addresses
    name: str = MAIL

    def send(self, message: Message) -> None:
        """Send a message as text and HTML."""
        self.carrier.carry(self._composed(message), self.addresses)

    def _composed(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = self.addresses.sender
        mail["To"] = ", ".join(self.addresses.recipients)
        # The same id for the same message: mail programs show a duplicate once.
        mail["Message-ID"] = f"<{message.alert_id}.{message.stage}@bqx.alerts>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body)
        mail.add_alternative(message.html, subtype="html")
        return mail
