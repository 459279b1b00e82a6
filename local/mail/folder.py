"""The caught mails: one file each, the newest first."""

from __future__ import annotations

import itertools
import os
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from include.pages import write

_number = itertools.count()


class Caught(NamedTuple):
    """A mail as it is shown.

    Attributes:
        name: of its file.
        came: when, UTC.
        subject, sender, to: of its header.
        text, html: its two bodies; empty where it has none.
    """

    name: str
    came: datetime
    subject: str
    sender: str
    to: str
    text: str
    html: str


def keep(folder: Path, mail: bytes) -> Path:
    """Write a mail as it came; whoever reads the folder sees it as a whole or not at all."""
    return write(folder / f"{time.time_ns():020}-{os.getpid()}-{next(_number)}.eml", mail)


def caught(folder: Path) -> list[Caught]:
    """All mails, the newest first."""
    return [_read(path) for path in sorted(folder.glob("*.eml"), reverse=True)]


def find(folder: Path, name: str) -> Caught | None:
    """A mail by the name of its file; None if there is none."""
    path = next((path for path in folder.glob("*.eml") if path.name == name), None)
    return _read(path) if path else None


def _read(path: Path) -> Caught:
    mail = message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=policy.default)
    came = datetime.fromtimestamp(int(path.name.partition("-")[0]) / 1e9, UTC)
    subject, sender, to = (str(mail[name] or "") for name in ("Subject", "From", "To"))
    return Caught(path.name, came, subject, sender, to, _body(mail, "plain"), _body(mail, "html"))


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""
