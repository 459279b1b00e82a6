"""What people read: a subject that SNS takes, a text, and HTML in which nothing of others is mark-up."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from include.alerts.policy import FAILURE, OPENED, RESOLVED, WORSE, Incident, Signal, apply
from include.alerts.render import message, subject
from include.pairs import PAIRS

AT = datetime(2026, 3, 2, 4, 5, tzinfo=UTC)
EVIL = '<script>alert("x")</script>&{{ 7 * 7 }}'


def incident(**changes: object) -> Incident:
    told = Signal(
        "run/bqx_features/m1", FAILURE, "bqx_features failed", AT, line="build of eurusd: QualityError: 3",
        pairs=("eurusd",), link="http://airflow/dags/x", runbook="alerts.md#a-run-failed",
    )  # fmt: skip
    begun = apply(told, None, None)
    assert begun is not None
    return replace(begun, **changes)  # type: ignore[arg-type]


def test_a_message_says_what_happened_to_whom_and_what_to_do() -> None:
    known = incident(pairs=PAIRS, omitted=8)
    told = message(known, OPENED, AT, docs="https://docs.example/")
    assert told.subject == f"[BQX {known.id}] Critical: bqx_features failed (28 pairs)"
    for text in (told.body, told.html):
        for wanted in (
            known.id, "2026-03-02 04:05 UTC", ", ".join(PAIRS), "build of eurusd: QualityError: 3",
            "and 8 more",
            "http://airflow/dags/x", "https://docs.example/alerts.md#a-run-failed",
        ):  # fmt: skip
            assert wanted in text, wanted
    assert 'href="http://airflow/dags/x"' in told.html


def test_a_runbook_is_named_where_nobody_said_where_the_docs_are() -> None:
    told = message(incident(), OPENED, AT)
    assert "What to do: docs/alerts.md#a-run-failed" in told.body
    assert 'href="docs' not in told.html


def test_the_end_says_how_long_it_took() -> None:
    over = incident(firing=False, changed_at=AT + timedelta(minutes=75), bursts=3)
    told = message(over, RESOLVED, AT + timedelta(minutes=115))
    assert told.subject.startswith(f"[BQX {over.id}] Resolved: bqx_features failed")
    assert "Lasted: 1 h 15 min" in told.body
    assert "Quiet since: 2026-03-02 05:20 UTC, told 2026-03-02 06:00 UTC" in told.body
    assert "Began: 3 times within a day" in told.body


def test_what_became_critical_is_said_to_be() -> None:
    assert "Now critical: " in message(incident(), WORSE, AT).subject


def test_what_others_wrote_is_text() -> None:
    told = message(incident(title=EVIL, lines=(EVIL,), link=f"javascript:{EVIL}", pairs=(EVIL,)), OPENED, AT)
    assert "<script" not in told.html
    assert "{{ 7 * 7 }}" in told.html
    assert "href=" not in told.html
    assert EVIL in told.body


@given(st.text(max_size=300), st.integers(0, 28))
def test_sns_takes_every_subject(title: str, pairs: int) -> None:
    known = incident(title=title, pairs=PAIRS[:pairs])
    for stage in (OPENED, WORSE, RESOLVED):
        found = subject(known, stage)
        assert re.fullmatch(r"\[BQX [0-9a-f]{8}\][ -~]*", found)
        assert len(found) < 100
