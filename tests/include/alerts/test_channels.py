"""Each channel asks its server once, and never for longer than its time-out."""

from __future__ import annotations

import smtplib
from dataclasses import replace
from pathlib import Path

import pytest
from moto.ses.models import ses_backends

from include.alerts.channels import ONCE, Mail, Ses, Smtp, Topic
from include.alerts.store import Message
from local.mail.smtp import Server
from local.services import ACCOUNT, REGION, TOPIC
from tests.alerts import PEOPLE, mail, mails, published, topic
from tests.sagemaker import Aws

TOLD = Message("0a1b2c3d", "opened", "critical", "[BQX 0a1b2c3d] Critical: it", "text: é\n.\n", "<p>é</p>")


def test_a_mail_has_text_and_html(postman: Server, inbox: Path) -> None:
    mail(postman.server_port).send(TOLD)
    (caught,) = mails(inbox)
    assert (caught.subject, caught.sender) == (TOLD.subject, PEOPLE.sender)
    assert caught.text == TOLD.body
    assert caught.html.strip() == TOLD.html


def test_a_subject_with_a_line_break_adds_no_header(postman: Server, inbox: Path) -> None:
    evil = Message("1", "opened", "critical", "a\r\nBcc: x@example.com", "", "")
    with pytest.raises(ValueError, match="linefeed"):
        mail(postman.server_port).send(evil)
    assert mails(inbox) == []


def test_a_server_that_cannot_encrypt_gets_no_mail_where_that_is_wanted(postman: Server, inbox: Path) -> None:
    strict = Mail(Smtp("127.0.0.1", postman.server_port, "me", "hunter2"), PEOPLE)
    with pytest.raises(smtplib.SMTPNotSupportedError):
        strict.send(TOLD)
    assert mails(inbox) == []


def test_ses_takes_the_same_mail(aws: Aws) -> None:
    ses = aws.client("ses", **ONCE)
    with pytest.raises(ses.exceptions.MessageRejected):
        Mail(Ses(ses), PEOPLE).send(TOLD)
    ses.verify_email_identity(EmailAddress=PEOPLE.sender)
    Mail(Ses(ses), PEOPLE).send(TOLD)
    (sent,) = ses_backends[ACCOUNT][REGION].sent_messages
    assert set(sent.destinations) == set(PEOPLE.recipients)
    assert f"Message-ID: <{TOLD.alert_id}.opened@bqx.alerts>" in sent.raw_data
    ses.close()


def test_a_topic_is_asked_once(aws: Aws) -> None:
    before = len(aws.trouble.requests("Publish", "sns"))
    aws.trouble.add("sns", "Publish", status=503)
    with pytest.raises(Exception, match="Publish"):
        topic(aws).send(TOLD)
    assert len(aws.trouble.requests("Publish", "sns")) == before + 1


def test_a_long_message_is_cut_where_sns_would_refuse_it(aws: Aws) -> None:
    long = Message("1", "opened", "critical", "s", "é" * 200_000, "")
    topic(aws).send(long)
    (found,) = published(aws)
    assert 190_000 < len(found["Message"].encode()) <= 200_000


def test_warnings_may_have_a_topic_of_their_own(aws: Aws) -> None:
    client = aws.client("sns", **ONCE)
    both = Topic(client, f"{TOPIC}-other", warnings=TOPIC)
    both.send(replace(TOLD, severity="warning", subject="a warning"))
    assert [each["Subject"] for each in published(aws)] == ["a warning"]
    with pytest.raises(client.exceptions.NotFoundException):
        both.send(replace(TOLD, subject="critical"))
    client.close()


def test_a_topic_that_is_not_there_is_an_error(aws: Aws) -> None:
    client = aws.client("sns", **ONCE)
    with pytest.raises(client.exceptions.NotFoundException):
        Topic(client, f"{TOPIC}-other").send(TOLD)
    client.close()


def test_passwords_are_not_shown() -> None:
    assert "hunter2" not in repr(Mail(Smtp("h", 25, "me", "hunter2"), PEOPLE))
