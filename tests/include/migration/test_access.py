"""The old name answers as the table did, for every role: rights, policies, columns, default privileges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.build.months import build
from include.errors import MigrationFailed
from include.migration import steps, verify, views
from include.migration.access import Access, Door, Grant, door
from include.migration.notes import OLD_NAME
from include.migration.plan import make_plan
from include.names import Month
from include.storage.connection import connect
from tests.faults.migrations import carry_out, request
from tests.include.migration import database
from tests.include.migration.database import ROWS
from tests.include.storage.samples import sample_bars, store

ROLES = ("reader", "columns", "writer", "policy", "stranger", "owner", "public_reader")
OLD, NEW = "reg_eurusd", "reg_idx_eurusd"
SELECTED = "SELECT count(*) FROM {table}"
STATEMENTS = {
    "select": "SELECT * FROM {table} ORDER BY ts_utc LIMIT 3",
    "count": SELECTED,
    "select granted columns": "SELECT ts_utc, w60_r2 FROM {table} ORDER BY 1 LIMIT 3",
    "select another column": "SELECT w90_r2 FROM {table} LIMIT 1",
    "insert": "INSERT INTO {table} (ts_utc, w60_r2) VALUES ('2024-01-20Z', 1)",
    "insert returning": "INSERT INTO {table} (ts_utc, w60_r2) VALUES ('2024-01-20Z', 1) RETURNING w90_r2",
    "insert another column": "INSERT INTO {table} (ts_utc, w90_r2) VALUES ('2024-01-20Z', 1)",
    "update": "UPDATE {table} SET w60_r2 = 7 WHERE ts_utc = '2024-01-01 00:05Z'",
    "update returning": "UPDATE {table} SET w60_r2 = 2 WHERE ts_utc < '2024-01-01 00:05Z' RETURNING w60_r2",
    "update another column": "UPDATE {table} SET w90_r2 = 7 WHERE ts_utc = '2024-01-01 00:05Z'",
    "delete": "DELETE FROM {table} WHERE ts_utc < '2024-01-01 00:10Z'",
    "delete all": "DELETE FROM {table}",
}


@dataclass
class Cast:
    """Roles of one test database: they belong to the server, so each test has its own."""

    db: psycopg.Connection
    names: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, role: str) -> sql.Identifier:
        return sql.Identifier(self.names[role])

    def run(self, text: str, **tables: str) -> None:
        """Statements with roles in braces."""
        self.db.execute(sql.SQL(text).format(**{role: self[role] for role in self.names}))

    def answers(self, table: str) -> dict[tuple[str, str], object]:
        """What each role gets for each statement: rows, number of rows, or the kind of the refusal."""
        return {
            (role, what): self.ask(role, text.format(table=f"bqx.{table}"))
            for role in self.names
            for what, text in STATEMENTS.items()
        }

    def ask(self, role: str, statement: str) -> object:
        with self.db.transaction(force_rollback=True):
            self.db.execute(sql.SQL("SET LOCAL ROLE {}").format(self[role]))
            try:
                with self.db.transaction():
                    cursor = self.db.execute(statement)
                    return cursor.fetchall() if cursor.description else cursor.rowcount
            except psycopg.Error as error:
                return type(error).__name__


@pytest.fixture
def cast(database_url: str, db: psycopg.Connection) -> Iterator[Cast]:
    database.build(database_url)
    made = Cast(db, {role: f"{role}_{db.info.dbname}" for role in ROLES})
    for role in ROLES:
        made.run(f"CREATE ROLE {{{role}}}")
        made.run(f"GRANT USAGE ON SCHEMA bqx TO {{{role}}}")
    made.run("GRANT CREATE ON SCHEMA bqx TO {owner}")
    yield made
    for role in ROLES:
        made.run(f"REASSIGN OWNED BY {{{role}}} TO CURRENT_USER")
        made.run(f"DROP OWNED BY {{{role}}}")
        made.run(f"DROP ROLE {{{role}}}")


def rights(cast: Cast, table: str = OLD) -> None:
    """Rights of every kind, and default privileges that would open whatever is made next."""
    cast.run(f"GRANT SELECT ON bqx.{table} TO {{reader}}")
    cast.run(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON bqx.{table} TO {{writer}} WITH GRANT OPTION")
    cast.run("ALTER DEFAULT PRIVILEGES IN SCHEMA bqx GRANT ALL ON TABLES TO {stranger}")
    cast.run("ALTER DEFAULT PRIVILEGES IN SCHEMA bqx GRANT SELECT ON TABLES TO PUBLIC")


def column_rights(cast: Cast, table: str = OLD) -> None:
    some = "SELECT (ts_utc, w60_r2), UPDATE (w60_r2), INSERT (ts_utc, w60_r2)"
    cast.run(f"GRANT {some} ON bqx.{table} TO {{columns}}")


def policies(cast: Cast, table: str = OLD) -> None:
    """One role sees and changes what is before noon, the others everything they have a right to."""
    cast.run(f"ALTER TABLE bqx.{table} ENABLE ROW LEVEL SECURITY")
    cast.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON bqx.{table} TO {{policy}}")
    early = "ts_utc < '2024-01-01 00:08Z'"
    cast.run(f"CREATE POLICY early ON bqx.{table} TO {{policy}} USING ({early}) WITH CHECK ({early})")
    cast.run(f"CREATE POLICY rest ON bqx.{table} TO {{reader}}, {{writer}}, {{columns}} USING (TRUE)")


def owned_by_another(cast: Cast, table: str = OLD) -> None:
    cast.run("GRANT {owner} TO CURRENT_USER")
    cast.run(f"ALTER TABLE bqx.{table} OWNER TO {{owner}}")


WORLDS: dict[str, tuple[Callable[[Cast], None], ...]] = {
    "rights": (rights,),
    "rights on columns": (rights, column_rights),
    "policies": (rights, policies),
    "another owner": (rights, owned_by_another),
    "another owner, policies": (rights, policies, owned_by_another),
    "another owner, rights on columns": (rights, column_rights, owned_by_another),
    "public": (lambda cast: cast.run(f"GRANT SELECT ON bqx.{OLD} TO PUBLIC"), policies),
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_role_gets_the_same_answers_by_the_old_name(
    cast: Cast, database_url: str, tmp_path: Path, world: str
) -> None:
    for make in WORLDS[world]:
        make(cast)
    before = cast.answers(OLD)
    assert len({str(answer) for answer in before.values()}) > 3, "the statements tell roles apart"

    carry_out(database_url, tmp_path / "migration", request(["eurusd"], views=True))
    assert cast.answers(OLD) == before
    assert views.problems(cast.db, "eurusd") == {}

    store(database_url, "eurusd", sample_bars(days_around=1, months=2))
    build(database_url, "eurusd", ["reg_idx"], ["2024-03"])
    built = cast.answers(OLD)
    same = {key: answer for key, answer in before.items() if key[1] not in ("count", "delete all")}
    assert {key: built[key] for key in same} == same, "March is new, the months before are as they were"
    assert refusals(built) == refusals(before)

    carry_out(database_url, tmp_path / "revert", request(["eurusd"], steps.REVERT))
    reverted = cast.answers(OLD)
    assert refusals(reverted) == refusals(before)


def refusals(answers: dict[tuple[str, str], object]) -> dict[tuple[str, str], str]:
    return {key: str(answer) for key, answer in answers.items() if isinstance(answer, str)}


def test_rights_on_columns_under_row_security_are_refused_and_the_plan_says_so_before(
    cast: Cast, database_url: str, tmp_path: Path
) -> None:
    for make in (rights, column_rights, policies):
        make(cast)
    before = cast.answers(OLD)
    (told,) = (
        note.text
        for note in make_plan(database_url, pairs=["eurusd"]).notes
        if note.kind == OLD_NAME and f"bqx.{OLD}" in note.name
    )
    assert f"It refuses {cast.names['columns']}" in told
    carry_out(database_url, tmp_path, request(["eurusd"], views=True))
    after = cast.answers(OLD)
    others = {key: answer for key, answer in before.items() if key[0] != "columns"}
    assert {key: after[key] for key in others} == others
    for key in before.keys() - others.keys():
        assert after[key] in (before[key], "InsufficientPrivilege"), key
    assert after["columns", "select granted columns"] == "InsufficientPrivilege"


def test_the_plan_says_what_a_view_cannot_do_and_whom_it_concerns(cast: Cast, database_url: str) -> None:
    rights(cast)
    notes = make_plan(database_url, pairs=["eurusd"]).notes
    (told,) = (note.text for note in notes if note.kind == OLD_NAME and f"bqx.{OLD}" in note.name)
    for what, role in (("TRUNCATE", "writer"), ("COPY ... FROM", "writer"), ("system columns", "reader")):
        listed = told[told.index(what) :]
        assert cast.names[role] in listed[: listed.index(")")], what


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("GRANT DELETE ON bqx.reg_eurusd TO {reader}", "gives DELETE for reader"),
        ("REVOKE SELECT ON bqx.reg_eurusd FROM {reader}", "lacks SELECT for reader"),
        ("ALTER VIEW bqx.reg_eurusd RESET (security_invoker)", "reads its table as its owner"),
        ("GRANT UPDATE (w60_r2) ON bqx.reg_eurusd TO {stranger}", "gives UPDATE of column w60_r2"),
        ("ALTER VIEW bqx.reg_eurusd OWNER TO {owner}", "belongs to owner"),
    ],
)
def test_the_check_finds_a_door_and_the_next_run_closes_it(
    cast: Cast, database_url: str, tmp_path: Path, damage: str, told: str
) -> None:
    rights(cast)
    cast.run("GRANT {owner} TO CURRENT_USER")
    carry_out(database_url, tmp_path / "first", request(["eurusd"], views=True))
    before = cast.answers(OLD)
    cast.run(damage)
    with pytest.raises(MigrationFailed, match=told):
        verify.run(database_url, "eurusd", waive_functions=True)
    results = carry_out(database_url, tmp_path / "second", request(["eurusd"], views=True))
    assert results["plan"]["pairs"] == ["eurusd"]
    assert results["apply eurusd"]["views_mended"] == [OLD]
    assert cast.answers(OLD) == before
    assert carry_out(database_url, tmp_path / "third", request(["eurusd"], views=True))["plan"]["pairs"] == []


SELECT = Grant("someone", "SELECT", "", False)
COLUMN = Grant("other", "SELECT", "w60_r2", False)


@pytest.mark.parametrize(
    ("access", "version", "decided"),
    [
        (Access("me"), 140000, Door(True)),
        (Access("me", grants=frozenset([SELECT])), 149999, Door(True)),
        (Access("me", row_security=True), 140000, Door(False, reason="it has row security")),
        (
            Access("you", grants=frozenset([COLUMN])),
            140000,
            Door(False, reason="roles have rights on single columns and its owner is you"),
        ),
        (Access("you"), 150000, Door(True, invoker=True)),
        (Access("me", row_security=True), 160000, Door(True, invoker=True)),
        (Access("me", grants=frozenset([COLUMN])), 160000, Door(True)),
        (
            Access("me", row_security=True, grants=frozenset([COLUMN, SELECT])),
            160000,
            Door(True, invoker=True, refused=("other",)),
        ),
    ],
)
def test_which_door_is_left_open(access: Access, version: int, decided: Door) -> None:
    assert door(access, version, "me") == decided


def test_rows_of_a_policy_stay_hidden(cast: Cast, database_url: str, tmp_path: Path) -> None:
    policies(cast)
    carry_out(database_url, tmp_path, request(["eurusd"], views=True))
    assert cast.ask("policy", SELECTED.format(table=f"bqx.{OLD}")) == [(7,)]
    with connect(database_url) as connection:
        everything = connection.execute(SELECTED.format(table=f"bqx.{OLD}")).fetchone()
    assert everything == (2 * ROWS,)
    assert Month(2024, 1).first_minute
