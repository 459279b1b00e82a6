"""The server: one method per operation of Airtable's API."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from local.airtable import query
from local.airtable.base import MOST_KEYS, Base, Write, Written
from local.airtable.connection import Answer, Connection
from local.airtable.faults import Fault
from local.airtable.limits import PENALTY, RATE, Limits
from local.airtable.page import page
from local.airtable.schema import Record, Table
from local.airtable.seed import old_plan
from local.airtable.trouble import Trouble
from local.stand_in import is_our_name

HOST = "127.0.0.1"
BASE_ID = "appBQXembedded001"  # made up
BASE_NAME = "BQX ML"
TOKEN = "patBQXembedded01.local"  # of a server that is started by hand; `make run` makes one
BATCH = 10  # records a request writes, at most
READ, WRITE, SCHEMA = "data.records:read", "data.records:write", "schema.bases:read"
_WRITES = ("POST", "PATCH", "PUT", "DELETE")


class Access(NamedTuple):
    """What a token may do.

    Attributes:
        scopes: READ, WRITE, SCHEMA.
        reaches: whether it reaches this base; another one it does.
    """

    scopes: tuple[str, ...] = (READ, WRITE, SCHEMA)
    reaches: bool = True


class Server(ThreadingHTTPServer):
    """Serves the base of one folder.

    Args:
        folder: where it is; a new one begins with the seed.
        port: 0 for any that is free.
        token: that may do everything; `tokens` can be changed at any time.
        base_id: id of the base.
        penalty: seconds of silence after too many requests.
        rate: requests a second.
        seed: makes the tables of a new folder.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        token: str = TOKEN,
        base_id: str = BASE_ID,
        penalty: float = PENALTY,
        rate: int = RATE,
        seed: Callable[[], Sequence[Table]] = old_plan,
    ) -> None:
        self.base, self.base_id = Base(folder, seed), base_id
        self.tokens = {token: Access()}
        self.limits, self.trouble = Limits(rate, penalty), Trouble()
        try:
            super().__init__((HOST, port), Handler)
        except OSError:
            self.base.close()
            raise

    @property
    def endpoint(self) -> str:
        """What pyairtable calls ``endpoint_url``; the page of people is there too."""
        return f"http://{HOST}:{self.server_port}"

    def server_close(self) -> None:
        """Give port and folder back."""
        super().server_close()
        self.base.close()

    def handle_error(self, *_: object) -> None:
        """A client that went away is nothing to tell anybody about."""


class Handler(Connection):
    """The operations of Airtable."""

    server: Server

    def _trouble(self) -> Trouble:
        return self.server.trouble

    def _limits(self) -> Limits:
        return self.server.limits

    def _enter(self) -> None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        access = self.server.tokens.get(token)
        if kind != "Bearer" or access is None:
            raise Fault("AUTHENTICATION_REQUIRED")
        meta = self.parts[1:2] == ["meta"]
        if not meta or len(self.parts) > 3:
            asked = self.parts[3 if meta else 1] if len(self.parts) > 1 else ""
            if asked != self.server.base_id or not access.reaches:
                raise Fault("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        self.token = token
        self.server.limits.enter(token, "GET" if self.parts[-1] == "listRecords" else self.command)
        writes = self.command in _WRITES and self.parts[-1] != "listRecords"
        needed = SCHEMA if meta else WRITE if writes else READ
        if needed not in access.scopes:
            raise Fault("INVALID_PERMISSIONS" if writes else "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")

    def _done(self) -> Answer:
        with self.server.base.lock:
            if self.parts[:1] != ["v0"]:
                return self._people()
            answer = self._meta() if self.parts[1] == "meta" else self._records()
        return 200, "application/json", json.dumps(answer, ensure_ascii=False).encode()

    def _people(self) -> Answer:
        if self.command != "GET" or len(self.parts) > 1 or not is_our_name(self.headers.get("Host", "")):
            raise Fault("NOT_FOUND")
        if self.parts == ["-counts"]:
            return 200, "application/json", json.dumps(self.server.limits.told()).encode()
        tables = list(self.server.base.tables.values())
        return 200, "text/html", page(tables, self.parts[0] if self.parts else "", BASE_NAME).encode()

    def _meta(self) -> dict[str, Any]:
        base_id, reached = self.server.base_id, self.server.tokens[self.token].reaches
        if self.command != "GET":
            raise Fault("INVALID_PERMISSIONS")
        if self.parts[2:] == ["bases"]:
            own = [{"id": base_id, "name": BASE_NAME, "permissionLevel": "create"}]
            return {"bases": own if reached else []}
        if self.parts[2:] == ["bases", base_id, "tables"]:
            return {"tables": [table.told() for table in self.server.base.tables.values()]}
        raise Fault("NOT_FOUND")

    def _records(self) -> dict[str, Any]:
        name, *rest = self.parts[2:] or [""]
        table = self.server.base.table(name)
        match (self.command, rest):
            case ("GET", []):
                return self._list(table, query.of_parameters(self.query))
            case ("POST", ["listRecords"]):
                return self._list(table, query.of_document(self.document()))
            case ("POST" | "PATCH" | "PUT", []):
                return self._write(table, self.document())
            case ("DELETE", []):
                return {"records": self._delete(table, self.query.get("records[]", []))}
            case (_, [name]) if self.command != "POST":
                return self._record(table, name)
        raise Fault("NOT_FOUND")

    def _record(self, table: Table, name: str) -> dict[str, Any]:
        if name not in table.records:
            raise Fault("NOT_FOUND")
        if self.command == "GET":
            by_id = self.query.get("returnFieldsByFieldId", ["0"])[0] in ("1", "true")
            return self.server.base.shown(table, table.records[name], by_id)
        if self.command == "DELETE":
            return self._delete(table, [name])[0]
        sent = self.document()
        return self._write(
            table, {key: value for key, value in sent.items() if key != "records"} | {"id": name}
        )

    def _list(self, table: Table, asked: query.Query) -> dict[str, Any]:
        records, offset = query.select(table, asked)
        only = {query.known(table, name).id for name in asked.fields}
        shown = []
        for one in records:
            cells = {key: value for key, value in one.cells.items() if not only or key in only}
            shown.append(self.server.base.shown(table, Record(one.id, one.created, cells), asked.by_id))
        return {"records": shown} | ({"offset": offset} if offset else {})

    def _write(self, table: Table, sent: dict[str, Any]) -> dict[str, Any]:
        single = "records" not in sent
        rows = [sent] if single else sent["records"]
        upsert = sent.get("performUpsert") or {}
        keys = upsert.get("fieldsToMergeOn", []) if isinstance(upsert, dict) else []
        create = self.command == "POST"
        _check(rows, keys, create)
        writes = [Write(None if create else one.get("id"), one["fields"]) for one in rows]
        done = self.server.base.write(
            table.id,
            writes,
            keys=keys,
            replace=self.command == "PUT",
            typecast=bool(sent.get("typecast")),
        )
        self.server.limits.wrote(self.token, len(done.records))
        return self._written(table, done, single, bool(sent.get("returnFieldsByFieldId")), bool(keys))

    def _written(
        self, table: Table, done: Written, single: bool, by_id: bool, upserted: bool
    ) -> dict[str, Any]:
        shown = [self.server.base.shown(table, record, by_id) for record in done.records]
        if single:
            return shown[0]
        both = {"createdRecords": done.created, "updatedRecords": done.updated}
        return {"records": shown} | (both if upserted else {})

    def _delete(self, table: Table, ids: Sequence[str]) -> list[dict[str, Any]]:
        if not 1 <= len(ids) <= BATCH:
            raise Fault("INVALID_RECORDS")
        gone = self.server.base.delete(table.id, ids)
        self.server.limits.wrote(self.token, len(gone))
        return [{"id": one, "deleted": True} for one in gone]


def _check(rows: object, keys: object, create: bool) -> None:
    """Refuse what is no list of one to ten records with fields."""
    if not isinstance(rows, list) or not 1 <= len(rows) <= BATCH:
        raise Fault("INVALID_RECORDS")
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise Fault("INVALID_REQUEST_UNKNOWN")
    for one in rows:
        if not isinstance(one, dict) or not isinstance(one.get("fields"), dict):
            raise Fault("INVALID_REQUEST_MISSING_FIELDS")
        if not create and not keys and not isinstance(one.get("id"), str):
            raise Fault("INVALID_RECORDS")
