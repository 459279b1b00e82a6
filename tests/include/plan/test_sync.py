"""The plan follows what really happened, whatever is lost, killed or unreachable on the way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.errors import AirtableUnavailable, PlanFailed, PlanRefused
from include.events import outbox
from include.events.outbox import Event
from include.plan import blocks, status, sync
from include.plan.airtable import Base
from include.plan.apply import apply
from include.plan.evidence import Proof
from include.plan.gaps import analyse
from include.plan.live import Change, Snapshot
from include.plan.model import Evidence, Plan, load
from local.airtable.server import Server
from tests.airtable import served
from tests.include.plan import worlds
from tests.include.plan.clients import NO_LIMIT, client
from tests.reports import NOWHERE

NOW = datetime(2026, 11, 22, 19, 30, tzinfo=UTC)
DAG, BUILD = "bqx_features", "pairs.s1_6_10_technical_idx.build"
STAGE, BACKFILL = "1.6.10 - Technical IDX Build", "TSK-1.6.10.3"
NOTHING = Proof(False, False, "0 of 28 pairs")
HALF = Proof(False, True, "17 of 28 pairs; 4,123,456 rows in 204 partitions", ("usdjpy",))
ALL = Proof(True, True, "28 of 28 pairs; 9,000,000 rows in 336 partitions", report="/reports/page.html")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load()


@pytest.fixture(scope="module")
def template(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base after the plan was applied to it."""
    folder = tmp_path_factory.mktemp("base")
    with served(folder, rate=NO_LIMIT) as server:
        base = client(server)
        snapshot = base.snapshot()
        done = apply(base, analyse(plan, snapshot).changes, snapshot)
        assert len(done.created) > 60
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "base"))


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with served(folder, rate=NO_LIMIT) as server:
        yield server


class World:
    """What is true, and the means to tell the plan."""

    def __init__(self, url: str, plan: Plan) -> None:
        self.url, self.plan = url, plan
        self.stages: dict[str, Proof] = {}
        self.airflow: dict[str, Any] = {}
        self.now = NOW

    def gather(self, url: str, wanted: list[Evidence], pairs: object, **_: object) -> dict[Evidence, Proof]:
        proofs = {}
        for one in wanted:
            if one.kind != "none":
                technical = one.families == ("technical_idx",)
                proofs[one] = self.stages.get(one.kind, NOTHING) if technical else NOTHING
        return proofs

    def sync(self, base: Base) -> dict[str, Any]:
        self.now += timedelta(minutes=5)
        return sync.sync(self.url, base, self.airflow, NOWHERE, plan=self.plan, now=self.now)

    def post(self, *events: Event) -> None:
        for event in events:
            outbox.post(self.url, event)

    def waiting(self) -> int:
        with outbox.connect(self.url) as connection:
            outbox.ensure_table(connection)
            return len(outbox.waiting(connection))


@pytest.fixture
def world(database_url: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(database_url, plan)
    monkeypatch.setattr(sync, "gather", world.gather)
    return world


def event(state: str, place: int, pair: str, **more: Any) -> Event:
    given = {"try_number": 1, "run_at": NOW, "started_at": NOW} | more
    return Event(DAG, "r1", BUILD, state, map_index=place, pair=pair, **given)


PIPELINE = [
    event("running", 0, "eurusd"),
    event("running", 1, "usdjpy"),
    event("success", 0, "eurusd", ended_at=NOW + timedelta(seconds=100)),
    event("success", 1, "usdjpy", ended_at=NOW + timedelta(seconds=192)),
]


def fields(base: Base, table: str, key: str) -> dict[str, Any]:
    (record,) = base.snapshot([table]).tables[table].by_key()[key]
    return dict(record.fields)


def status_of(base: Base, table: str, key: str) -> str:
    return fields(base, table, key)["Status"]


def content(server: Server) -> dict[str, Any]:
    """Everything the base holds, without the times that texts name."""
    snapshot = client(server).snapshot()
    return {
        record.id: {name: _timeless(value) for name, value in record.fields.items()}
        for record in snapshot.records()
    }


def _timeless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return "\n".join(line for line in value.splitlines() if not line.startswith("As of "))


def test_a_stage_from_its_first_table_to_its_end(world: World, server: Server) -> None:
    base = client(server)
    assert world.sync(base)["changed"] == 0
    world.stages = {"schema": ALL, "implemented": ALL, "backfill": HALF}
    world.post(*PIPELINE[:3])
    result = world.sync(base)
    assert (result["drained"], result["changed"]) == (
        3,
        5,
    )  # four tasks and their stage: its gate runs with its build
    assert status_of(base, "Tasks", "TSK-1.6.10.1") == "Done"
    assert status_of(base, "Tasks", BACKFILL) == "In Progress"
    assert status_of(base, "Stages", STAGE) == "In Progress"
    text = blocks.read(fields(base, "Tasks", BACKFILL)["Description"], blocks.STATUS)
    assert text is not None
    assert text.splitlines() == [
        "17 of 28 pairs; 4,123,456 rows in 204 partitions; missing: usdjpy",
        "Run r1: 1 of 2 done, 1 running",
        f"As of {world.now:%Y-%m-%d %H:%M} UTC",
    ]
    world.stages = dict.fromkeys(("schema", "implemented", "backfill", "gate"), ALL)
    world.post(PIPELINE[3])
    result = world.sync(base)
    assert status_of(base, "Stages", STAGE) == "Done"
    assert "4 of 4 tasks done" in fields(base, "Stages", STAGE)["Notes"]
    assert "Run r1: 2 of 2 done, 3 min 12 s" in fields(base, "Tasks", BACKFILL)["Description"]
    assert f"{BACKFILL}: Done" in result["summary"]


def test_nothing_is_written_when_nothing_changed(world: World, server: Server) -> None:
    base = client(server)
    world.stages = {"schema": ALL, "backfill": HALF}
    world.post(*PIPELINE)
    assert world.sync(base)["changed"] == 4
    before = content(server)

    def refuse(*_: object) -> None:
        raise AssertionError("something was written")

    base.write = refuse  # type: ignore[method-assign]
    for _ in range(3):
        told = world.sync(base)
        assert (told["drained"], told["changed"], told["left_alone"]) == (0, 0, [])
        assert told["summary"].startswith("0 events taken, 0 records of the plan changed.\nTasks of the plan")
    world.post(*PIPELINE)  # doubled
    assert world.sync(base)["drained"] == 4
    assert content(server) == before


def test_airtable_is_down_for_the_whole_pipeline_and_caught_up_afterwards(
    world: World, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with served(folder, rate=NO_LIMIT) as gone:
        base = client(gone)
    for number, told in enumerate(PIPELINE, 1):
        world.post(told)
        with pytest.raises(AirtableUnavailable):
            world.sync(base)
        assert world.waiting() == number
    world.stages = dict.fromkeys(("schema", "implemented", "backfill", "gate"), ALL)
    with served(folder, rate=NO_LIMIT) as server:
        result = world.sync(client(server))
        assert (result["drained"], result["changed"]) == (4, 5)
        caught_up = content(server)
    # The same as if it had always been there.
    world.stages = {"schema": ALL}
    with served(other, rate=NO_LIMIT) as server:
        world.sync(client(server))
        world.stages = dict.fromkeys(("schema", "implemented", "backfill", "gate"), ALL)
        world.sync(client(server))
        assert content(server) == caught_up


KILLED = """
import os, signal, sys
from datetime import datetime
from include.events import outbox
from include.plan import sync
from include.plan.evidence import Proof
from include.plan.model import load
from tests.include.plan.clients import Unlimited
from include.plan.airtable import Base
from local.airtable.server import BASE_ID, TOKEN

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def gather(url, wanted, pairs, **_):
    judged = [one for one in wanted if one.kind != "none"]
    return {one: Proof(one.families == ("technical_idx",), False, "facts") for one in judged}

sync.gather = gather
if sys.argv[3] == "kill":
    outbox.mark_drained = kill
base = Base(TOKEN, BASE_ID, limiter=Unlimited(), endpoint=sys.argv[2])
result = sync.sync(sys.argv[1], base, {}, None, plan=load())
print(result["drained"], result["changed"])
"""


def test_a_sync_that_is_killed_before_it_marks_loses_and_doubles_nothing(
    world: World, server: Server
) -> None:
    def run(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, world.url, server.endpoint, how]
        return subprocess.run(command, capture_output=True, text=True, timeout=100)

    world.post(*PIPELINE)
    records = len(content(server))
    assert run("kill").returncode == -9
    after = content(server)
    assert status_of(client(server), "Tasks", BACKFILL) == "Done"
    assert world.waiting() == len(PIPELINE)
    done = run("")
    assert (done.stdout.split(), done.stderr) == (["4", "0"], "")
    assert content(server) == after
    assert len(after) == records
    assert world.waiting() == 0


def change_by_hand(server: Server, table: str, key: str, **values: Any) -> None:
    base = client(server)
    (record,) = base.snapshot([table]).tables[table].by_key()[key]
    base._remote(table).update(record.id, values)


def test_what_people_wrote_and_decided_stays(world: World, server: Server) -> None:
    base = client(server)
    world.stages = {"backfill": HALF}
    description = fields(base, "Tasks", BACKFILL)["Description"]
    edits = {"Description": f"Mine above.\n{description}\nMine below.", "Status": "In Progress"}
    change_by_hand(server, "Tasks", "TSK-1.6.10.4", Status="In Progress")
    change_by_hand(server, "Tasks", BACKFILL, **edits)
    world.sync(base)
    after = fields(base, "Tasks", BACKFILL)["Description"]
    assert after.startswith(f"Mine above.\n{description}\nMine below.")
    assert blocks.read(after, blocks.STATUS)
    assert (
        status_of(base, "Tasks", "TSK-1.6.10.4") == "In Progress"
    )  # begun by hand, nothing speaks against it
    others = {name: value for name, value in fields(base, "Tasks", BACKFILL).items() if name != "Description"}
    assert others["Priority"] == "High"


def outdated(world: World, server: Server, base: Base) -> tuple[list[Change], Snapshot]:
    """What bqx_plan has to write, read before a person approved: one block, between words of people."""
    change_by_hand(server, "Tasks", BACKFILL, Description="Above.\n[bqx:plan]\nold\n[/bqx:plan]\nBelow.")
    snapshot = base.snapshot()
    changes = list(analyse(world.plan, snapshot).changes)
    assert [(one.key, list(one.blocks)) for one in changes] == [(BACKFILL, ["Description"])]
    return changes, snapshot


def test_while_the_plan_waits_for_approval_the_figures_go_on(world: World, server: Server) -> None:
    base = client(server)
    planned = blocks.read(fields(base, "Tasks", BACKFILL)["Description"], blocks.PLAN)
    changes, snapshot = outdated(world, server, base)
    for stage in (HALF, ALL):  # the sync comes more than once
        world.stages = {"backfill": stage}
        world.sync(base)
    before = fields(base, "Tasks", BACKFILL)["Description"]
    change_by_hand(server, "Tasks", BACKFILL, Description=f"{before}\nAnna, since then.")
    assert len(apply(base, changes, snapshot).updated) == 1
    after = fields(base, "Tasks", BACKFILL)["Description"]
    assert after.startswith("Above.\n[bqx:plan")
    assert after.endswith("\nAnna, since then.")
    assert blocks.read(after, blocks.PLAN) == planned
    assert blocks.read(after, blocks.STATUS) == blocks.read(before, blocks.STATUS)
    assert "28 of 28 pairs" in after
    assert analyse(world.plan, base.snapshot()).changes == ()
    assert world.sync(base)["changed"] == 0


def test_the_plan_may_be_carried_out_and_people_write_while_a_sync_compares(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = client(server)
    changes, snapshot = outdated(world, server, base)

    def meanwhile(*found: Any) -> Any:
        assert len(apply(base, changes, snapshot).updated) == 1
        text = fields(base, "Tasks", BACKFILL)["Description"]
        change_by_hand(server, "Tasks", BACKFILL, Description=f"{text}\nAnna.")
        return apply(*found)

    monkeypatch.setattr(sync, "apply", meanwhile)
    world.stages = {"backfill": ALL}
    assert world.sync(base)["changed"] > 0
    after = fields(base, "Tasks", BACKFILL)["Description"]
    assert "Above.\n[bqx:plan" in after
    assert "Below.\nAnna.\n\n[bqx:status" in after
    assert "old" not in (blocks.read(after, blocks.PLAN) or "old")
    assert "28 of 28 pairs" in (blocks.read(after, blocks.STATUS) or "")
    assert status_of(base, "Tasks", BACKFILL) == "Done"


@pytest.mark.parametrize(
    ("live", "standing", "expected"),
    [
        ("Blocked", status.OPEN, []),
        ("On Hold", status.IN_PROGRESS, []),
        ("Blocked", status.DONE, ["Done"]),
        (None, status.OPEN, ["Todo"]),
    ],
)
def test_a_status_that_only_people_know_stays_until_it_is_done(
    live: str | None, standing: str, expected: list[str]
) -> None:
    plan, key = worlds.plan(), "TSK-2.2.1"
    base = worlds.fulfilled(plan)
    base = worlds.edit(base, "Tasks", worlds.record(base, "Tasks", key).id, {"Status": live})
    found = sync.compare(plan, [status.Standing("Tasks", key, standing, "facts")], base, NOW)
    assert [change.fields["Status"] for change in found.changes if change.fields] == expected


def test_done_without_evidence_is_taken_back(world: World, server: Server) -> None:
    base = client(server)
    change_by_hand(server, "Tasks", BACKFILL, Status="Done")
    assert world.sync(base)["changed"] == 1
    assert status_of(base, "Tasks", BACKFILL) == "Todo"


def test_evidence_that_is_gone_is_told(world: World, server: Server) -> None:
    base = client(server)
    world.stages = {"backfill": ALL}
    world.sync(base)
    world.stages = {}
    world.sync(base)
    assert status_of(base, "Tasks", BACKFILL) == "Todo"
    assert "0 of 28 pairs" in fields(base, "Tasks", BACKFILL)["Description"]


def test_a_lost_and_a_late_callback_are_mended_by_airflow(world: World, server: Server) -> None:
    base = client(server)
    world.stages = {"backfill": ALL}
    world.post(PIPELINE[2], event("failed", 0, "eurusd", note="QualityError: x"))  # success came first
    run = {"run_id": "r1", "run_at": NOW.isoformat()}
    world.airflow = {DAG: [run | {"tasks": {f"{BUILD}_0": "failed", f"{BUILD}_1": "success"}}]}
    world.sync(base)
    assert status_of(base, "Tasks", BACKFILL) == "In Progress"
    assert "failed: eurusd (QualityError: x)" in fields(base, "Tasks", BACKFILL)["Description"]
    world.airflow = {DAG: [run | {"tasks": {f"{BUILD}_0": "success", f"{BUILD}_1": "success"}}]}
    assert world.sync(base)["drained"] == 0  # cleared, and not one event came
    assert status_of(base, "Tasks", BACKFILL) == "Done"


def test_what_is_not_clear_is_left_alone_and_named(world: World, server: Server) -> None:
    base = client(server)
    world.stages = dict.fromkeys(("schema", "implemented", "backfill", "gate"), ALL)
    tasks = base._remote("Tasks")
    tasks.create({"Task ID": "TSK-1.6.10.1", "Task Name": "Create schemas (technical_idx)"})
    damaged = f"[bqx:{blocks.STATUS}] without an end"
    theirs = {"Task Name": "Validation suite", "Description": "Theirs."}
    change_by_hand(server, "Tasks", "TSK-1.6.10.2", **theirs)
    change_by_hand(server, "Tasks", BACKFILL, Description=damaged)
    result = world.sync(base)
    assert status_of(base, "Tasks", "TSK-1.6.10.4") == "Done"
    assert [text.split(": ")[0] for text in result["left_alone"]] == [
        "Tasks TSK-1.6.10.1",
        "Tasks TSK-1.6.10.2",
        f"Tasks {BACKFILL}",
    ]
    assert fields(base, "Tasks", BACKFILL)["Description"] == damaged
    assert status_of(base, "Tasks", BACKFILL) == "Done", "only the damaged text is left alone"
    assert status_of(base, "Tasks", "TSK-1.6.10.2") == "Todo"
    assert "Left alone: Tasks TSK-1.6.10.2: the record is about something else" in result["summary"]


@pytest.mark.parametrize(
    "edits",
    [
        {"Task Name": "Renamed by somebody"},  # our block says whose it is
        {"Task Name": " UPPER ", "Description": "no block"},
    ],
)
def test_what_is_ours_for_bqx_plan_is_ours_for_the_sync(
    world: World, server: Server, edits: dict[str, str]
) -> None:
    base = client(server)
    world.stages = {"backfill": ALL}
    upper = str(fields(base, "Tasks", BACKFILL)["Task Name"]).upper()
    change_by_hand(
        server, "Tasks", BACKFILL, **{name: value.replace("UPPER", upper) for name, value in edits.items()}
    )
    assert world.sync(base)["left_alone"] == []
    assert status_of(base, "Tasks", BACKFILL) == "Done"


def test_a_base_without_the_plan_is_not_touched(world: World, tmp_path: Path) -> None:
    world.stages = {"backfill": ALL}
    world.post(*PIPELINE)
    with served(tmp_path / "old", rate=NO_LIMIT) as server:
        before = content(server)
        result = world.sync(client(server))
        assert (result["drained"], result["changed"]) == (4, 0)
        assert content(server) == before


def test_a_status_without_option_is_refused_and_the_events_stay(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.status, "SPELLINGS", sync.status.SPELLINGS | {"done": ("Erledigt",)})
    world.stages = {"backfill": ALL}
    world.post(*PIPELINE)
    with pytest.raises(PlanRefused, match="no option for 'done'"):
        world.sync(client(server))
    assert world.waiting() == 4


def test_a_record_that_cannot_be_written_is_told_and_the_others_are_written(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stages = {"schema": ALL, "backfill": ALL}
    world.post(*PIPELINE)
    spelled = sync.status.spelled

    def wrong(status: str, table: str, field: Any) -> str:
        return spelled(status, table, field) if table == "Tasks" else "No such option"

    monkeypatch.setattr(sync.status, "spelled", wrong)
    base = client(server)
    with pytest.raises(PlanFailed, match=r"1 records .* Stages 1\.6\.10 - Technical IDX Build"):
        world.sync(base)
    assert world.waiting() == 4, "the plan does not know all of them yet"
    assert status_of(base, "Tasks", BACKFILL) == "Done"
    monkeypatch.undo()
    monkeypatch.setattr(sync, "gather", world.gather)
    again = world.sync(base)  # the next sync tries it again
    assert (again["changed"], again["drained"], world.waiting()) == (1, 4, 0)


def test_the_dags_of_the_plan(plan: Plan) -> None:
    assert sync.dags(plan) == ["bqx_train", "bqx_migrate", "bqx_features"]


def test_events_of_old_runs_are_forgotten(world: World, server: Server, db: psycopg.Connection) -> None:
    for number in range(outbox.RECENT + 3):
        for task in ("a", "b"):
            world.post(Event(DAG, f"r{number}", task, "success", run_at=NOW + timedelta(days=number)))
    world.sync(client(server))
    (left,) = db.execute("SELECT count(*) FROM bqx.events").fetchone()
    assert left == 2 * outbox.RECENT + 3
