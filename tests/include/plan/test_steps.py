"""The tasks of the DAG from end to end, with Airtable and S3 played by the stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.errors import AirtableUnavailable, MissingInput, PlanFailed, PlanRefused
from include.objects import ObjectStore
from include.plan import blocks, report, steps
from include.plan.airtable import Base
from include.reports import Reports
from local.airtable.server import TOKEN, Server
from tests import airtable, s3
from tests.include.plan.clients import NO_LIMIT, client
from tests.include.plan.drafts import draft
from tests.reports import in_folder

RUN = "manual__2026-11-22T10:00:00+00:00"


@dataclass
class Stand:
    """What a run needs."""

    server: Server
    base: Base
    store: ObjectStore
    reports: Reports

    def plan(self, **options: Any) -> dict[str, Any]:
        steps.read(self.base, self.store, RUN, **options)
        return steps.analyse(self.store, RUN, self.reports, **options)

    def fields(self, table: str, key: str) -> dict[str, Any]:
        (found,) = self.base.snapshot([table]).tables[table].by_key()[key]
        return dict(found.fields)

    def held(self) -> dict[str, Any]:
        return {record.id: record.fields for record in self.base.snapshot().records()}

    def edit(self, table: str, key: str, **fields: Any) -> None:
        found = self.base.snapshot([table]).tables[table].by_key()[key][0]
        remote = airtable.connect(self.server.endpoint).table(self.server.base_id, table)
        remote.update(found.id, fields)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest; test_report.py looks at the pictures."""
    monkeypatch.setattr(report, "pictures", lambda desired: dict.fromkeys(report.PICTURES, b"\x89PNG"))


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with (
        airtable.served(tmp_path / "airtable", rate=NO_LIMIT) as server,
        s3.served(tmp_path / "s3") as bucket,
    ):
        store = ObjectStore(s3.connect(bucket.server_port), "bqx", "plan")
        store.ensure_bucket()
        yield Stand(server, client(server), store, in_folder(tmp_path / "reports"))
        store.client.close()


def test_a_dry_run_writes_nothing_to_the_base(stand: Stand) -> None:
    before = stand.held()
    found = steps.preflight(stand.base)
    planned = stand.plan()
    told = steps.report(stand.store, RUN, stand.reports)
    assert stand.held() == before
    assert found["items"] == 78
    assert found["records"] == {"Plans": 1, "Phases": 18, "Stages": 108, "Tasks": 182}
    assert (planned["changes"], planned["create"], planned["update"]) == (78, 63, 15)
    assert planned["gaps"]["missing"] == 63
    assert (planned["decisions"], planned["off"]) == (0, [])
    assert "proposal, nothing written" in told["summary"]
    assert "Cost a month: $535 -> $286" in told["summary"]
    assert "Stages in Airtable: 108 -> 120" in told["summary"]
    folder = Path(told["report"]).parent
    assert planned["report"] == told["report"]
    assert {path.name for path in folder.iterdir()} == {steps.PAGE, steps.TEXT, *report.PICTURES}


def test_a_run_carries_out_the_plan_and_a_second_one_has_nothing_to_do(stand: Stand) -> None:
    stand.edit("Stages", "3.1 - Baseline Models", Description="Anna wrote this.", Notes="Ask Anna")
    before = stand.held()
    stand.plan()
    assert steps.apply(stand.base, stand.store, RUN) == {"created": 63, "updated": 15, "present": 0}
    verified = steps.verify(stand.base, stand.store, RUN)
    told = steps.report(stand.store, RUN, stand.reports)
    after = stand.held()
    assert verified["records"] == {"Plans": 1, "Phases": 19, "Stages": 120, "Tasks": 232}
    assert "carried out and verified" in told["summary"]
    assert "63 records created, 15 updated" in told["summary"]
    assert "carried out and verified" in Path(told["report"]).read_text()
    assert before.keys() < after.keys()
    baseline = stand.fields("Stages", "3.1 - Baseline Models")
    assert baseline["Notes"] == "Ask Anna"
    assert baseline["Description"].startswith("Anna wrote this.\n\n[bqx:plan")

    again = stand.plan()
    assert (again["changes"], again["decisions"]) == (0, 0)
    assert "nothing to write" in again["page"]
    assert steps.apply(stand.base, stand.store, RUN) == {"created": 0, "updated": 0, "present": 0}
    assert stand.held() == after
    assert "up to date" in steps.report(stand.store, RUN, stand.reports)["summary"]


def test_applying_twice_writes_once(stand: Stand) -> None:
    stand.plan()
    steps.apply(stand.base, stand.store, RUN)
    after = stand.held()
    assert steps.apply(stand.base, stand.store, RUN) == {"created": 0, "updated": 0, "present": 78}
    assert stand.held() == after
    told = steps.report(stand.store, RUN, stand.reports)
    assert "63 records created, 15 updated" in told["summary"]


def test_an_interrupted_run_says_so_and_goes_on(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.plan()
    write, calls = stand.base.write, iter(range(99))

    def down(*arguments: Any) -> Any:
        if next(calls) == 3:
            raise AirtableUnavailable("no answer")
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(stand.base, "write", down)
        with pytest.raises(AirtableUnavailable):
            steps.apply(stand.base, stand.store, RUN)
    told = steps.report(stand.store, RUN, stand.reports)["summary"]
    assert told.startswith("Project plan in Airtable: interrupted, run again. Writing was interrupted:")
    done = steps.apply(stand.base, stand.store, RUN)
    assert done["present"] > 0
    assert sum(done.values()) == 78
    steps.verify(stand.base, stand.store, RUN)
    assert "carried out and verified" in steps.report(stand.store, RUN, stand.reports)["summary"]


def test_what_a_person_changes_between_reading_and_writing_is_left_alone_and_told(stand: Stand) -> None:
    stand.plan()
    stand.edit("Stages", "2.1 - Base Feature Extraction", Duration="2 days")
    with pytest.raises(PlanFailed, match=r"1 of 78 records were not written(.|\n)*2\.1 - Base Feature"):
        steps.apply(stand.base, stand.store, RUN)
    assert stand.fields("Stages", "2.1 - Base Feature Extraction")["Duration"] == "2 days"
    with pytest.raises(PlanFailed, match=r"1 changes are left(.|\n)*run bqx_plan again"):
        steps.verify(stand.base, stand.store, RUN)
    told = steps.report(stand.store, RUN, stand.reports)
    assert "1 record not written" in told["summary"]
    assert "Duration" in Path(told["report"]).read_text()


def test_a_text_may_go_on_while_the_plan_waits_for_approval(stand: Stand) -> None:
    around, inside = "3.1 - Baseline Models", "3.2 - Advanced Models"
    old = blocks.put("", blocks.PLAN, "old")
    for key in (around, inside):
        stand.edit("Stages", key, Description=f"Anna.\n{old}")
    stand.plan()
    figures = blocks.put("", blocks.STATUS, "0 of 4 tasks done")
    stand.edit("Stages", around, Description=f"Anna.\n{old}\nBen.\n{figures}")
    by_hand = f"Anna.\n{old.replace('old', 'older')}\nBen."
    stand.edit("Stages", inside, Description=by_hand)
    told = rf"1 of 78 records (.|\n)*{inside}': somebody changed Description \(block 'plan'\)"
    with pytest.raises(PlanFailed, match=told):
        steps.apply(stand.base, stand.store, RUN)
    text = stand.fields("Stages", around)["Description"]
    assert blocks.around(text, blocks.PLAN) == ("Anna.\n", f"\nBen.\n{figures}")
    assert blocks.read(text, blocks.PLAN) not in (None, "old")
    assert stand.fields("Stages", inside)["Description"] == by_hand
    with pytest.raises(PlanFailed, match="1 changes are left"):
        steps.verify(stand.base, stand.store, RUN)


def test_an_ambiguous_record_does_not_stop_the_others_but_fails_the_run(stand: Stand) -> None:
    key = "3.2 - Advanced Models"
    snapshot = stand.base.snapshot(["Stages"]).tables["Stages"]
    copy = {"Stage ID": key, "Phase (Link)": snapshot.by_key()[key][0].fields["Phase (Link)"]}
    airtable.connect(stand.server.endpoint).table(stand.server.base_id, "Stages").create(copy)
    planned = stand.plan()
    assert (planned["changes"], planned["decisions"], planned["off"]) == (77, 1, [])
    assert "Needs a decision" in planned["page"]
    assert steps.apply(stand.base, stand.store, RUN)["created"] == 63
    with pytest.raises(PlanFailed, match="0 changes are left and 1 checks"):
        steps.verify(stand.base, stand.store, RUN)
    with pytest.raises(PlanFailed, match=r"1 records need a decision(.|\n)*decisions\.yaml"):
        steps.report(stand.store, RUN, stand.reports)
    assert list(stand.reports.store.list("plan/"))


def test_a_damaged_block_is_left_alone(stand: Stand) -> None:
    stand.edit("Stages", "3.3 - Model Selection", Description="[bqx:plan] cut")
    stand.plan()
    steps.apply(stand.base, stand.store, RUN)
    assert stand.fields("Stages", "3.3 - Model Selection")["Description"] == "[bqx:plan] cut"
    with pytest.raises(PlanFailed, match="markers of the block"):
        steps.report(stand.store, RUN, stand.reports)


def test_a_changed_number_reaches_the_base_and_the_report_says_what_does_not_add_up(
    stand: Stand, tmp_path: Path
) -> None:
    stand.plan()
    steps.apply(stand.base, stand.store, RUN)
    edited = draft(tmp_path, ("plan.yaml", "  hours: 71 #", "  hours: 72 #"))
    planned = stand.plan(desired=edited)
    assert planned["off"] == ["3 Hours of all tasks"]
    assert "planned 72, computed 71" in planned["page"]
    with pytest.raises(PlanFailed, match="3 Hours of all tasks: planned 72, is 71"):
        steps.verify(stand.base, stand.store, RUN, desired=edited)


def test_preflight_refuses_a_plan_that_the_base_cannot_take(stand: Stand, tmp_path: Path) -> None:
    edited = draft(tmp_path, ("phases.yaml", "status: Not Started", "status: Pending"))
    before = stand.held()
    with pytest.raises(PlanRefused, match="'Pending' is no option; there are 'Not Started', 'In Progress'"):
        steps.preflight(stand.base, desired=edited)
    assert stand.held() == before


def test_a_step_whose_input_is_gone_says_so(stand: Stand) -> None:
    with pytest.raises(MissingInput, match="Start bqx_plan again"):
        steps.analyse(stand.store, RUN, stand.reports)


def test_reading_again_forgets_what_an_earlier_try_left(stand: Stand) -> None:
    stand.plan()
    steps.apply(stand.base, stand.store, RUN)
    steps.verify(stand.base, stand.store, RUN)
    stand.edit("Stages", "3.1 - Baseline Models", Duration="2 days")
    assert stand.plan()["changes"] == 1
    assert "proposal, nothing written" in steps.report(stand.store, RUN, stand.reports)["summary"]


def test_what_is_kept_holds_neither_the_token_nor_what_people_wrote_elsewhere(stand: Stand) -> None:
    stand.edit("Stages", "3.1 - Baseline Models", Notes="Salary of Anna", Outcome="Private words")
    stand.edit("Stages", "3.1 - Baseline Models", Description="Also private")
    stand.plan()
    steps.apply(stand.base, stand.store, RUN)
    steps.verify(stand.base, stand.store, RUN)
    steps.report(stand.store, RUN, stand.reports)
    found = {
        one.key: (store.get(one.key) or b"").decode(errors="replace")
        for store in (stand.store, stand.reports.store)
        for one in store.list("plan/")
    }
    assert {key.rpartition("/")[2] for key in found} == {
        *(steps.BEFORE, steps.ANALYSIS, steps.APPLIED, steps.AFTER),
        *(steps.PAGE, steps.TEXT, *report.PICTURES),
    }
    for key, text in found.items():
        assert TOKEN not in text
        assert "Salary of Anna" not in text
        assert "Private words" not in text
        assert stand.server.base_id not in text
        if key.endswith((".html", ".md")):
            assert "Also private" not in text
    kept = json.loads(next(text for key, text in found.items() if key.endswith(steps.AFTER)))
    (stage,) = [
        r for r in kept["Stages"]["records"] if r["fields"].get("Stage ID") == "3.1 - Baseline Models"
    ]
    assert blocks.around(stage["fields"]["Description"], blocks.PLAN) == ("Also private\n\n", "")
