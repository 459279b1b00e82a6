"""Who may do what under the old name of a table: as before for every role, or there is no view.

A view is checked twice: what the role may do with the view, and what somebody may do with the table behind
it. Who that somebody is decides which door is left open:

- *as the reader* (``security_invoker``, PostgreSQL 15): policies of the table hold for the reader, and a
  right that is taken away from the table is gone under the old name too. PostgreSQL then asks for a right to
  read every column that the view has, also if only some are read.
- *as the owner*: roles with rights on single columns are served as before. Policies would not hold.

So a table with policies is read as the reader, one with rights on columns as its owner. Where both are, roles
with rights on columns only are refused under the old name; the plan names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from psycopg import sql

from include.storage.connection import Connection, qualified, statement

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")  # those that a view can pass on
INVOKER_SINCE = 150000  # server_version_num


class Grant(NamedTuple):
    """A right that a role other than the owner has.

    Attributes:
        role: its name; empty for PUBLIC.
        privilege: one of `PRIVILEGES`.
        column: empty for the table as a whole.
        grantable: the role may pass it on.
    """

    role: str
    privilege: str
    column: str
    grantable: bool

    def __str__(self) -> str:
        where = f" of column {self.column}" if self.column else ""
        return f"{self.privilege}{where} for {self.role or 'PUBLIC'}{' with grant option' * self.grantable}"


class Access(NamedTuple):
    """Who may do what with a table or a view.

    Attributes:
        owner: its owner.
        row_security: policies decide which rows a role sees.
        invoker: of a view: the table behind it is read as the reader.
        grants: rights of roles other than the owner.
        may_truncate: roles other than the owner that may empty it.
    """

    owner: str
    row_security: bool = False
    invoker: bool = False
    grants: frozenset[Grant] = frozenset()
    may_truncate: tuple[str, ...] = ()

    @property
    def has_column_grants(self) -> bool:
        """Some role has rights on single columns."""
        return any(grant.column for grant in self.grants)

    def roles(self, *privileges: str) -> list[str]:
        """Roles with one of these rights on the table or a column of it, PUBLIC last."""
        names = {grant.role for grant in self.grants if grant.privilege in privileges}
        return [*sorted(names - {""}), *(["PUBLIC"] if "" in names else [])]

    @property
    def column_readers(self) -> list[str]:
        """Roles that may read some columns and not the table as a whole."""
        whole = {grant.role for grant in self.grants if grant.privilege == "SELECT" and not grant.column}
        some = {grant.role for grant in self.grants if grant.privilege == "SELECT" and grant.column}
        return [] if "" in whole else sorted(some - whole)


class Door(NamedTuple):
    """What answers under the old name.

    Attributes:
        view: there is a view.
        invoker: the table is read as the reader.
        refused: roles that could read before and cannot by the old name.
        reason: why there is no view.
    """

    view: bool
    invoker: bool = False
    refused: tuple[str, ...] = ()
    reason: str = ""


def door(access: Access, version: int, role: str) -> Door:
    """Decide what answers under the old name of a table.

    Args:
        access: of the table.
        version: of the server, as ``server_version_num``.
        role: who makes the view.
    """
    if version < INVOKER_SINCE:
        reasons = {
            "it has row security": access.row_security,
            "roles have rights on single columns": access.has_column_grants,
            f"its owner is {access.owner}": access.owner != role,
        }
        reason = " and ".join(text for text, holds in reasons.items() if holds)
        return Door(not reason, reason=reason)
    if access.has_column_grants and not access.row_security:
        return Door(view=True)
    return Door(view=True, invoker=True, refused=tuple(access.column_readers))


def read_access(connection: Connection, table: int) -> Access:
    """Who may do what with a table or view, by its oid."""
    row = connection.execute(
        statement("migration/read_access"), {"table": table, "privileges": list(PRIVILEGES)}
    ).fetchone()
    assert row is not None
    owner, row_security, invoker, grants, may_truncate = cast("tuple[Any, ...]", row)
    return Access(
        str(owner),
        bool(row_security),
        bool(invoker),
        frozenset(_grant(text) for text in grants),
        tuple(role or "PUBLIC" for role in sorted(may_truncate)),
    )


def version_and_role(connection: Connection) -> tuple[int, str]:
    """Version of the server, and the role that this session has."""
    row = connection.execute(
        "SELECT current_setting('server_version_num')::INTEGER, current_user::TEXT"
    ).fetchone()
    assert row is not None
    return int(str(row[0])), str(row[1])


def give_rights(
    connection: Connection, view: str, access: Access, columns: Mapping[str, str], *, invoker: bool
) -> None:
    """Make the rights on a view those of its table, whatever they were; call it in a transaction.

    Args:
        connection: a session that may act as the owner of the view.
        view: name of the view.
        access: of the table.
        columns: name in the view of each column of the table that it has.
        invoker: the table is read as the reader.
    """
    name = qualified(view)
    if version_and_role(connection)[0] >= INVOKER_SINCE:
        option = "SET (security_invoker = true)" if invoker else "RESET (security_invoker)"
        connection.execute(sql.SQL("ALTER VIEW {} ").format(name) + sql.SQL(option))
    for role in _grantees(connection, name):
        connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(name, _role(role)))
    for grant in sorted(viewed(access, columns)):
        connection.execute(_grant_statement(name, grant))
    view_owner = connection.execute(
        "SELECT pg_get_userbyid(relowner)::TEXT FROM pg_class WHERE oid = to_regclass(%s)",
        [name.as_string(connection)],
    ).fetchone()
    if view_owner != (access.owner,):
        owner = sql.Identifier(access.owner)
        connection.execute(sql.SQL("ALTER VIEW {} OWNER TO {}").format(name, owner))


def viewed(access: Access, columns: Mapping[str, str]) -> frozenset[Grant]:
    """The rights of a table as those of its view; columns that the view does not have are left out."""
    return frozenset(
        grant._replace(column=columns.get(grant.column, ""))
        for grant in access.grants
        if not grant.column or grant.column in columns
    )


def _grant(text: str) -> Grant:
    role, privilege, column, grantable = text.split("\x1f")
    return Grant(role, privilege, column, grantable == "t")


def _grantees(connection: Connection, view: sql.Identifier) -> list[str]:
    """Whoever has any right on a view, default privileges among them."""
    rows = connection.execute(statement("migration/list_grantees"), {"view": view.as_string(connection)})
    return [str(role) for (role,) in rows]


def _grant_statement(view: sql.Identifier, grant: Grant) -> sql.Composed:
    column = sql.SQL(" ({})").format(sql.Identifier(grant.column)) if grant.column else sql.SQL("")
    option = sql.SQL(" WITH GRANT OPTION" if grant.grantable else "")
    return sql.SQL("GRANT {}{} ON {} TO {}{}").format(
        sql.SQL(grant.privilege), column, view, _role(grant.role), option
    )


def _role(name: str) -> sql.Composable:
    return sql.Identifier(name) if name else sql.SQL("PUBLIC")
