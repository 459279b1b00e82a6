"""The client against the stand-in: what lands, what is tried again, what is refused and how that is told."""

from __future__ import annotations

import itertools
import logging
import re
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.errors import AirtableUnavailable, PlanRefused
from include.plan.airtable import Base, Write
from include.plan.calls import Failure, Patience, Tries
from include.plan.live import Field
from local.airtable.server import BASE_ID, READ, TOKEN, WRITE, Access, Server
from local.airtable.tables import tables
from local.airtable.trouble import Kind
from tests.airtable import served
from tests.include.plan.clients import HASTY, KEY, NO_LIMIT, Unlimited, client, new_task, tasks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, seed=tables, rate=NO_LIMIT) as running:
        yield running


@pytest.fixture
def limiter() -> Unlimited:
    return Unlimited()


@pytest.fixture
def base(server: Server, limiter: Unlimited) -> Base:
    return client(server, limiter)


def land(base: Base, writes: list[Write]) -> list[str]:
    """Write, and the ids of what landed."""
    outcomes = base.write("Tasks", writes, KEY)
    assert [one.error for one in outcomes] == [None] * len(writes)
    return [one.record.id for one in outcomes if one.record]


def writes_of(server: Server) -> int:
    return server.limits.count(TOKEN).writes


# --- reading ---------------------------------------------------------------------------------------------


def test_a_base_and_its_token_are_checked_with_one_request(base: Base, limiter: Unlimited) -> None:
    base.check()
    assert limiter.turns == 1


def test_a_snapshot_has_the_schema_and_every_page(base: Base, limiter: Unlimited) -> None:
    ids = land(base, [new_task(number) for number in range(230)])
    limiter.turns = 0
    table = base.snapshot(["Tasks", "Stages"]).tables["Tasks"]
    assert sorted(record.id for record in table.records) == sorted(ids)
    assert limiter.turns == 1 + 3 + 1, "the schema, three pages of one table and one of the other"
    assert (table.primary, table.inferred) == (KEY, False)
    assert table.fields["Priority"] == Field(
        "Priority", "singleSelect", ("Critical", "High", "Medium", "Low")
    )
    assert table.fields["Stage (Link)"] == Field("Stage (Link)", "multipleRecordLinks", (), "Stages")
    assert table.fields["Description"].type == "multilineText"


def test_without_the_schema_the_records_show_the_fields(server: Server, base: Base) -> None:
    (stage,) = base.write("Stages", [Write(None, "9.9 - X", {"Description": "x"})], "Stage ID")
    assert stage.record
    land(base, [new_task(1, **{"Stage (Link)": [stage.record.id], "Estimated Hours": 1.5})])
    server.tokens[TOKEN] = Access((READ,))
    snapshot = base.snapshot(["Stages", "Tasks"])
    table = snapshot.tables["Tasks"]
    assert (table.inferred, table.primary, snapshot.tables["Stages"].primary) == (True, KEY, "Stage ID")
    assert table.fields["Stage (Link)"] == Field("Stage (Link)", "multipleRecordLinks", (), "Stages")
    assert table.fields["Estimated Hours"].type == "number"
    assert table.fields["Task Name"].type == "multilineText"
    assert "Priority" not in table.fields, "no record shows it"


def test_a_table_that_is_not_there_is_named(base: Base) -> None:
    with pytest.raises(PlanRefused, match=r"lacks the tables Stagings; it has .*Stages"):
        base.snapshot(["Stages", "Stagings"])


def test_keys_are_exact(base: Base) -> None:
    odd = ["1.6.1 - X", "1.6.10 - X", "1.6.1 - x", 'it\'s {odd} "or" \\ not', " 1.6.1 - X"]
    made = base.write("Stages", [Write(None, key, {}) for key in odd], "Stage ID")
    for key, one in zip(odd, made, strict=True):
        assert one.record
        assert base.read("Stages", "Stage ID", keys=[key]) == [one.record]
        assert base.read("Stages", "Stage ID", ids=[one.record.id]) == [one.record]
    assert base.read("Stages", "Stage ID", keys=["1.6"]) == []
    assert base.read("Stages", "Stage ID") == []


def test_a_hundred_records_are_one_request(base: Base, limiter: Unlimited) -> None:
    ids = land(base, [new_task(number) for number in range(100)])
    limiter.turns = 0
    assert len(base.read("Tasks", KEY, ids=ids)) == 100
    assert limiter.turns == 1


def test_keys_too_long_for_an_address_are_read_all_the_same(base: Base, limiter: Unlimited) -> None:
    keys = [f"{number} {'x' * 200}" for number in range(90)]
    land(base, [Write(None, key, {}) for key in keys])
    limiter.turns = 0
    assert sorted(one.fields[KEY] for one in base.read("Tasks", KEY, keys=keys)) == sorted(keys)
    assert limiter.turns == 1


def test_a_list_that_took_too_long_is_begun_again(server: Server, base: Base) -> None:
    land(base, [new_task(number) for number in range(150)])
    server.tokens[TOKEN] = Access((READ,))  # the schema is refused before it can meet trouble
    server.trouble.plan(Kind.BEFORE, 2, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", writes=False)
    assert len(base.snapshot(["Tasks"]).tables["Tasks"].records) == 150


# --- writing ---------------------------------------------------------------------------------------------


def test_ten_records_are_one_request_and_outcomes_keep_their_order(server: Server, base: Base) -> None:
    first = land(base, [new_task(number) for number in range(3)])
    mixed = [new_task(10), Write(first[1], "TSK-9.9.1", {"Task Name": "other"}), new_task(11)]
    before = writes_of(server)
    outcomes = base.write("Tasks", mixed, KEY)
    assert [one.record.fields[KEY] for one in outcomes if one.record] == [one.key for one in mixed]
    assert writes_of(server) - before == 2, "what is new and what is changed go apart"
    land(base, [new_task(number) for number in range(20, 45)])
    assert writes_of(server) - before == 2 + 3


def test_one_bad_record_of_ten_does_not_hold_up_the_others(server: Server, base: Base) -> None:
    batch = [new_task(number, Priority="High") for number in range(10)]
    batch[6].fields["Priority"] = "Urgent"
    outcomes = base.write("Tasks", batch, KEY)
    assert [number for number, one in enumerate(outcomes) if one.error] == [6]
    assert outcomes[6].error == (
        'a select field has no such option: Insufficient permissions to create new select option ""Urgent"" '
        "(HTTP 422 INVALID_MULTIPLE_CHOICE_OPTIONS)"
    )
    held = tasks(server)
    assert sorted(held) == sorted(one.key for one in batch if one is not batch[6])
    assert all(len(found) == 1 for found in held.values())
    assert "Urgent" not in server.base.table("Tasks").find("Priority").choices, "never made to fit"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Progress %": 5}, "the table has no such field.*Progress %"),
        ({"Estimated Hours": "three"}, "does not fit the type of its field.*Estimated Hours"),
        ({"Stage (Link)": "recAAAAAAAAAAAAAA"}, "does not fit the type of its field"),
        ({"Stage (Link)": ["recAAAAAAAAAAAAAA"]}, "not there any more.*recAAAAAAAAAAAAAA does not exist"),
    ],
)
def test_what_a_field_refuses_is_told_in_plain_words(base: Base, fields: dict[str, Any], told: str) -> None:
    good, bad = base.write("Tasks", [new_task(1), new_task(2, **fields)], KEY)
    assert good.error is None
    assert re.search(told, bad.error or "")


def test_a_link_to_the_wrong_table_is_refused(base: Base) -> None:
    (task,) = land(base, [new_task(1)])
    (outcome,) = base.write("Tasks", [new_task(2, **{"Stage (Link)": [task]})], KEY)
    assert (outcome.error or "").startswith("a link leads to a record of another table")


def test_a_deleted_record_is_reported_and_the_others_land(server: Server, base: Base) -> None:
    ids = land(base, [new_task(number) for number in range(4)])
    server.base.delete("Tasks", [ids[2]])
    outcomes = base.write("Tasks", [Write(one, "k", {"Task Name": "new"}) for one in ids], KEY)
    assert [bool(one.error) for one in outcomes] == [False, False, True, False]
    assert "the record is not there any more" in str(outcomes[2].error)
    assert len(tasks(server)) == 3, "it is not made again"


def test_two_new_records_of_one_key_become_one(server: Server, base: Base) -> None:
    first, second = base.write("Tasks", [new_task(1), new_task(1)], KEY)
    assert first.error is None
    assert "same key" in str(second.error)
    assert len(tasks(server)["TSK-9.9.1"]) == 1


# --- trouble ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
@pytest.mark.parametrize("times", [1, 3])
def test_nothing_is_written_twice_nor_lost(server: Server, base: Base, kind: Kind, times: int) -> None:
    ids = land(base, [new_task(number) for number in range(5)])
    server.trouble.plan(kind, times)
    land(base, [new_task(number) for number in range(5, 12)])
    server.trouble.plan(kind, times)
    land(base, [Write(one, "k", {"Task Name": "new"}) for one in ids])
    assert server.trouble.left == 0
    held = tasks(server)
    assert {key: len(found) for key, found in held.items()} == {f"TSK-9.9.{n}": 1 for n in range(12)}
    assert [held[f"TSK-9.9.{n}"][0]["Task Name"] for n in range(5)] == ["new"] * 5


def test_a_create_without_answer_is_looked_for_before_it_is_sent_again(server: Server, base: Base) -> None:
    server.trouble.plan(Kind.AFTER)
    land(base, [new_task(number) for number in range(10)])
    assert (writes_of(server), server.limits.count(TOKEN).requests) == (1, 2)


def test_a_create_whose_answer_comes_too_late_is_not_sent_again(server: Server, base: Base) -> None:
    server.trouble.delay = 1.5  # longer than the client waits

    class Sleeper:
        def __call__(self, _: float) -> None:
            server.trouble.delay = 0.0

    hasty = client(server, sleep=Sleeper())
    land(hasty, [new_task(number) for number in range(10)])
    assert writes_of(server) == 1


def test_pages_are_read_again_after_a_failure(server: Server, base: Base) -> None:
    land(base, [new_task(number) for number in range(230)])
    for kind in Kind:
        server.trouble.plan(kind, writes=False)
    assert len(base.snapshot(["Tasks"]).tables["Tasks"].records) == 230
    assert server.trouble.left == 0


def test_a_failing_server_is_given_up_in_the_end(server: Server) -> None:
    pauses: list[float] = []
    impatient = client(server, sleep=pauses.append)
    server.trouble.plan(Kind.BEFORE, 10_000, writes=False)
    with pytest.raises(AirtableUnavailable, match=r"in 2 s of waiting. Its last answer: .*HTTP 503"):
        impatient.check()
    assert sum(pauses) <= HASTY.seconds
    assert 4 <= len(pauses) <= 9
    assert all(later > earlier * 1.2 for earlier, later in itertools.pairwise(pauses))
    with pytest.raises(AirtableUnavailable):
        impatient.write("Tasks", [new_task(1)], KEY)


def test_a_server_that_is_down_is_given_up_too(server: Server) -> None:
    server.trouble.down = True
    with pytest.raises(AirtableUnavailable, match="the connection broke"):
        client(server, sleep=lambda _: None).check()


def test_a_429_stops_everyone_for_as_long_as_it_says(tmp_path: Path) -> None:
    with served(tmp_path, seed=tables, penalty=7.0) as server:
        limiter = Unlimited()
        base = client(server, limiter, patience=HASTY._replace(seconds=20.0))
        server.limits.storm(6.5)
        with pytest.raises(AirtableUnavailable, match="RATE_LIMIT_REACHED"):
            base.check()
        assert limiter.penalties == [7.0, 7.0, 7.0], "each says how long, rounded up"


def test_a_429_is_survived_and_nothing_is_lost(server: Server, base: Base, limiter: Unlimited) -> None:
    server.trouble.plan(Kind.BEFORE, 3, "RATE_LIMIT_REACHED")
    land(base, [new_task(number) for number in range(10)])
    assert limiter.penalties == [HASTY.penalty] * 3
    assert {len(found) for found in tasks(server).values()} == {1}


def test_patience_begins_anew_with_each_request(server: Server) -> None:
    base = client(server, sleep=lambda _: None)
    for number in range(5):
        server.trouble.plan(Kind.BEFORE, 4)
        land(base, [new_task(number)])


def test_no_waiting_ends_the_limit_of_a_month() -> None:
    failure = Failure("all calls are used", 429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED", 30.0)
    with pytest.raises(AirtableUnavailable, match="all calls are used"):
        Tries(Patience(), time.sleep).pause(failure)


# --- access and secrets ----------------------------------------------------------------------------------


def test_both_causes_of_a_refused_access_are_named(server: Server, base: Base) -> None:
    attempts = [
        lambda: base.check(),
        lambda: base.snapshot(["Tasks"]),
        lambda: base.read("Tasks", KEY, keys=["k"]),
        lambda: base.write("Tasks", [new_task(1)], KEY),
    ]
    for access in (None, Access(reaches=False), Access(())):
        if access is None:
            del server.tokens[TOKEN]  # expired
        else:
            server.tokens[TOKEN] = access
        for attempt in attempts:
            with pytest.raises(PlanRefused) as caught:
                attempt()
            told = str(caught.value)
            assert "Either the base id is wrong, or the token is" in told
            assert TOKEN not in told
            assert BASE_ID not in told


def test_a_token_that_may_only_read_is_told_when_it_writes(server: Server, base: Base) -> None:
    server.tokens[TOKEN] = Access((READ,))
    base.check()
    with pytest.raises(PlanRefused, match=WRITE):
        base.write("Tasks", [new_task(1)], KEY)


def test_a_renamed_field_is_named(server: Server, base: Base) -> None:
    server.base.rename_field("Tasks", KEY, "Task Key")
    with pytest.raises(PlanRefused, match=r"will not read the table Tasks.*task id"):
        base.read("Tasks", KEY, keys=["k"])


@pytest.mark.parametrize("token", ["", "  ", "pat one", "pat\nHost: x", "pat…"])
def test_a_token_that_cannot_be_one_is_never_sent(server: Server, token: str) -> None:
    with pytest.raises(PlanRefused, match="token is empty or has blanks") as caught:
        client(server, token=token)
    assert token.strip() == "" or token not in str(caught.value)


def test_blanks_around_a_token_do_no_harm(server: Server) -> None:
    client(server, token=f" {TOKEN}\n").check()


def test_the_token_is_in_no_log_exception_or_outcome(
    server: Server, limiter: Unlimited, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "patC4nary0123456789.s3cr3t"
    server.tokens[canary] = Access()
    caplog.set_level(logging.DEBUG)
    base = client(server, limiter, canary)
    seen = [repr(base), str(vars(base)), repr(base.write("Tasks", [new_task(1, Priority=canary)], KEY))]
    seen.append(repr(base.write("Tasks", [new_task(2)], KEY)))
    for kind in Kind:
        server.trouble.plan(kind, writes=False)
    base.check()
    for code in ("INTERNAL_SERVER_ERROR", "RATE_LIMIT_REACHED", "INVALID_FILTER_BY_FORMULA", "NOT_FOUND"):
        server.trouble.clear()
        server.trouble.plan(Kind.BEFORE, 1_000, code, writes=False)
        seen += _raised(base)
    server.trouble.clear()
    server.trouble.down = True
    seen += _raised(base)
    server.trouble.down = False
    del server.tokens[canary]
    seen += _raised(base)
    seen += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert len(caplog.records) > 20, "DEBUG was on"
    assert not [text for text in seen if canary in text]
    errors = [text for text in seen if text.startswith("Traceback")]
    assert len(errors) == 6
    assert not [text for text in errors if BASE_ID in text]


def _raised(base: Base) -> list[str]:
    """The whole traceback, with everything that is behind the exception."""
    with pytest.raises((PlanRefused, AirtableUnavailable)) as caught:
        base.check()
    chain: BaseException | None = caught.value
    kept = []
    while chain is not None:
        kept.append(f"{chain!r} {vars(chain)}")
        chain = chain.__cause__ or chain.__context__
    return ["".join(traceback.format_exception(caught.value)) + "".join(kept)]
