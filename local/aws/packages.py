"""SageMaker's model registry: groups of model packages, each package a version of its group."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from local.aws.call import Call
from local.aws.errors import ServiceError, invalid
from local.aws.pages import page
from local.aws.settings import ACCOUNT

PENDING = "PendingManualApproval"  # a package's approval, unless somebody says something else
UNVERSIONED = "Unversioned"  # packages without a group, which a list shows if nobody asks for others
REMEMBERED = 8 * 3600.0  # seconds for which a ClientToken is recognised; invented
_ARCHIVE = re.compile(r"s3://[^/]+/.+\.tar\.gz")
_TABLES = """
CREATE TABLE IF NOT EXISTS model_group (name TEXT PRIMARY KEY, last INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS package (arn TEXT PRIMARY KEY, token TEXT, request TEXT, document TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS token ON package (token);
"""
_GROUP = (
    "ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription", "CreationTime",
    "ModelPackageGroupStatus",
)  # fmt: skip
_SUMMARY = (  # the name of a package is that of its group, and a list does not have it
    "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription",
    "CreationTime", "ModelPackageStatus", "ModelApprovalStatus",
)  # fmt: skip

Document = dict[str, Any]


class Packages:
    """Answers the requests for the model registry. Threads may use it at once.

    Args:
        path: of the SQLite file with what is registered.

    Attributes:
        operations: what answers each operation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_TABLES)
        self.operations: dict[str, Callable[[Document, Call], Document | None]] = {
            "CreateModelPackageGroup": self._create_group,
            "DescribeModelPackageGroup": self._describe_group,
            "ListModelPackageGroups": self._list_groups,
            "CreateModelPackage": self._create,
            "DescribeModelPackage": self._describe,
            "ListModelPackages": self._list,
            "UpdateModelPackage": self._update,
            "DeleteModelPackage": self._delete,
        }

    def _create_group(self, request: Document, call: Call) -> Document:
        name = request["ModelPackageGroupName"]
        arn = _arn(call, "model-package-group", name)
        document = {n: value for n, value in request.items() if n != "Tags"} | {
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": time.time(),
            "CreatedBy": {},
        }
        with self._transaction() as connection:
            try:
                connection.execute("INSERT INTO model_group VALUES (?, 0, ?)", (name, json.dumps(document)))
            except sqlite3.IntegrityError as error:
                raise invalid(f"Model Package Group already exists: {arn}") from error
        return {"ModelPackageGroupArn": arn}

    def _describe_group(self, request: Document, call: Call) -> Document:
        with self._transaction() as connection:
            return _group(connection, request, call)

    def _list_groups(self, request: Document, call: Call) -> Document:
        with self._transaction() as connection:
            groups = _documents(connection.execute("SELECT document FROM model_group"))
        listing = page(groups, request, "ModelPackageGroupName", _GROUP)
        return {"ModelPackageGroupSummaryList": listing.pop("summaries")} | listing

    def _create(self, request: Document, call: Call) -> Document:
        _check(request)
        token, same = request.get("ClientToken"), json.dumps(request, sort_keys=True)
        with self._transaction() as connection:
            group = _group(connection, request, call)
            if earlier := _remembered(connection, token):
                if earlier["request"] != same:
                    raise ServiceError(
                        "ConflictException",
                        f"ClientToken {token} was used for a request with other parameters.",
                    )
                return {"ModelPackageArn": earlier["arn"]}
            document = _new(connection, request, group, call)
            values = (document["ModelPackageArn"], token, same, json.dumps(document))
            connection.execute("INSERT INTO package VALUES (?, ?, ?, ?)", values)
        return {"ModelPackageArn": document["ModelPackageArn"]}

    def _describe(self, request: Document, call: Call) -> Document:
        with self._transaction() as connection:
            return _package(connection, request["ModelPackageName"], call)

    def _list(self, request: Document, call: Call) -> Document:
        with self._transaction() as connection:
            packages = _documents(connection.execute("SELECT document FROM package"))
            if "ModelPackageGroupName" in request:
                name = _group(connection, request, call)["ModelPackageGroupName"]
                packages = [each for each in packages if each["ModelPackageGroupName"] == name]
            elif request.get("ModelPackageType", UNVERSIONED) == UNVERSIONED:
                packages = []
        status = request.get("ModelApprovalStatus")
        packages = [each for each in packages if status in (None, each["ModelApprovalStatus"])]
        listing = page(packages, request, "ModelPackageGroupName", _SUMMARY)
        return {"ModelPackageSummaryList": listing.pop("summaries")} | listing

    def _update(self, request: Document, call: Call) -> Document:
        arn = request["ModelPackageArn"]
        with self._transaction() as connection:
            document = _package(connection, arn, call)
            kept = ("ModelApprovalStatus", "ApprovalDescription")
            document |= {name: request[name] for name in kept if name in request}
            metadata = document.get("CustomerMetadataProperties", {})
            metadata |= request.get("CustomerMetadataProperties", {})
            for name in request.get("CustomerMetadataPropertiesToRemove", ()):
                metadata.pop(name, None)
            document |= {"CustomerMetadataProperties": metadata, "LastModifiedTime": time.time()}
            values = (json.dumps(document), arn)
            connection.execute("UPDATE package SET document = ? WHERE arn = ?", values)
        return {"ModelPackageArn": arn}

    def _delete(self, request: Document, call: Call) -> None:
        with self._transaction() as connection:
            arn = _package(connection, request["ModelPackageName"], call)["ModelPackageArn"]
            connection.execute("DELETE FROM package WHERE arn = ?", (arn,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes come into force together, or not at all."""
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()


def _check(request: Document) -> None:
    """Refuse what cannot be registered."""
    if "ModelPackageName" in request and "ModelPackageGroupName" in request:
        raise invalid(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine "
            "which one to use."
        )
    if "ModelPackageGroupName" not in request:
        raise invalid("The stand-in keeps model packages of groups only: name a ModelPackageGroupName.")
    specifications = [
        *([request["InferenceSpecification"]] if "InferenceSpecification" in request else []),
        *request.get("AdditionalInferenceSpecifications", ()),
    ]
    for specification in specifications:
        for container in specification["Containers"]:
            address = container.get("ModelDataUrl")
            if address is not None and not _ARCHIVE.fullmatch(address):
                raise invalid(f"ModelDataUrl {address} is no s3://bucket/key.tar.gz.")


def _new(connection: sqlite3.Connection, request: Document, group: Document, call: Call) -> Document:
    """The document of a package that begins now; numbers of versions are never used again."""
    name = group["ModelPackageGroupName"]
    (version,) = connection.execute(
        "UPDATE model_group SET last = last + 1 WHERE name = ? RETURNING last", (name,)
    ).fetchone()
    moment = time.time()
    return {n: value for n, value in request.items() if n not in ("Tags", "ClientToken")} | {
        "ModelPackageName": name,
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": _arn(call, "model-package", f"{name}/{version}"),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "ModelApprovalStatus": request.get("ModelApprovalStatus", PENDING),
        "CreationTime": moment,
        "LastModifiedTime": moment,
        "CreatedBy": {},
    }


def _group(connection: sqlite3.Connection, request: Document, call: Call) -> Document:
    name = request["ModelPackageGroupName"].rpartition("/")[2]
    groups = _documents(connection.execute("SELECT document FROM model_group WHERE name = ?", (name,)))
    if not groups:
        raise invalid(f"ModelPackageGroup {_arn(call, 'model-package-group', name)} does not exist.")
    return groups[0]


def _package(connection: sqlite3.Connection, named: str, call: Call) -> Document:
    """A package by its ARN, or ``group/version``."""
    arn = named if named.startswith("arn:") else _arn(call, "model-package", named)
    packages = _documents(connection.execute("SELECT document FROM package WHERE arn = ?", (arn,)))
    if not packages:
        raise invalid(f"ModelPackage {arn} does not exist.")
    return packages[0]


def _remembered(connection: sqlite3.Connection, token: str | None) -> sqlite3.Row | None:
    """The package of the last request with a token, if it is not too long ago."""
    rows = connection.execute("SELECT * FROM package WHERE token = ?", (token,)).fetchall()
    since = time.time() - REMEMBERED
    recent = [row for row in rows if json.loads(row["document"])["CreationTime"] > since]
    return recent[-1] if recent else None


def _documents(rows: sqlite3.Cursor) -> list[Document]:
    return [json.loads(row["document"]) for row in rows]


def _arn(call: Call, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{call.region}:{ACCOUNT}:{kind}/{name}"
