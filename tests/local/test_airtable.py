"""The Airtable stand-in, asked by pyairtable and by hand over real HTTP."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from pyairtable import Api, Base, retry_strategy
from pyairtable.formulas import AND, EQ, NOT, OR, Field, match

from include.errors import BqxError
from local.airtable.__main__ import main
from local.airtable.faults import Fault
from local.airtable.limits import Limits
from local.airtable.server import BASE_ID, READ, SCHEMA, TOKEN, WRITE, Access, Server
from local.airtable.trouble import Kind
from tests.airtable import connect, process, served

UNLIMITED = 10**6
LONG_AGO = "rec00000000000000"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path / "airtable", rate=UNLIMITED) as server:
        yield server


@pytest.fixture
def base(server: Server) -> Base:
    return connect(server.endpoint).base(BASE_ID)


@contextmanager
def refused(code: str, status: int = 422, text: str = "") -> Iterator[None]:
    with pytest.raises(requests.HTTPError) as caught:
        yield
    response = caught.value.response
    error = response.json()["error"]
    assert (error["type"], response.status_code) == (code, status)
    assert text in error["message"]


def keys(base: Base, table: str, field: str, **options: Any) -> list[str]:
    return [one["fields"].get(field, "") for one in base.table(table).all(**options)]


def first_id(base: Base, table: str) -> str:
    found = base.table(table).first()
    assert found is not None
    return found["id"]


# Reading


def test_all_pages_hold_every_record_once(base: Base, server: Server) -> None:
    tasks = base.table("Tasks")
    pages = list(tasks.iterate())
    assert [len(page) for page in pages] == [100, 82]
    ids = [one["id"] for page in pages for one in page]
    assert len(set(ids)) == 182
    assert [len(page) for page in tasks.iterate(page_size=50, max_records=120)] == [50, 50, 20]
    by_id = connect(server.endpoint).table(BASE_ID, server.base.table("Tasks").id)
    assert [one["id"] for one in by_id.all()] == ids


def test_a_page_that_cannot_be(base: Base) -> None:
    with refused("INVALID_REQUEST_UNKNOWN"):
        base.table("Tasks").all(page_size=101)
    with refused("INVALID_REQUEST_UNKNOWN"):
        base.table("Tasks").all(max_records=0)
    for offset in ("nonsense", f"itr00000000000000/{LONG_AGO}"):
        with refused("LIST_RECORDS_ITERATOR_NOT_AVAILABLE"):
            base.api.get(base.table("Tasks").urls.records, options={"offset": offset})


def test_records_created_between_two_pages_do_not_shift_them(base: Base) -> None:
    pages = base.table("Tasks").iterate()
    found = [one["id"] for one in next(pages)]
    base.table("Tasks").batch_create([{"Task ID": f"late {number}"} for number in range(10)])
    found += [one["id"] for page in pages for one in page]
    assert len(found) == len(set(found)) >= 182


def test_empty_fields_are_absent(base: Base) -> None:
    stages = base.table("Stages").all()
    assert sum("Stage ID" not in one["fields"] for one in stages) == 11
    assert sum("Stage Code" not in one["fields"] for one in stages) == 17
    assert sum("Phase (Link)" not in one["fields"] for one in stages) == 49
    assert not any(value in (None, "", []) for one in stages for value in one["fields"].values())
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", one["createdTime"]) for one in stages)


def test_sort_fields_and_field_ids(base: Base, server: Server) -> None:
    table = server.base.table("Tasks")
    hours = table.find("Estimated Hours")
    assert hours is not None
    found = base.table("Tasks").all(
        sort=["-Estimated Hours", "Task ID"], fields=["Task ID", "Estimated Hours"]
    )
    assert {name for one in found for name in one["fields"]} == {"Task ID", "Estimated Hours"}
    order = [(-one["fields"]["Estimated Hours"], one["fields"]["Task ID"]) for one in found]
    assert order == sorted(order)
    named = base.table("Tasks").all(use_field_ids=True, fields=[hours.id])
    assert {name for one in named for name in one["fields"]} == {hours.id}
    with refused("UNKNOWN_FIELD_NAME", text='"Stage Name"'):
        base.table("Stages").all(fields=["Stage Name"])
    statuses = keys(base, "Stages", "Status", sort=["Status"])
    assert statuses == ["Todo"] * 70 + ["In Progress"] * 9 + ["Done"] * 29


def test_formulas_find_exactly(base: Base) -> None:
    odd = "T'x' \"y\" \\ {z}"
    base.table("Tasks").create({"Task ID": odd, "Estimated Hours": 7.25})
    tasks = base.table("Tasks")
    for formula in (match({"Task ID": odd}), EQ(Field("Task ID"), odd), match({"Estimated Hours": 7.25})):
        assert [one["fields"]["Task ID"] for one in tasks.all(formula=formula)] == [odd]
    both = OR(match({"Task ID": "TSK-0.1.1"}), match({"Task ID": "TSK-0.1.2"}))
    assert len(tasks.all(formula=both)) == 2
    assert len(tasks.all(formula=AND(both, NOT(match({"Task ID": "TSK-0.1.1"}))))) == 1
    one = first_id(base, "Tasks")
    assert [found["id"] for found in tasks.all(formula=f"RECORD_ID()='{one}'")] == [one]
    assert len(tasks.all(formula="{Estimated Cost}=''")) == len(tasks.all()) - len(
        tasks.all(formula="{Estimated Cost}!=''")
    )


@pytest.mark.parametrize(
    "formula", ["FIND('1.6.1', {Stage ID})", "{Stage ID}", "{Nothing}='x'", "AND(", "{Stage ID}='x", "1=1)"]
)
def test_formulas_that_are_not_known_are_refused(base: Base, formula: str) -> None:
    with refused("INVALID_FILTER_BY_FORMULA"):
        base.table("Stages").all(formula=formula)


def test_a_long_question_goes_as_a_post(base: Base, server: Server) -> None:
    wanted = [f"TSK-{number}" for number in range(900)] + ["TSK-0.1.1"]
    formula = OR(*(match({"Task ID": one}) for one in wanted))
    assert keys(base, "Tasks", "Task ID", formula=formula, sort=["Task ID"]) == ["TSK-0.1.1"]
    assert server.limits.count(TOKEN).writes == 0


def test_one_record(base: Base) -> None:
    one = first_id(base, "Stages")
    assert base.table("Stages").get(one)["id"] == one
    with pytest.raises(requests.HTTPError) as caught:
        base.table("Stages").get(LONG_AGO)
    assert caught.value.response.status_code == 404
    assert caught.value.response.json() == {"error": "NOT_FOUND"}


def test_the_schema_names_types_options_and_links(base: Base) -> None:
    schema = base.schema()
    assert len(schema.tables) == 16
    stages, tasks = schema.table("Stages"), schema.table("Tasks")
    assert stages.field(stages.primary_field_id).name == "Stage ID"
    types = {one.name: one.type for one in stages.fields}
    assert types["Phase (Link)"] == types["Duration"] == "singleLineText"
    assert types["Plan (Link)"] == "multipleRecordLinks"
    assert types["Estimated Cost"] == "number"
    status: Any = stages.field("Status")
    assert [one.name for one in status.options.choices] == ["Todo", "In Progress", "Done"]
    home: Any = tasks.field("Stage (Link)")
    assert home.options.linked_table_id == stages.id
    assert home.options.inverse_link_field_id == stages.field("Tasks (Link)").id
    back: Any = stages.field("Tasks (Link)")
    assert (back.options.linked_table_id, back.options.inverse_link_field_id) == (tasks.id, home.id)
    assert [one.id for one in base.api.bases()] == [BASE_ID]


# Writing


def test_create_update_and_replace(base: Base) -> None:
    stages = base.table("Stages")
    made = stages.create({"Stage ID": "9.9 - New", "Status": "Todo", "Estimated Cost": 0, "Notes": "mine"})
    assert made["fields"] == {"Stage ID": "9.9 - New", "Status": "Todo", "Estimated Cost": 0, "Notes": "mine"}
    changed = stages.update(made["id"], {"Status": "Done", "Notes": None, "Estimated Cost": 2.125})
    assert changed["fields"] == {"Stage ID": "9.9 - New", "Status": "Done", "Estimated Cost": 2.125}
    replaced = stages.update(made["id"], {"Stage ID": "9.9 - Newer"}, replace=True)
    assert replaced["fields"] == {"Stage ID": "9.9 - Newer"}
    assert stages.get(made["id"])["createdTime"] == made["createdTime"]
    both = stages.batch_update([{"id": made["id"], "fields": {"Stage ID": ""}}])
    assert both[0]["fields"] == {}


def test_long_text_comes_back_as_it_was_sent(base: Base) -> None:
    text = "  ä\t\r\n\n<b>x</b> 😀 {{ x }}\n "
    assert base.table("Stages").create({"Description": text})["fields"]["Description"] == text
    with refused("INVALID_VALUE_FOR_COLUMN"):
        base.table("Stages").create({"Description": "x" * 100_001})


def test_rich_text_comes_back_in_the_spelling_of_airtable(base: Base) -> None:
    phases = base.table("Phases")
    made = phases.create({"Success Criteria": "reg_idx is *as it was*"})
    spelled = "reg\\_idx is \\*as it was\\*\n"
    assert made["fields"]["Success Criteria"] == spelled
    assert phases.update(made["id"], made["fields"])["fields"]["Success Criteria"] == spelled, "it settles"


def test_an_upsert_creates_once(base: Base) -> None:
    rows = [{"fields": {"Task ID": f"TSK-9.{n}", "Status": "Todo"}} for n in range(25)]
    first = base.table("Tasks").batch_upsert(rows, key_fields=["Task ID"])
    again = base.table("Tasks").batch_upsert(rows, key_fields=["Task ID"])
    assert (len(first["createdRecords"]), len(first["updatedRecords"])) == (25, 0)
    assert (len(again["createdRecords"]), len(again["updatedRecords"])) == (0, 25)
    assert [one["id"] for one in first["records"]] == [one["id"] for one in again["records"]]
    assert len(base.table("Tasks").all()) == 182 + 25


def test_an_upsert_that_is_ambiguous_does_nothing(base: Base) -> None:
    rows = [{"fields": {"Task ID": "TSK-new"}}, {"fields": {"Task ID": "T10.2.3", "Status": "Done"}}]
    with refused("INVALID_REQUEST_UNKNOWN", text="2 records match"):
        base.table("Tasks").batch_upsert(rows, key_fields=["Task ID"])
    assert len(base.table("Tasks").all()) == 182
    with refused("INVALID_REQUEST_UNKNOWN"):
        base.table("Tasks").batch_upsert([{"fields": {"Task ID": ""}}], key_fields=["Task ID"])
    with refused("INVALID_REQUEST_UNKNOWN"):
        base.table("Tasks").batch_upsert(
            [{"fields": dict.fromkeys("abcd", "x")}], key_fields=["a", "b", "c", "d"]
        )
    twice = [{"fields": {"Task ID": "TSK-twice"}}] * 2
    with refused("CANNOT_CREATE_DUPLICATE_RECORDS"):
        base.table("Tasks").batch_upsert(twice, key_fields=["Task ID"])


@pytest.mark.parametrize("count", [0, 11])
def test_ten_records_a_write(base: Base, count: int) -> None:
    url = base.table("Tasks").urls.records
    with refused("INVALID_RECORDS"):
        base.api.post(url, json={"records": [{"fields": {}}] * count})
    with refused("INVALID_RECORDS"):
        base.api.delete(url, params={"records[]": [LONG_AGO] * count})
    assert len(base.table("Tasks").all()) == 182


@pytest.mark.parametrize(
    ("table", "fields", "code", "text"),
    [
        ("Stages", {"Stage Name": "x"}, "UNKNOWN_FIELD_NAME", 'Unknown field name: "Stage Name"'),
        ("Stages", {"Duration": 8}, "INVALID_VALUE_FOR_COLUMN", '"Duration"'),
        ("Stages", {"Estimated Cost": "8"}, "INVALID_VALUE_FOR_COLUMN", '"Estimated Cost"'),
        ("Stages", {"Estimated Cost": True}, "INVALID_VALUE_FOR_COLUMN", '"Estimated Cost"'),
        ("Stages", {"Phase (Link)": [LONG_AGO]}, "INVALID_VALUE_FOR_COLUMN", '"Phase (Link)"'),
        ("Stages", {"Status": "Pending"}, "INVALID_MULTIPLE_CHOICE_OPTIONS", '""Pending""'),
        ("Stages", {"Status": "todo"}, "INVALID_MULTIPLE_CHOICE_OPTIONS", '""todo""'),
        ("Stages", {"Status": ["Todo"]}, "INVALID_VALUE_FOR_COLUMN", '"Status"'),
        ("Tasks", {"Stage (Link)": LONG_AGO}, "INVALID_VALUE_FOR_COLUMN", "not an array of record IDs"),
        ("Tasks", {"Stage (Link)": ["1.6.9"]}, "INVALID_RECORD_ID", "1.6.9"),
        ("Tasks", {"Stage (Link)": [LONG_AGO]}, "ROW_DOES_NOT_EXIST", LONG_AGO),
    ],
)
def test_one_bad_record_refuses_all_ten(
    base: Base, table: str, fields: dict[str, Any], code: str, text: str
) -> None:
    before = len(base.table(table).all())
    rows: list[Any] = [{base.schema().table(table).fields[0].name: f"good {n}"} for n in range(9)]
    with refused(code, text=text):
        base.table(table).batch_create([*rows, fields])
    assert len(base.table(table).all()) == before


def test_a_link_to_the_wrong_table(base: Base) -> None:
    with refused("ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE", text=first_id(base, "Phases")):
        base.table("Tasks").create({"Stage (Link)": [first_id(base, "Phases")]})


def test_a_record_that_is_gone(base: Base) -> None:
    rows: list[Any] = [
        {"id": first_id(base, "Tasks"), "fields": {"Task Name": "x"}},
        {"id": LONG_AGO, "fields": {}},
    ]
    with refused("ROW_DOES_NOT_EXIST", text=LONG_AGO):
        base.table("Tasks").batch_update(rows)
    assert "x" not in keys(base, "Tasks", "Task Name")
    for call in (
        lambda: base.table("Tasks").update(LONG_AGO, {}),
        lambda: base.table("Tasks").delete(LONG_AGO),
    ):
        with pytest.raises(requests.HTTPError, match="NOT_FOUND"):
            call()


def test_typecast_makes_values_fit(base: Base) -> None:
    made = base.table("Stages").create(
        {"Stage ID": 7, "Status": "Pending", "Estimated Cost": "8.5"}, typecast=True
    )
    assert made["fields"] == {"Stage ID": "7", "Status": "Pending", "Estimated Cost": 8.5}
    status: Any = base.schema().table("Stages").field("Status")
    assert [one.name for one in status.options.choices][-1] == "Pending"
    with refused("INVALID_VALUE_FOR_COLUMN"):
        base.table("Stages").create({"Estimated Cost": "8 dollars"}, typecast=True)


def test_both_sides_of_a_link_say_the_same(base: Base) -> None:
    stages = base.table("Stages").batch_create([{"Stage ID": "a"}, {"Stage ID": "b"}])
    one, other = (stage["id"] for stage in stages)
    task = base.table("Tasks").create({"Task ID": "t", "Stage (Link)": [one]})["id"]

    def sides() -> list[list[str]]:
        return [base.table("Stages").get(name)["fields"].get("Tasks (Link)", []) for name in (one, other)]

    assert sides() == [[task], []]
    base.table("Tasks").update(task, {"Stage (Link)": [other]})
    assert sides() == [[], [task]]
    base.table("Stages").update(one, {"Tasks (Link)": [task]})
    assert sorted(base.table("Tasks").get(task)["fields"]["Stage (Link)"]) == sorted([one, other])
    base.table("Stages").delete(one)
    assert base.table("Tasks").get(task)["fields"]["Stage (Link)"] == [other]
    base.table("Tasks").delete(task)
    assert "Tasks (Link)" not in base.table("Stages").get(other)["fields"]


def test_deletions_are_counted(base: Base, server: Server) -> None:
    ids = [one["id"] for one in base.table("Todos").batch_create([{"Todo ID": "a"}, {"Todo ID": "b"}])]
    assert server.limits.count(TOKEN).deletes == 0
    assert [one["deleted"] for one in base.table("Todos").batch_delete(ids)] == [True, True]
    assert server.limits.count(TOKEN).deletes == 1
    assert base.table("Todos").all() == []


def test_bodies_that_make_no_sense(base: Base, server: Server) -> None:
    url, headers = f"{server.endpoint}/v0/{BASE_ID}/Tasks", {"Authorization": f"Bearer {TOKEN}"}
    for text, code in (
        ("{", "INVALID_REQUEST_UNKNOWN"),
        ("[]", "INVALID_REQUEST_UNKNOWN"),
        ('{"records": [{}]}', "INVALID_REQUEST_MISSING_FIELDS"),
        ('{"records": 5}', "INVALID_RECORDS"),
        (
            '{"records": [{"fields": {"Task ID": "x", "Estimated Hours": 1e999}}],'
            ' "performUpsert": {"fieldsToMergeOn": ["Task ID"]}}',
            "INVALID_VALUE_FOR_COLUMN",
        ),
        (
            '{"records": [{"fields": {}}], "performUpsert": {"fieldsToMergeOn": "x"}}',
            "INVALID_REQUEST_UNKNOWN",
        ),
    ):
        answer = requests.patch(url, data=text, headers=headers, timeout=5)
        assert (answer.status_code, answer.json()["error"]["type"]) == (422, code), text
    assert requests.post(url, data=b"x" * (2 << 20), headers=headers, timeout=5).status_code == 413


# Who may do what


def test_tokens_and_bases(server: Server) -> None:
    server.tokens |= {
        "elsewhere": Access(reaches=False),
        "data": Access((READ, WRITE)),
        "read": Access((READ,)),
    }
    forbidden = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
    for token in ("expired", ""):
        with refused("AUTHENTICATION_REQUIRED", 401):
            connect(server.endpoint, token).table(BASE_ID, "Plans").all()
    with refused(forbidden, 403):
        connect(server.endpoint).table("appOTHER000000000", "Plans").all()
    with refused(forbidden, 403):
        connect(server.endpoint).table(BASE_ID, "Nothing").all()
    with refused(forbidden, 403):
        connect(server.endpoint, "elsewhere").table(BASE_ID, "Plans").all()
    assert connect(server.endpoint, "elsewhere").bases() == []
    with refused(forbidden, 403):
        connect(server.endpoint, "data").base(BASE_ID).schema()
    assert connect(server.endpoint, "data").table(BASE_ID, "Todos").create({"Todo ID": "x"})
    assert len(connect(server.endpoint, "read").table(BASE_ID, "Todos").all()) == 1
    with refused("INVALID_PERMISSIONS", 403):
        connect(server.endpoint, "read").table(BASE_ID, "Todos").create({"Todo ID": "x"})
    server.tokens[TOKEN] = Access((SCHEMA,))
    assert connect(server.endpoint).base(BASE_ID).schema().tables
    with refused(forbidden, 403):
        connect(server.endpoint).table(BASE_ID, "Plans").all()
    for path in ("Plans", "-counts"):
        url = f"{server.endpoint}/{path}"
        assert TOKEN not in requests.get(url, timeout=5).text
        assert requests.get(url, headers={"Host": "evil.example"}, timeout=5).status_code == 404


# Limits


def at(moments: list[float]) -> Callable[[], float]:
    """A clock that shows the last of some moments."""
    return lambda: moments[-1]


def test_five_requests_in_any_second() -> None:
    moments = [100.0]
    limits = Limits(clock=at(moments))
    for moment in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8):
        moments.append(100 + moment)
        limits.enter("a" if moment < 1 else "b", "GET")
    moments.append(101.9)  # the first of the last five was at 1.0
    with pytest.raises(Fault) as caught:
        limits.enter("a", "PATCH")
    assert caught.value.headers == {"Retry-After": "30"}
    assert json.loads(caught.value.body)["errors"][0]["error"] == "RATE_LIMIT_REACHED"
    moments.append(131.8)
    with pytest.raises(Fault) as caught:
        limits.enter("b", "GET")
    assert caught.value.headers == {"Retry-After": "1"}
    moments.append(131.9)
    limits.enter("a", "GET")
    assert limits.told()["tokens"] == {
        named("a"): {"requests": 7, "writes": 1, "deletes": 0, "refused": 1, "records": 0, "busiest": 5},
        named("b"): {"requests": 6, "writes": 0, "deletes": 0, "refused": 1, "records": 0, "busiest": 5},
    }
    assert limits.total.busiest == 6


def named(token: str) -> str:
    """As a page that anybody on this machine can read names it."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


def test_a_busy_second_is_seen_across_its_borders() -> None:
    moments = [100.0]
    limits = Limits(rate=UNLIMITED, clock=at(moments))
    for moment in (0.7, 0.8, 0.9, 1.1, 1.2, 1.6, 1.75):
        moments.append(100 + moment)
        limits.enter("a", "GET")
    assert limits.total.busiest == 6  # 0.8 to 1.75


def test_one_request_too_many_silences_everybody(tmp_path: Path) -> None:
    with served(tmp_path, rate=3, penalty=1.2) as server:
        server.tokens["other"] = Access()
        table = connect(server.endpoint).table(BASE_ID, "Plans")
        for _ in range(3):
            table.all()
        for one in (table, connect(server.endpoint, "other").table(BASE_ID, "Plans")):
            with pytest.raises(requests.HTTPError) as caught:
                one.all()
            response = caught.value.response
            assert (response.status_code, response.headers["Retry-After"]) == (429, "2")
            assert response.json() == {
                "errors": [
                    {
                        "error": "RATE_LIMIT_REACHED",
                        "message": "Rate limit exceeded. Please try again later",
                    }
                ]
            }
        time.sleep(1.25)
        assert len(table.all()) == 1
        told = requests.get(f"{server.endpoint}/-counts", timeout=5).json()
        assert told["total"]["refused"] == 2
        assert told["answers"] == {"200": 4, "429": 2}
        server.limits.reset()
        assert server.limits.told()["tokens"] == {}


# Trouble


def test_a_storm_passes(base: Base, server: Server) -> None:
    server.limits.storm(0.6)
    with pytest.raises(requests.HTTPError, match="429"):
        base.table("Plans").all()
    patient = Api(TOKEN, endpoint_url=server.endpoint, retry_strategy=retry_strategy(total=3))
    assert len(patient.table(BASE_ID, "Plans").all()) == 1


def test_an_error_before_and_after_the_write(base: Base, server: Server) -> None:
    todos = base.table("Todos")
    server.trouble.plan(Kind.BEFORE, code="INTERNAL_SERVER_ERROR")
    server.trouble.plan(Kind.AFTER)
    with refused("INTERNAL_SERVER_ERROR", 500):
        todos.create({"Todo ID": "before"})
    with refused("SERVICE_UNAVAILABLE", 503):
        todos.create({"Todo ID": "after"})
    assert keys(base, "Todos", "Todo ID") == ["after"]
    assert server.trouble.left == 0
    server.trouble.plan(Kind.BEFORE, writes=False)
    with refused("SERVICE_UNAVAILABLE", 503):
        todos.all()
    assert server.limits.statuses[503] == 2


def test_answers_that_never_arrive(base: Base, server: Server) -> None:
    todos = base.table("Todos")
    server.trouble.plan(Kind.RESET)
    server.trouble.plan(Kind.SILENT)
    for text in ("reset", "silent"):
        with pytest.raises(requests.RequestException) as caught:
            todos.create({"Todo ID": text})
        assert getattr(caught.value, "response", None) is None
    assert sorted(keys(base, "Todos", "Todo ID")) == ["reset", "silent"]


def test_slow_answers_are_done_nevertheless(base: Base, server: Server) -> None:
    hasty = connect(server.endpoint, timeout=(5, 1)).table(BASE_ID, "Todos")
    server.trouble.delay = 1.5
    with pytest.raises(requests.Timeout):
        hasty.create({"Todo ID": "slow"})
    server.trouble.clear()
    assert keys(base, "Todos", "Todo ID") == ["slow"]


def test_all_down_and_back(base: Base, server: Server) -> None:
    server.trouble.down = True
    with pytest.raises(requests.ConnectionError):
        base.table("Plans").all()
    server.trouble.down = False
    assert len(base.table("Plans").all()) == 1


def test_what_people_do_meanwhile(base: Base, server: Server) -> None:
    server.base.rename_field("Stages", "Duration", "Time")
    server.base.add_option("Stages", "Status", "Deferred")
    with refused("UNKNOWN_FIELD_NAME"):
        base.table("Stages").create({"Duration": "1 hour"})
    made = base.table("Stages").create({"Time": "1 hour", "Status": "Deferred"})
    server.base.delete("Stages", [made["id"]])
    with pytest.raises(requests.HTTPError, match="404"):
        base.table("Stages").get(made["id"])


# What is kept


def test_the_base_outlives_its_server(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        made = connect(server.endpoint).table(BASE_ID, "Todos").create({"Todo ID": "kept"})
        server.base.add_option("Stages", "Status", "Deferred")
    with served(tmp_path) as server:
        base = connect(server.endpoint).base(BASE_ID)
        assert base.table("Todos").all() == [made]
        assert len(base.table("Stages").all()) == 108
        with pytest.raises(BqxError, match="served by another process"):
            Server(tmp_path)
        assert "Deferred" in base.schema().model_dump_json()


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    moments = random.Random(6)
    answered: list[str] = []
    sent = rounds = 0
    while rounds < 4 or len(answered) < 5:  # on a busy machine a round may end before the first answer
        rounds += 1
        with process(tmp_path, "--rate", str(UNLIMITED)) as (child, endpoint):
            killer = threading.Timer(moments.uniform(0.02, 0.3), child.send_signal, (signal.SIGKILL,))
            todos = connect(endpoint).table(BASE_ID, "Todos")
            assert set(answered) <= {one["fields"]["Todo ID"] for one in todos.all()}
            killer.start()
            with suppress(requests.RequestException):
                while True:
                    sent += 1
                    todos.create({"Todo ID": str(sent)})
                    answered.append(str(sent))
            killer.join()
    with process(tmp_path, "--rate", str(UNLIMITED)) as (_, endpoint):
        kept = [one["fields"]["Todo ID"] for one in connect(endpoint).table(BASE_ID, "Todos").all()]
    assert set(answered) <= set(kept)
    assert len(kept) == len(set(kept)) <= len(answered) + 4  # done, and not yet answered


def test_the_command_stops_when_asked(tmp_path: Path) -> None:
    with process(tmp_path, "--token", "mine", "--base-id", "appMINE", "--penalty", "1") as (child, endpoint):
        assert len(connect(endpoint, "mine").table("appMINE", "Plans").all()) == 1
        assert main(["--folder", str(tmp_path)]) == 1
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
