"""The history of alarms: configurations, states, actions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.utils import parse_to_aware_datetime

from local.aws.cloudwatch.data import DAY
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.pages import page

CONFIGURATION, STATE, ACTION = "ConfigurationUpdate", "StateUpdate", "Action"
KEPT = 30 * DAY  # seconds
LONGEST_SUMMARY, LONGEST_DATA = 255, 4095  # characters
PAGE = 100  # items


class History:
    """What has happened to alarms, also to those that were deleted.

    Args:
        database: where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def configured(self, region: str, verb: str, alarm: Mapping[str, Any], now: float) -> None:
        """Note that an alarm was created, updated or deleted, as the verb says."""
        shown = {_camel(name): value for name, value in alarm.items() if name[0].isupper()}
        data = {"type": verb.removesuffix("d").capitalize(), f"{verb}Alarm": shown}
        name = alarm["AlarmName"]
        self._note(region, name, CONFIGURATION, f'Alarm "{name}" {verb}', data, now)

    def changed(self, region: str, before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> None:
        """Note another state of an alarm."""
        data = {"oldState": _state(before), "newState": _state(after)}
        summary = f"Alarm updated from {before['StateValue']} to {after['StateValue']}"
        self._note(region, after["AlarmName"], STATE, summary, data, now)

    def acted(self, region: str, name: str, arn: str, trouble: str, now: float) -> None:
        """Note that an action was carried out, or why not."""
        data = {"actionState": "Failed" if trouble else "Succeeded", "notificationResource": arn}
        summary = f"Successfully executed action {arn}"
        if trouble:
            data["error"] = trouble
            summary = f'Failed to execute action {arn}. Received error: "{trouble}"'
        self._note(region, name, ACTION, summary, data, now)

    def _note(
        self, region: str, name: str, kind: str, summary: str, data: Mapping[str, Any], now: float
    ) -> None:
        text = json.dumps({"version": "1.0"} | dict(data))
        if len(text) > LONGEST_DATA:  # cut text would be no JSON
            text = json.dumps({"version": "1.0"})
        self._database.write(
            "INSERT INTO history (region, name, time, kind, summary, data) VALUES (?, ?, ?, ?, ?, ?)",
            *(region, name, now, kind, summary[:LONGEST_SUMMARY], text),
        )

    def describe(self, asked: Mapping[str, Any], region: str) -> dict[str, Any]:
        """What DescribeAlarmHistory answers."""
        order = 1 if asked.get("ScanBy") == "TimestampAscending" else -1
        rows = self._database.read(
            "SELECT name, time, kind, summary, data FROM history WHERE region = ?1 "
            "AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR kind = ?3) "
            "AND (?4 IS NULL OR time >= ?4) AND (?5 IS NULL OR time <= ?5) ORDER BY ?6 * id",
            region, asked.get("AlarmName"), asked.get("HistoryItemType"),
            *(_seconds(asked.get(name)) for name in ("StartDate", "EndDate")), order,
        )  # fmt: skip
        items = [
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": time,
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": data,
            }
            for name, time, kind, summary, data in rows
        ]
        if "MetricAlarm" not in asked.get("AlarmTypes", ["MetricAlarm"]):
            items = []
        return page("AlarmHistoryItems", items, asked, asked.get("MaxRecords", PAGE))

    def age(self, now: float) -> None:
        """Forget what is too old."""
        self._database.write("DELETE FROM history WHERE time < ?", now - KEPT)


def _seconds(moment: Any) -> float | None:
    return None if moment is None else parse_to_aware_datetime(moment).timestamp()


def _state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    told = {"stateValue": alarm["StateValue"], "stateReason": alarm["StateReason"]}
    if "StateReasonData" in alarm:
        told["stateReasonData"] = json.loads(alarm["StateReasonData"])
    return told


def _camel(name: str) -> str:
    return "okactions" if name == "OKActions" else name[0].lower() + name[1:]
