"""Carrying out changes: in order, once, read back; what others did in the meantime is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.errors import AirtableUnavailable
from include.plan import blocks
from include.plan.airtable import Base
from include.plan.apply import Applied, apply
from include.plan.live import Block, Change, Record, Snapshot, Table
from local.airtable.base import Write as Cells
from local.airtable.server import TOKEN, Server
from local.airtable.tables import tables
from local.airtable.trouble import Kind
from tests.airtable import served
from tests.include.plan.changes import carry_out, differences, fill, plan_of
from tests.include.plan.clients import KEY, NO_LIMIT, client, tasks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, seed=tables, rate=NO_LIMIT) as running:
        yield running


@pytest.fixture
def base(server: Server) -> Base:
    return client(server)


def keys(changes: tuple[Change, ...]) -> list[str]:
    return [change.key for change in changes]


def reasons(applied: Applied) -> dict[str, str]:
    return {change.key: reason for change, reason in applied.failed}


def create(table: str, key: str, links: dict[str, tuple[str, str]] | None = None, **fields: Any) -> Change:
    return Change("create", table, key, None, fields, links or {})


def by_hand(server: Server, key: str, **fields: Any) -> str:
    """What a person does in the browser, to the task of a key or to a new one."""
    table = server.base.table("Tasks")
    found = next((one.id for one in table.records.values() if table.title(one) == key), None)
    return server.base.write("Tasks", [Cells(found, {KEY: key, **fields})]).records[0].id


def test_ids_of_new_records_feed_the_links_to_them(server: Server, base: Base) -> None:
    changes = [
        create("Phases", "Phase 9: X"),
        create("Stages", "9.1 - X", {"Phase (Link)": ("Phases", "Phase 9: X")}),
        create("Tasks", "TSK-9.1.1", {"Stage (Link)": ("Stages", "9.1 - X")}, Status="Todo"),
    ]
    applied = apply(base, changes, base.snapshot())
    assert keys(applied.created) == ["Phase 9: X", "9.1 - X", "TSK-9.1.1"]
    held = base.snapshot().tables
    (phase,), (stage,), (task,) = (held[name].records for name in ("Phases", "Stages", "Tasks"))
    assert stage.fields["Phase (Link)"] == phase.id, "text, as that field is"
    assert task.fields["Stage (Link)"] == [stage.id], "a list, as that field is"
    assert task.fields["Status"] == "Todo"


def test_what_cannot_be_made_takes_only_those_with_it_that_link_to_it(base: Base) -> None:
    changes = [
        create("Stages", "9.1 - X", Status="Pending"),
        create("Stages", "9.2 - Y"),
        create("Tasks", "TSK-9.1.1", {"Stage (Link)": ("Stages", "9.1 - X")}),
        create("Tasks", "TSK-9.2.1", {"Stage (Link)": ("Stages", "9.2 - Y")}),
    ]
    applied = apply(base, changes, base.snapshot())
    assert keys(applied.created) == ["9.2 - Y", "TSK-9.2.1"]
    assert "a select field has no such option" in reasons(applied)["9.1 - X"]
    assert reasons(applied)["TSK-9.1.1"] == (
        "Stage (Link): Stages '9.1 - X' is not there, or could not be created"
    )


def test_a_link_is_never_a_guess(server: Server, base: Base) -> None:
    for _ in range(2):
        server.base.write("Stages", [Cells(None, {"Stage ID": "9.1 - X"})])
    change = create("Tasks", "TSK-9.1.1", {"Stage (Link)": ("Stages", "9.1 - X")})
    assert "is there 2 times" in reasons(apply(base, [change], base.snapshot()))["TSK-9.1.1"]


def test_only_what_differs_is_written_and_a_second_run_writes_nothing(server: Server, base: Base) -> None:
    fill(server, plan_of(range(40)))
    plan = plan_of(range(60)) | plan_of(range(5, 12), Status="Done")
    by_hand(server, "TSK-9.9.7", Priority="Low")
    before, writes = tasks(server), server.limits.count(TOKEN).writes
    applied = carry_out(base, plan)
    assert (len(applied.created), len(applied.updated), applied.present, applied.failed) == (20, 7, (), ())
    assert server.limits.count(TOKEN).writes - writes == 3
    held = tasks(server)
    assert held["TSK-9.9.7"][0] == before["TSK-9.9.7"][0] | {"Status": "Done"}, "the rest of it stays"
    assert all(held[key] == before[key] for key in before.keys() - plan_of(range(5, 12)).keys())
    records = server.limits.count(TOKEN).records
    assert carry_out(base, plan) == Applied((), (), (), ())
    assert server.limits.count(TOKEN).records == records


def test_the_same_changes_may_be_carried_out_again(server: Server, base: Base) -> None:
    fill(server, plan_of(range(10)))
    snapshot = base.snapshot(["Tasks"])
    changes = differences(plan_of(range(25), Status="Done"), snapshot)
    apply(base, changes[:12], snapshot)
    records = server.limits.count(TOKEN).records
    applied = apply(base, changes, snapshot)
    assert len(applied.present) == 12
    assert len(applied.created) + len(applied.updated) == 13
    assert server.limits.count(TOKEN).records - records == 13


def test_a_first_status_that_moved_on_is_no_obstacle_to_a_second_try(server: Server, base: Base) -> None:
    snapshot = base.snapshot(["Tasks"])
    changes = [replace(one, once=("Status",)) for one in differences(plan_of(range(3)), snapshot)]
    apply(base, changes, snapshot)
    by_hand(server, "TSK-9.9.1", Status="In Progress")
    applied = apply(base, changes, snapshot)
    assert (len(applied.present), applied.failed) == (3, ())
    assert tasks(server)["TSK-9.9.1"][0]["Status"] == "In Progress"


def test_what_people_did_since_the_plan_was_read_is_left_alone(server: Server, base: Base) -> None:
    fill(server, plan_of(range(6)))
    snapshot = base.snapshot(["Tasks"])
    changes = differences(plan_of(range(8), Description="ours"), snapshot)
    by_hand(server, "TSK-9.9.0", Description="theirs")
    by_hand(server, "TSK-9.9.1", **{"Task Name": "theirs"})  # a field this change does not write
    by_hand(server, "TSK-9.9.2", Description="ours")
    gone, renamed = (by_hand(server, f"TSK-9.9.{number}") for number in (3, 4))
    server.base.delete("Tasks", [gone])
    server.base.write("Tasks", [Cells(renamed, {KEY: "TSK-0.0.4"})])
    by_hand(server, "TSK-9.9.6", Status="Done")
    by_hand(server, "TSK-9.9.7", **plan_of(range(7, 8), Description="ours")["TSK-9.9.7"])
    before = tasks(server)
    applied = apply(base, changes, snapshot)
    assert {key: told.split(";")[0] for key, told in reasons(applied).items()} == {
        "TSK-9.9.0": "somebody changed Description since the plan was read",
        "TSK-9.9.3": "it was deleted since the plan was read",
        "TSK-9.9.4": "it was renamed since the plan was read, to 'TSK-0.0.4'",
        "TSK-9.9.6": "it was made since the plan was read, with other Task Name, Description, "
        "Estimated Hours, Status",
    }
    assert sorted(keys(applied.present)) == ["TSK-9.9.2", "TSK-9.9.7"]
    assert sorted(keys(applied.updated)) == ["TSK-9.9.1", "TSK-9.9.5"]
    assert tasks(server)["TSK-9.9.0"] == before["TSK-9.9.0"]
    assert "TSK-9.9.3" not in tasks(server)


def test_one_bad_record_of_ten_is_one_failure(server: Server, base: Base) -> None:
    plan = plan_of(range(10))
    plan["TSK-9.9.4"]["Status"] = "Pending"
    applied = carry_out(base, plan)
    assert len(applied.created) == 9
    assert list(reasons(applied)) == ["TSK-9.9.4"]
    assert "a select field has no such option" in reasons(applied)["TSK-9.9.4"]
    assert len(tasks(server)) == 9


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
def test_trouble_on_the_way_changes_nothing_about_the_outcome(server: Server, base: Base, kind: Kind) -> None:
    fill(server, plan_of(range(10)))
    for writes in (True, False, True):
        server.trouble.plan(kind, writes=writes)
    applied = carry_out(base, plan_of(range(30), Status="Done"))
    assert (len(applied.created), len(applied.updated), applied.failed) == (20, 10, ())
    assert {len(found) for found in tasks(server).values()} == {1}


def test_an_airtable_that_is_down_is_caught_up_with_later(server: Server, base: Base) -> None:
    snapshot = base.snapshot(["Tasks"])
    changes = differences(plan_of(range(30)), snapshot)
    server.trouble.down = True
    with pytest.raises(AirtableUnavailable):
        apply(client(server, sleep=lambda _: None), changes, snapshot)
    server.trouble.clear()
    assert len(apply(base, changes, snapshot).created) == 30


class Forgetful:
    """A base that answers as if it had written, and keeps something else."""

    def __init__(self, base: Base, damage: dict[str, Any]) -> None:
        self._base, self._damage = base, damage

    def read(self, *args: Any, **kwargs: Any) -> list[Record]:
        found = self._base.read(*args, **kwargs)
        return [
            Record(one.id, one.table, {**one.fields, **self._damage.get(one.fields[KEY], {})})
            for one in found
            if self._damage.get(one.fields[KEY]) is not None or one.fields[KEY] not in self._damage
        ]

    def write(self, *args: Any, **kwargs: Any) -> Any:
        return self._base.write(*args, **kwargs)


def test_what_reads_back_otherwise_is_a_failure_of_that_record(base: Base) -> None:
    damaged = Forgetful(base, {"TSK-9.9.1": {"Status": "Done"}, "TSK-9.9.2": None})
    empty = Snapshot({"Tasks": Table("Tasks", KEY, {})})
    applied = apply(damaged, differences(plan_of(range(4)), empty), empty)
    assert keys(applied.created) == ["TSK-9.9.0", "TSK-9.9.3"]
    assert reasons(applied) == {
        "TSK-9.9.1": "it was written, and reads back with other Status",
        "TSK-9.9.2": "it was written, and is not there when it is read back",
    }


class Racing(Forgetful):
    """While we create a record, so does somebody else."""

    def write(self, table: str, writes: Any, key_field: str) -> Any:
        self._base.write(table, [one for one in writes if one.key == "TSK-9.9.1"], key_field)
        return self._base.write(table, writes, key_field)


def test_a_key_that_became_two_is_told(base: Base) -> None:
    empty = Snapshot({"Tasks": Table("Tasks", KEY, {})})
    applied = apply(Racing(base, {}), differences(plan_of(range(3)), empty), empty)
    assert keys(applied.created) == ["TSK-9.9.0", "TSK-9.9.2"]
    assert "its key is there more than once now (rec" in reasons(applied)["TSK-9.9.1"]


def test_no_changes_no_requests() -> None:
    empty = Snapshot({})
    assert apply(Forgetful(None, {}), [], empty) == Applied((), (), (), ())


ABOVE, BELOW = "Anna was here.\r\n", "\n\n  Ask Ben  \n"


def texts(server: Server) -> dict[str, str]:
    return {key: found[0].get("Description", "") for key, found in tasks(server).items()}


def managed(name: str, content: str, numbers: range = range(1)) -> dict[str, str]:
    """Texts by key: between words of people, a block."""
    block = blocks.put("", name, content)
    return {f"TSK-9.9.{number}": f"{ABOVE}{block}{BELOW}" for number in numbers}


def rewriting(snapshot: Snapshot, name: str, content: str) -> list[Change]:
    """Changes of one block of every task."""
    return [
        Change("update", "Tasks", str(one.fields[KEY]), one.id, blocks={"Description": Block(name, content)})
        for one in snapshot.tables["Tasks"].records
    ]


Analysed = tuple[list[Change], Snapshot]


@pytest.fixture
def analysed(server: Server, base: Base) -> Analysed:
    """A task whose block of the plan is to be written anew."""
    fill(server, {key: {"Description": text} for key, text in managed(blocks.PLAN, "old").items()})
    snapshot = base.snapshot(["Tasks"])
    return rewriting(snapshot, blocks.PLAN, "new"), snapshot


def test_the_other_dag_may_write_its_block_in_the_meantime(
    server: Server, base: Base, analysed: Analysed
) -> None:
    changes, snapshot = analysed
    fresh = base.snapshot(["Tasks"])
    assert len(apply(base, rewriting(fresh, blocks.STATUS, "17 of 28"), fresh).updated) == 1
    assert len(apply(base, changes, snapshot).updated) == 1
    wanted = blocks.put(managed(blocks.PLAN, "new")["TSK-9.9.0"], blocks.STATUS, "17 of 28")
    assert texts(server) == {"TSK-9.9.0": wanted}
    records = server.limits.count(TOKEN).records
    assert keys(apply(base, changes, snapshot).present) == ["TSK-9.9.0"]
    assert server.limits.count(TOKEN).records == records


@pytest.mark.parametrize("block", ["[bqx:plan]\nold\n[/bqx:plan]", "[bqx:plan] \r\nold \n[/bqx:plan]"])
@pytest.mark.parametrize(
    "words", ["{}", "Before.\t{}", "{}\nAfter. ", "[bqx:status] cut {}", "\u00e4\r\n{}\n\n"]
)
def test_what_people_write_around_a_block_in_the_meantime_survives(
    server: Server, base: Base, analysed: Analysed, words: str, block: str
) -> None:
    by_hand(server, "TSK-9.9.0", Description=words.format(block))
    assert len(apply(base, *analysed).updated) == 1
    assert texts(server)["TSK-9.9.0"] == words.format(blocks.put("", blocks.PLAN, "new"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[bqx:plan]\nolder\n[/bqx:plan]",
            "somebody changed Description (block 'plan') since the plan was read",
        ),
        ("[bqx:plan]\n[/bqx:plan]", "somebody changed Description (block 'plan') since the plan was read"),
        ("", "somebody changed Description (block 'plan') since the plan was read"),
        ("[bqx:plan]\nold", "The markers of the block 'plan' are damaged (1 beginnings, 0 ends)"),
        ("[bqx:plan]\nold [bqx:status]\n[/bqx:plan]", "Another marker stands inside the block 'plan'"),
    ],
)
def test_what_people_write_inside_a_block_in_the_meantime_is_left_alone_and_told(
    server: Server, base: Base, analysed: Analysed, text: str, told: str
) -> None:
    by_hand(server, "TSK-9.9.0", Description=f"Anna.\n{text}")
    applied = apply(base, *analysed)
    assert reasons(applied)["TSK-9.9.0"].startswith(told)
    assert reasons(applied)["TSK-9.9.0"].endswith("run bqx_plan again, it compares afresh")
    assert texts(server)["TSK-9.9.0"] == f"Anna.\n{text}"


def test_a_block_that_somebody_brought_up_to_date_is_present(
    server: Server, base: Base, analysed: Analysed
) -> None:
    text = f"Other words.\n{blocks.put('', blocks.PLAN, 'new')}"
    by_hand(server, "TSK-9.9.0", Description=text)
    assert keys(apply(base, *analysed).present) == ["TSK-9.9.0"]
    assert texts(server)["TSK-9.9.0"] == text


def test_a_first_block_comes_below_the_text_that_is_there_by_now(server: Server, base: Base) -> None:
    fill(server, plan_of(range(1)))
    snapshot = base.snapshot(["Tasks"])
    by_hand(server, "TSK-9.9.0", Description="Written since.")
    assert apply(base, rewriting(snapshot, blocks.PLAN, "new"), snapshot).failed == ()
    assert texts(server)["TSK-9.9.0"] == blocks.put("Written since.", blocks.PLAN, "new")


def test_a_new_record_has_its_block_and_what_was_written_around_it_is_no_other_record(
    server: Server, base: Base
) -> None:
    managed = {"Description": Block(blocks.PLAN, "new")}
    changes = [
        Change("create", "Tasks", "TSK-9.9.0", None, {"Status": "Todo"}, blocks=managed),
        Change("create", "Tasks", "TSK-9.9.1", None, {"Description": "About it"}, blocks=managed),
    ]
    snapshot = base.snapshot(["Tasks"])
    assert len(apply(base, changes, snapshot).created) == 2
    block = blocks.put("", blocks.PLAN, "new")
    assert texts(server) == {"TSK-9.9.0": block, "TSK-9.9.1": f"About it\n\n{block}"}
    by_hand(server, "TSK-9.9.0", Description=f"Mine.\n{block}")
    by_hand(server, "TSK-9.9.1", Description="[bqx:plan]\nMine\n[/bqx:plan]")
    again = apply(base, changes, snapshot)
    assert keys(again.present) == ["TSK-9.9.0"]
    assert reasons(again)["TSK-9.9.1"].startswith(
        "it was made since the plan was read, with other Description (block 'plan')"
    )


class Busy:
    """A base in which the other DAG writes its blocks, once, right after our first write."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self.read = base.read
        self.told: Applied | None = None

    def write(self, *args: Any) -> Any:
        written = self._base.write(*args)
        if self.told is None:
            fresh = self._base.snapshot(["Tasks"])
            self.told = apply(self._base, rewriting(fresh, blocks.STATUS, "told"), fresh)
        return written


def test_nothing_is_lost_while_a_long_list_is_carried_out(server: Server, base: Base) -> None:
    fill(server, {key: {"Description": t} for key, t in managed(blocks.PLAN, "old", range(25)).items()})
    snapshot = base.snapshot(["Tasks"])
    busy = Busy(base)
    applied = apply(busy, rewriting(snapshot, blocks.PLAN, "new"), snapshot)
    assert (len(applied.updated), applied.failed) == (25, ())
    assert busy.told is not None
    assert len(busy.told.updated) == 25
    wanted = managed(blocks.PLAN, "new", range(25))
    assert texts(server) == {key: blocks.put(text, blocks.STATUS, "told") for key, text in wanted.items()}


@pytest.mark.parametrize("kept", ["[bqx:plan]\nother\n[/bqx:plan]", "[bqx:plan] cut", ""])
def test_a_block_that_reads_back_otherwise_is_a_failure(base: Base, kept: str) -> None:
    change = Change("create", "Tasks", "TSK-9.9.0", None, blocks={"Description": Block(blocks.PLAN, "new")})
    damaged = Forgetful(base, {"TSK-9.9.0": {"Description": kept}})
    applied = apply(damaged, [change], Snapshot({"Tasks": Table("Tasks", KEY, {})}))
    assert reasons(applied) == {
        "TSK-9.9.0": "it was written, and reads back with other Description (block 'plan')"
    }
