"""The outbox: every incident is told once, whatever is down; a killed sender doubles one message at most."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.alerts import store
from include.alerts.policy import FAILURE, OPENED, RESOLVED, Signal, quiet
from include.alerts.render import message
from include.pairs import PAIRS
from include.storage.connection import Connection, connect
from local.mail.smtp import Server
from tests.alerts import AT, mail, mails, published, subjects, topic
from tests.sagemaker import Aws

BOTH = ("sns", "mail")
ROOT = Path(__file__).resolve().parents[3]


def failed(number: int = 0, **changes: Any) -> Signal:
    told = Signal(f"run/bqx_features/{number}", FAILURE, f"bqx_features failed, run {number}", AT)
    return replace(told, **changes)


def raised(connection: Connection, *signals: Signal, minutes: float = 0) -> list[store.Message]:
    store.note(connection, signals)
    return store.queue(connection, BOTH, AT + timedelta(minutes=minutes), message)


# Incidents


def test_incidents_are_kept_as_they_are(connection: Connection) -> None:
    raised(
        connection, failed(line="why", pairs=("eurusd",), link="http://x", runbook="alerts.md", settled=False)
    )
    (kept,) = store.open_incidents(connection)
    assert (kept.lines, kept.pairs, kept.link, kept.told) == (("why",), ("eurusd",), "http://x", "")
    assert kept.opened_at == kept.seen_at == AT


def test_28_pairs_of_a_run_are_one_message(connection: Connection) -> None:
    told = raised(connection, *(failed(line=f"build of {pair}", pairs=(pair,)) for pair in PAIRS))
    assert [each.stage for each in told] == [OPENED]
    assert "(28 pairs)" in told[0].subject
    assert raised(connection, failed(at=AT + timedelta(minutes=1)), minutes=1) == []


def test_what_is_over_is_told_and_the_next_one_has_another_id(connection: Connection) -> None:
    (opened,) = raised(connection, failed())
    well = failed(at=AT + timedelta(minutes=1), firing=False)
    assert raised(connection, well, minutes=2) == []
    (resolved,) = raised(connection, minutes=1 + quiet(1) / timedelta(minutes=1))
    assert (resolved.stage, resolved.alert_id) == (RESOLVED, opened.alert_id)
    assert raised(connection, failed(), well, minutes=12) == [], "what is old begins nothing"
    (again,) = raised(connection, failed(at=AT + timedelta(minutes=15)), minutes=15)
    assert again.alert_id != opened.alert_id


def test_sessions_that_notice_the_same_at_once_have_one_incident(database_url: str) -> None:
    def notice(_: int) -> int:
        with connect(database_url) as connection:
            store.ensure_tables(connection)
            return len(raised(connection, failed()))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(notice, range(8))) == 1


def test_a_look_overlaps_the_last_one_and_goes_back_a_day_at_most(connection: Connection) -> None:
    assert store.since(connection, AT) == AT - store.LAG
    store.set_round(connection, AT)
    store.set_round(connection, AT - timedelta(hours=1))
    assert store.last_round(connection) == AT, "rounds do not go back"
    assert store.since(connection, AT + timedelta(hours=2)) == AT - store.LAG
    assert store.since(connection, AT + timedelta(days=9)) == AT + timedelta(days=8)


# Delivery


def test_every_incident_goes_once_to_every_channel(
    connection: Connection, aws: Aws, postman: Server, inbox: Path
) -> None:
    told = raised(connection, failed(1), failed(2, pairs=("eurusd",)))
    channels = [topic(aws), mail(postman.server_port)]
    assert store.deliver(connection, channels, AT) == store.Delivery(4, 0, None, {})
    assert store.deliver(connection, channels, AT).sent == 0
    wanted = sorted(each.subject for each in told)
    assert sorted(subjects(inbox)) == wanted
    answers = published(aws)
    assert sorted(each["Subject"] for each in answers) == wanted
    for each in answers:
        assert each["MessageAttributes"]["stage"]["Value"] == OPENED
        assert each["MessageAttributes"]["incident"]["Value"] in each["Subject"]
    (first, _) = mails(inbox)
    assert first.to == "one@example.com, other@example.com"
    assert "Incident: " in first.text
    assert "<h2" in first.html


def test_a_topic_that_is_down_keeps_no_mail_and_gets_its_message_later(
    connection: Connection, aws: Aws, postman: Server, inbox: Path
) -> None:
    aws.trouble.add("sns", "Publish", status=503)
    (told,) = raised(connection, failed())
    channels = [topic(aws), mail(postman.server_port)]
    done = store.deliver(connection, channels, AT)
    assert (done.sent, done.waiting, done.oldest) == (1, 1, AT)
    assert done.problems == {"sns": "ClientError ServiceUnavailable"}
    assert subjects(inbox) == [told.subject]
    aws.trouble.clear()
    assert store.deliver(connection, channels, AT).sent == 1
    assert [each["Subject"] for each in published(aws)] == [told.subject]


def test_with_both_down_all_waits_in_order_and_nothing_is_lost(
    connection: Connection, aws: Aws, postman: Server, inbox: Path
) -> None:
    postman.refuses = True
    aws.trouble.add("sns", "Publish", status=500)
    told = [each for number in range(5) for each in raised(connection, failed(number))]
    channels = [topic(aws), mail(postman.server_port)]
    for _ in range(3):
        done = store.deliver(connection, channels, AT)
        assert (done.sent, done.waiting) == (0, 10)
    assert done.problems["mail"] == "SMTPDataError 451"
    postman.refuses = False
    aws.trouble.clear()
    assert store.deliver(connection, channels, AT).sent == 10
    assert sorted(subjects(inbox)) == sorted(each.subject for each in told)
    assert len(published(aws)) == 5


def test_a_server_that_is_not_there_is_a_problem_of_its_channel(connection: Connection, inbox: Path) -> None:
    raised(connection, failed())
    done = store.deliver(connection, [mail(1)], AT)
    assert done.problems == {"mail": "ConnectionRefusedError"}
    assert done.waiting == 1, "what waits for a channel that is not set up any more is nobody's trouble"


def test_one_message_that_nobody_takes_does_not_keep_the_others(connection: Connection) -> None:
    taken: list[str] = []

    class Picky:
        name = "mail"

        def send(self, told: store.Message) -> None:
            if "run 0" in told.subject:
                raise ValueError("never")
            taken.append(told.subject)

    raised(connection, *(failed(number) for number in range(6)))
    channel = Picky()
    for _ in range(3):
        store.deliver(connection, [channel], AT)
    assert len(taken) == 5


def test_a_channel_is_left_alone_after_three_refusals(connection: Connection) -> None:
    class Down:
        name = "mail"
        asked = 0

        def send(self, told: store.Message) -> None:
            self.asked += 1
            raise TimeoutError

    raised(connection, *(failed(number) for number in range(20)))
    channel = Down()
    store.deliver(connection, [channel], AT)
    assert channel.asked == store.PATIENCE


def test_two_senders_at_once_send_each_message_once(connection: Connection, database_url: str) -> None:
    taken: list[str] = []

    class Slow:
        name = "mail"

        def send(self, told: store.Message) -> None:
            taken.append(told.subject)

    raised(connection, *(failed(number) for number in range(30)))

    def send(_: int) -> int:
        with connect(database_url) as own:
            return store.deliver(own, [Slow()], AT).sent

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, range(4))) == 30
    assert len(taken) == len(set(taken)) == 30


def test_an_answer_that_is_lost_doubles_one_mail_with_the_same_id(
    connection: Connection, postman: Server, inbox: Path
) -> None:
    postman.forgets = 1
    (told,) = raised(connection, failed())
    channels = [mail(postman.server_port)]
    assert store.deliver(connection, channels, AT).sent == 0
    assert store.deliver(connection, channels, AT).sent == 1
    assert subjects(inbox) == [told.subject] * 2
    ids = {
        line for path in inbox.glob("*.eml") for line in path.read_text().splitlines() if "Message-ID" in line
    }
    assert ids == {f"Message-ID: <{told.alert_id}.opened@bqx.alerts>"}


KILLED = """
import os, signal, sys
from include.alerts import store
from include.storage.connection import connect
from tests.alerts import AT, mail

class Killed:
    name = "mail"
    number = 0
    real = mail(int(sys.argv[2]))

    def send(self, message):
        last = self.number == 2
        self.number += 1
        if not last or sys.argv[3] == "after":
            self.real.send(message)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

with connect(sys.argv[1]) as connection:
    store.deliver(connection, [Killed()], AT)
"""


@pytest.mark.parametrize(("moment", "doubled"), [("before", 0), ("after", 1)])
def test_a_sender_that_is_killed_doubles_one_message_at_most_and_loses_none(
    connection: Connection, database_url: str, postman: Server, inbox: Path, moment: str, doubled: int
) -> None:
    told = [each for number in range(5) for each in raised(connection, failed(number))]
    words = [sys.executable, "-c", KILLED, database_url, str(postman.server_port), moment]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(subjects(inbox)) == 2 + doubled
    # The server notices that the session is gone, and lets go of the message that it held.
    store.deliver(connection, [mail(postman.server_port)], AT)
    found = subjects(inbox)
    assert set(found) == {each.subject for each in told}
    assert len(found) == 5 + doubled


def test_why_a_channel_refused_is_told_without_its_words() -> None:
    assert store.reason(ValueError("password=hunter2")) == "ValueError"
    assert store.reason(psycopg.OperationalError("host=db")) == "OperationalError"
