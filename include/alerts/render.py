"""Messages for people: subject, plain text and HTML of an incident at a stage."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from include.alerts.policy import CRITICAL, RESOLVED, WORSE, Incident
from include.alerts.store import Message
from include.pages import template

LONGEST_SUBJECT = 99  # characters: SNS takes fewer than 100, ASCII without line breaks
LONGEST_LINE = 500
SHOWN_PAIRS = 28
COLOURS = {RESOLVED: "#1f8a4c", CRITICAL: "#c0392b"}
_OTHER_COLOUR = "#d08700"
_HERE = Path(__file__).parent


def message(incident: Incident, stage: str, at: datetime, docs: str = "") -> Message:
    """What people are told.

    Args:
        incident: of which.
        stage: opened, worse or resolved.
        at: now, UTC.
        docs: address of the folder ``docs/``; without it a runbook is named by its path.
    """
    headline = _one_line(f"{_state(incident, stage)}: {incident.title}")
    shown = {
        "incident": incident,
        "headline": headline,
        "facts": _facts(incident, stage, at),
        "links": _links(incident, docs),
        "colour": COLOURS.get(stage) or COLOURS.get(incident.severity, _OTHER_COLOUR),
    }
    return Message(
        alert_id=incident.id,
        stage=stage,
        severity=incident.severity,
        subject=subject(incident, stage),
        body=template(_HERE / "message.txt.j2").render(shown),
        html=template(_HERE / "message.html.j2").render(shown),
    )


def subject(incident: Incident, stage: str) -> str:
    """Id, state and title in printable ASCII, cut where SNS would refuse it."""
    pairs = f" ({_count(len(incident.pairs), 'pair')})" if incident.pairs else ""
    whole = _one_line(f"[BQX {incident.id}] {_state(incident, stage)}: {incident.title}{pairs}")
    plain = whole.encode("ascii", "replace").decode()
    return plain if len(plain) <= LONGEST_SUBJECT else f"{plain[: LONGEST_SUBJECT - 3]}..."


def _state(incident: Incident, stage: str) -> str:
    if stage == RESOLVED:
        return "Resolved"
    return f"Now {incident.severity}" if stage == WORSE else incident.severity.capitalize()


def _facts(incident: Incident, stage: str, at: datetime) -> list[tuple[str, str]]:
    facts = [("Incident", incident.id), ("Kind", incident.kind), ("Since", _moment(incident.opened_at))]
    if stage == RESOLVED:
        facts.append(("Quiet since", f"{_moment(incident.changed_at)}, told {_moment(at)}"))
        facts.append(("Lasted", _duration(incident.changed_at - incident.opened_at)))
    if incident.bursts > 1:
        facts.append(("Began", f"{incident.bursts} times within a day"))
    if incident.pairs:
        facts.append(("Pairs", ", ".join(incident.pairs[:SHOWN_PAIRS])))
    return facts


def _links(incident: Incident, docs: str) -> list[tuple[str, str]]:
    runbook = f"{docs.rstrip('/')}/{incident.runbook}" if docs else f"docs/{incident.runbook}"
    links = (
        ("Log", incident.link),
        ("What to do", runbook if incident.runbook else ""),
    )
    return [(name, address) for name, address in links if address]


def _one_line(text: str) -> str:
    """Without line breaks and what else cannot be printed: a subject is a header of the mail."""
    spaced = " ".join(text.split())
    return "".join(letter for letter in spaced if letter.isprintable())[:LONGEST_LINE]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _duration(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else _count(minutes, "minute")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
