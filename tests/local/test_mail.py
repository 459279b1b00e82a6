"""The mail catcher takes mails as a mail server does, and shows people what is in them as text."""

from __future__ import annotations

import re
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests

from include.errors import BqxError
from local.mail.__main__ import Pages
from local.mail.folder import caught
from local.mail.smtp import REFUSED, Server
from tests.alerts import mail_server, mails
from tests.browser.airflow_ui import browser_page, needs_browser

EVIL = "<script>document.title='taken'</script>{{ 7 * 7 }}"
DOTS = ".\n..\n.hidden\nend\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with mail_server(tmp_path) as server:
        yield server


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[str]:
    with Pages(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def written(subject: str = "s", text: str = "t", html: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "a@example.com", "b@example.com"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


def send(server: Server, *letters: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", server.server_port, timeout=10) as client:
        for each in letters:
            client.send_message(each)


def test_mails_are_kept_in_the_order_they_came(server: Server, tmp_path: Path) -> None:
    send(server, written("first"), written("second"))
    send(server, written("third"))
    assert [each.subject for each in mails(tmp_path)] == ["first", "second", "third"]
    assert mails(tmp_path)[0].sender == "a@example.com"


def test_lines_of_dots_come_as_they_were_written(server: Server, tmp_path: Path) -> None:
    send(server, written(text=DOTS, html="<p>é</p>"))
    (mail,) = caught(tmp_path)
    assert mail.text == DOTS
    assert mail.html == "<p>é</p>\n"


def test_commands_have_an_order(server: Server, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", server.server_port, timeout=10) as client:
        client.ehlo()
        assert client.docmd("DATA")[0] == 503
        assert client.rcpt("b@example.com")[0] == 503
        assert client.docmd("TURN")[0] == 502
        assert client.noop()[0] == 250
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        client.rset()
        assert client.docmd("DATA")[0] == 503
    assert caught(tmp_path) == []


def test_trouble_is_refused_or_forgotten(server: Server, tmp_path: Path) -> None:
    server.refuses = True
    with pytest.raises(smtplib.SMTPDataError, match=REFUSED[4:]):
        send(server, written())
    assert caught(tmp_path) == []
    server.refuses, server.forgets = False, 1
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(server, written("once"))
    send(server, written("twice"))
    assert [each.subject for each in mails(tmp_path)] == ["once", "twice"]


def test_a_folder_has_one_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BqxError, match="served by another process"):
        Server(tmp_path)


def test_the_newest_mail_is_shown_first_and_any_can_be_chosen(
    server: Server, pages: str, tmp_path: Path
) -> None:
    assert "No mail has come." in requests.get(pages, timeout=5).text
    send(server, written("first", "of old"), written("second", "of late"))
    page = requests.get(pages, timeout=5).text
    assert page.index("second") < page.index("first")
    assert "of late" in page
    assert "of old" not in page
    (old, _) = mails(tmp_path)
    assert "of old" in requests.get(f"{pages}/{old.name}", timeout=5).text


@pytest.mark.parametrize("path", ["nothing.eml", "../secret.eml", "%2e%2e/secret.eml"])
def test_there_is_no_other_page(server: Server, pages: str, path: str) -> None:
    answer = requests.get(f"{pages}/{path}", timeout=5)
    assert answer.status_code == 404


def test_who_calls_this_machine_by_another_name_sees_nothing(server: Server, pages: str) -> None:
    send(server, written("first", "of old"))
    answer = requests.get(pages, headers={"Host": "evil.example"}, timeout=5)
    assert (answer.status_code, "of old" in answer.text) == (400, False)
    assert requests.get(pages, headers={"Host": "localhost:1"}, timeout=5).status_code == 200


def test_what_others_wrote_stays_text(server: Server, pages: str) -> None:
    send(server, written(EVIL, EVIL, EVIL))
    page = requests.get(pages, timeout=5).text
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page


@needs_browser
def test_a_browser_shows_the_mail_and_runs_nothing_of_it(server: Server, pages: str) -> None:
    send(server, written("Critical: it failed", "text", f"<h2>It failed</h2>{EVIL}"))
    with browser_page() as page:
        page.goto(pages)
        assert page.frame_locator("iframe").locator("h2").inner_text() == "It failed"
        assert page.title() == "Critical: it failed"


@pytest.mark.parametrize("module", ["local.mail", "local.mail.smtp"])
def test_it_says_where_it_is_and_ends_when_told(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-m", module, "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert re.search(r"http://127\.0\.0\.1:\d+", child.stdout.readline())
        child.terminate()
        assert child.wait(20) == 0
