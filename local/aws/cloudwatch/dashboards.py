"""Dashboards: kept as they are, if CloudWatch could show them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.cloudwatch import dashboard_body
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.errors import CloudWatchError, invalid
from local.aws.cloudwatch.pages import page
from local.aws.settings import ACCOUNT

PAGE = 1000
MOST = 100  # that one request deletes
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")

Parameters = Mapping[str, Any]
Document = dict[str, Any]


class Dashboards:
    """Keeps the dashboards, which are the same in every region, and answers the requests about them.

    Args:
        database: where they are.
        clock: says what time it is.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self.operations: dict[str, Callable[[Parameters, str], Document | None]] = {
            "PutDashboard": self._put,
            "GetDashboard": self._get,
            "ListDashboards": self._list,
            "DeleteDashboards": self._delete,
        }

    def find(self, name: str) -> Document | None:
        """One dashboard; None if there is none."""
        rows = self._database.read("SELECT document FROM dashboard WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def change(self, name: str, change: Callable[[Document], None]) -> bool:
        """Change a dashboard in one step; returns False if there is none."""
        with self._database.transaction():
            dashboard = self.find(name)
            if dashboard is None:
                return False
            change(dashboard)
            self._write(dashboard)
            return True

    def _write(self, dashboard: Document) -> None:
        self._database.write(
            "INSERT OR REPLACE INTO dashboard VALUES (?, ?)",
            dashboard["DashboardName"],
            json.dumps(dashboard),
        )

    def _put(self, asked: Parameters, region: str) -> Document:
        name, body = asked["DashboardName"], asked["DashboardBody"]
        if not _NAME.fullmatch(name):
            raise invalid(
                f"The value {name} for field DashboardName contains invalid characters. It can only contain "
                "alphanumerics, dash (-) and underscore (_)."
            )
        problems = dashboard_body.problems(body)
        if problems:
            told = [{"dataPath": problem.path, "message": problem.message} for problem in problems]
            raise CloudWatchError(
                "DashboardInvalidInputError",
                f"The dashboard body is invalid, there are {len(problems)} validation errors:\n"
                f"{json.dumps(told, indent=2)}",
            )
        with self._database.transaction():
            before = self.find(name)
            tags = {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())}
            self._write(
                {
                    "DashboardName": name,
                    "DashboardArn": arn(name),
                    "DashboardBody": body,
                    "LastModified": self._clock(),
                    "Size": len(body.encode()),
                    "tags": before["tags"] if before else tags,
                }
            )
        return {"DashboardValidationMessages": []}

    def _get(self, asked: Parameters, region: str) -> Document:
        dashboard = self.find(asked["DashboardName"])
        if dashboard is None:
            raise _unknown(asked["DashboardName"])
        return dashboard

    def _list(self, asked: Parameters, region: str) -> Document:
        rows = self._database.read("SELECT document FROM dashboard ORDER BY name")
        prefix = asked.get("DashboardNamePrefix", "")
        found = [json.loads(document) for (document,) in rows]
        entries = [each for each in found if each["DashboardName"].startswith(prefix)]
        return page("DashboardEntries", entries, asked, PAGE)

    def _delete(self, asked: Parameters, region: str) -> None:
        names = asked["DashboardNames"]
        if len(names) > MOST:
            raise invalid(f"The collection DashboardNames must not have a size greater than {MOST}.")
        unknown = [
            name for name in names if not self._database.write("DELETE FROM dashboard WHERE name = ?", name)
        ]
        if unknown:
            raise _unknown(unknown[0])


def arn(name: str) -> str:
    """ARN of a dashboard."""
    return f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"


def _unknown(name: str) -> CloudWatchError:
    return CloudWatchError("DashboardNotFoundError", f"Dashboard {name} does not exist")
