"""The report: what a person needs to approve is there, hostile text is text, nobody's words are repeated."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from include import pages
from include.plan import arithmetic, consistency, report
from include.plan.arithmetic import Check
from include.plan.gaps import analyse
from include.plan.live import Snapshot
from include.plan.model import Decision, Plan, load
from include.plan.report import Carried, Report
from include.plan.view import view_of
from tests.include.plan import worlds

HOSTILE = (
    '<script>alert(1)</script>|x|[click](javascript:alert(1))<img src=x onerror=y>`*_"&https://e.example'
)
STAGE, TASK = "2.2 - Build 1", "TSK-2.2.1"
DESIRED = load().desired
CHECKS = arithmetic.check(DESIRED)
DRAWN = report.pictures(DESIRED)


def made(base: Snapshot, plan: Plan | None = None, **more: object) -> Report:
    plan = replace(plan or worlds.plan(), desired=DESIRED)
    values = {"checks": CHECKS, "run": "manual__1", "written": datetime(2026, 1, 2, tzinfo=UTC), **more}
    return Report(plan, base, analyse(plan, base), **values)  # type: ignore[arg-type]


def old() -> Snapshot:
    """A base with a bit of everything."""
    base = worlds.fulfilled(worlds.plan())
    base = worlds.remove(base, "Tasks", TASK)
    for key in ("1.1 - Build 0", "TSK-1.1.1", "TSK-1.1.2", "TSK-1.1.3"):
        base = worlds.remove(base, "Tasks" if key.startswith("TSK") else "Stages", key)
    stage = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(base, "Stages", stage.id, {"Duration": "9 days", "Description": "Words of Anna"})
    task = worlds.record(base, "Tasks", "TSK-2.2.3")
    base = worlds.edit(base, "Tasks", task.id, {"Stage (Link)": ["recGone"]})
    base = worlds.add(base, "Stages", worlds.record(base, "Stages", "3.3 - Build 2").fields, "recTwin")
    return worlds.add(base, "Stages", {"Stage ID": "8.8 - Old", "Notes": "Secret of Anna"}, "recOld")


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href") or name[:2] == "on"
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(report.html(made(old()), DRAWN))


def test_the_page_says_what_is_created_updated_and_left_alone(page: Page) -> None:
    assert "1 decision needed" in page.text
    assert "To create: 1 stage, 4 tasks. To update: 1 stage, 1 task." in page.text
    assert "Nothing was written so far." in page.text
    assert "1.1 - Build 0" in page.text
    assert "2.2 - Build 1 exists" in page.text  # a stage that is there and gets a task
    assert f"{TASK} Step 1 of 2.2 0.25 h" in page.text
    assert "Duration 9 days 8 hours" in page.text
    assert "Description nothing yet Stage 2.2 features 15" in page.text
    assert "Stage (Link) a record that is not there 2.2 - Build 1" in page.text
    assert "8.8 - Old linked to nothing recOld" in page.text
    assert "which of the 2 is meant? Rename or merge the others" in page.text


def test_the_page_has_the_plan_before_and_after_and_every_check(page: Page) -> None:
    for words in ("Wall time 300 h → 81-98 h", "Cost a month $535 → $286", "268 idx, 254 bqx, 208 shared"):
        assert words in page.text
    for check in CHECKS:
        assert f"holds {check.name} {check.wanted}" in page.text


def test_the_page_has_two_pictures_and_nothing_from_outside(page: Page) -> None:
    assert page.tags.count("img") == 2
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.addresses[0] != page.addresses[1]
    for address in page.addresses:
        kind, _, data = address.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_words_of_people_that_do_not_matter_are_not_repeated(page: Page) -> None:
    for text in (page.text, report.markdown(made(old())), report.page(made(old()))):
        assert "Anna" not in text


def hostile() -> Report:
    base = old()
    base = worlds.add(base, "Stages", {"Stage ID": f"7.7 - {HOSTILE}"}, "recBad")
    task = worlds.record(base, "Tasks", "TSK-2.2.2")
    base = worlds.edit(base, "Tasks", task.id, {"Task Name": HOSTILE, "Description": HOSTILE})
    stage = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(
        base, "Stages", stage.id, {"Duration": HOSTILE * 9, "Stage Code": f"a\n\n# b\r{HOSTILE}"}
    )
    failed = (("Tasks", HOSTILE, HOSTILE),)
    return made(
        base, carried=Carried(failed=failed), run=HOSTILE, checks=[Check(*[HOSTILE] * 3, False, HOSTILE)]
    )


def test_hostile_text_is_text_in_the_page() -> None:
    found = Page(report.html(hostile(), DRAWN))
    assert found.tags.count("script") == 0
    assert found.tags.count("img") == 2
    assert all(address.startswith("data:") for address in found.addresses)
    assert "<script>alert(1)</script>" in found.text


def test_hostile_text_is_text_in_markdown() -> None:
    for text in (report.markdown(hostile()), report.page(hostile())):
        assert "<script" not in text.replace(r"\<", "")
        assert re.findall(r"(?<!\\)\]\(([^)]*)", text) in ([], list(report.PICTURES))
        assert "https://" not in text
        assert r"\[click\](javascript" in text
        for line in text.splitlines():
            assert not line.startswith("# b")
            if line.startswith("|") and "Old" not in line:
                assert len(re.findall(r"(?<!\\)\|", line)) in (5, 6, 7)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a  b\n c", "a b c"),
        ("1 | 2", r"1 \| 2"),
        ("A & B", "A &amp; B"),
        ("www.x.y", r"www\.x.y"),
        ("-> 5.2 (new)", r"-\> 5.2 (new)"),
    ],
)
def test_escaping(text: str, wanted: str) -> None:
    assert pages.markdown(text) == wanted


def test_long_words_of_others_are_cut() -> None:
    base = worlds.fulfilled(worlds.plan())
    stage = worlds.record(base, "Stages", STAGE)
    base = worlds.edit(base, "Stages", stage.id, {"Duration": "long " * 500})
    text = report.markdown(made(base))
    assert "Duration long long" in text
    assert max(map(len, text.splitlines())) < 1000


def test_what_needs_a_decision_comes_first_then_by_kind_and_number() -> None:
    base = worlds.fulfilled(worlds.plan(stages=30, tasks=0))
    for key in ("3.30 - Build 29", "1.4 - Build 3"):
        base = worlds.add(base, "Stages", worlds.record(base, "Stages", key).fields)
    for key in ("10.1 - Old", "9.1 - Old", "", "2.2 - Other"):
        base = worlds.add(base, "Stages", {"Stage ID": key})
    view = view_of(analyse(worlds.plan(stages=30, tasks=0), base), base)
    assert [(one.kind, one.key) for one in view.left] == [
        ("duplicate", "1.4 - Build 3"),
        ("duplicate", "3.30 - Build 29"),
        ("collision", "2.2 - Other"),
        ("orphan", "2.2 - Other"),
        ("orphan", "9.1 - Old"),
        ("orphan", "10.1 - Old"),
        ("orphan", "(no key)"),
        ("extra", "(no key)"),
    ]
    assert [one.blocking for one in view.left] == [True] * 2 + [False] * 6
    assert view.records_left == 8


def test_the_page_of_the_approval_is_short_and_complete() -> None:
    brief = report.page(made(old()), where="/reports/plan.html")
    assert len(brief.splitlines()) <= 60
    assert "## Needs a decision" in brief
    assert "| Phase 1: Part 1 | 1.1 - Build 0 | 8 hours | \\$5 | 3 | 1.5 |" in brief
    assert "(exists)" in brief
    assert "- **2.2 - Build 1**: Duration 9 days -\\> 8 hours" in brief.replace("->", "-\\>")
    assert f"All {len(CHECKS)} checks hold." in brief
    assert brief.endswith("The whole report: /reports/plan.html\n")


def test_a_large_plan_is_cut_on_the_page_of_the_approval_and_whole_in_the_report() -> None:
    plan = worlds.plan(stages=66, tasks=0)
    base = worlds.fulfilled(plan)
    for record in base.tables["Stages"].records[::2]:
        base = worlds.remove(base, "Stages", base.tables["Stages"].key(record))
    for record in base.tables["Stages"].records:
        base = worlds.edit(base, "Stages", record.id, {"Duration": "old"})
    found = made(base, plan)
    assert len(report.page(found).splitlines()) <= 100
    assert "- ... and 13 more in the whole report" in report.page(found)
    assert "... and" not in report.markdown(found)
    text = report.markdown(found)
    assert all(item.key in text for item in plan.items if item.table == "Stages")


def test_long_lists_are_cut_on_the_page_and_whole_in_the_report() -> None:
    base = worlds.fulfilled(worlds.plan(stages=30, tasks=0))
    for record in base.tables["Stages"].records:
        base = worlds.add(base, "Stages", record.fields)
    whole = made(base, worlds.plan(stages=30, tasks=0))
    assert "... and 22 more" in report.page(whole)
    assert "... and" not in report.markdown(whole)
    assert report.markdown(whole).count("which of the 2 is meant") >= 30


OFF = Check("3 Hours", "71", "72", False, "look in tasks.yaml")


@pytest.mark.parametrize(
    ("base", "more", "verdict", "mood"),
    [
        ("old", {}, "1 decision needed", "bad"),
        ("less", {}, "proposal, nothing written", "plain"),
        ("less", {"checks": (OFF,)}, "does not add up", "bad"),
        ("less", {"carried": Carried(3, 0)}, "carried out", "good"),
        ("less", {"carried": Carried(3, 0, (), 0)}, "carried out and verified", "good"),
        ("less", {"carried": Carried(3, 0, (), 2)}, "2 changes left", "bad"),
        ("less", {"carried": Carried(3, 0, (("Tasks", "x", "y"),), 1)}, "1 record not written", "bad"),
        ("same", {}, "up to date", "good"),
    ],
)
def test_verdicts(base: str, more: dict[str, object], verdict: str, mood: str) -> None:
    whole = worlds.fulfilled(worlds.plan())
    bases = {"old": old(), "same": whole, "less": worlds.remove(whole, "Tasks", TASK)}
    found = made(bases[base], **more)
    assert (found.verdict, found.mood) == (verdict, mood)
    assert report.summary(found).startswith(f"Project plan in Airtable: {verdict}. ")


def test_what_does_not_add_up_is_named() -> None:
    found = made(worlds.fulfilled(worlds.plan()), checks=(*CHECKS, OFF))
    assert "**3 Hours**: planned 71, computed 72. look in tasks.yaml" in report.page(found)
    assert "Does not add up: 3 Hours" in report.summary(found)


def test_after_the_run_the_records_are_those_that_are_there() -> None:
    base = old()
    plan = worlds.plan(decisions={("Stages", "3.3 - Build 2"): Decision("ignore", "two of them, known")})
    after = worlds.apply(base, analyse(plan, base).changes)
    checks = consistency.check(plan, after)
    found = made(base, plan, checks=checks, carried=Carried(5, 2, (), 0), after=after)
    lines = report.summary(found).splitlines()
    assert lines[0].startswith(
        "Project plan in Airtable: carried out and verified. 5 records created, 2 updated."
    )
    assert "Stages in Airtable: 7 -> 8" in lines
    assert "two of them, known" in report.markdown(found)
    assert "## Created: 1 stage, 4 tasks" in report.markdown(found)
