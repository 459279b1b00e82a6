"""All alarms: the operations on them, and the way from one state to another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.cloudwatch import alarm as metric_alarm
from local.aws.cloudwatch.actions import Actions, Publish, Transition
from local.aws.cloudwatch.alarm import ACTIONS, Document
from local.aws.cloudwatch.database import Database
from local.aws.cloudwatch.errors import CloudWatchError, combination, invalid
from local.aws.cloudwatch.history import History
from local.aws.cloudwatch.pages import page

PAGE = 50  # alarms, if nobody asks for another number
LONGEST_REASON, LONGEST_REASON_DATA = 1023, 4000  # characters

Parameters = Mapping[str, Any]


class Alarms:
    """Keeps the alarms and answers the requests about them. Threads may use it at once.

    Args:
        database: where they are.
        clock: says what time it is, in seconds since the epoch.
        publish: gives SNS a message: ARN of the topic, subject, text.

    Attributes:
        history: of all alarms.
        version: another number whenever an alarm was changed.
    """

    def __init__(self, database: Database, clock: Callable[[], float], publish: Publish) -> None:
        self._database, self._clock = database, clock
        self.history, self.version = History(database), 0
        self._actions = Actions(publish, self.history, clock)
        self.operations: dict[str, Callable[[Parameters, str], Document | None]] = {
            "PutMetricAlarm": self._put,
            "DescribeAlarms": self._describe,
            "DescribeAlarmsForMetric": self._describe_for_metric,
            "DescribeAlarmHistory": self.history.describe,
            "DeleteAlarms": self._delete,
            "SetAlarmState": self._set_state,
            "EnableAlarmActions": lambda asked, region: self._switch(asked, region, True),
            "DisableAlarmActions": lambda asked, region: self._switch(asked, region, False),
        }

    def all(self, region: str | None = None) -> list[tuple[str, Document]]:
        """Every alarm, or those of a region, with its region, by name."""
        rows = self._database.read(
            "SELECT region, document FROM alarm WHERE ?1 IS NULL OR region = ?1 ORDER BY region, name", region
        )
        return [(its, json.loads(document)) for its, document in rows]

    def find(self, region: str, name: str) -> Document | None:
        """One alarm; None if there is none."""
        rows = self._database.read("SELECT document FROM alarm WHERE region = ? AND name = ?", region, name)
        return json.loads(rows[0][0]) if rows else None

    def change(self, region: str, name: str, change: Callable[[Document], None]) -> bool:
        """Change an alarm in one step; returns False if there is none."""
        with self._database.transaction():
            alarm = self.find(region, name)
            if alarm is None:
                return False
            change(alarm)
            self._write(region, alarm)
            return True

    def enter(self, region: str, alarm: Document, state: str, reason: str, data: str | None) -> None:
        """Give an alarm a state, and do what it asks for if that is another one.

        Args:
            region: of it.
            alarm: its document, for which the state was found; nothing is done if it is another one by now.
            state: StateValue.
            reason: StateReason.
            data: StateReasonData; None for none.
        """
        with self._database.transaction():
            before, now = self.find(region, alarm["AlarmName"]), self._clock()
            if before is None or before["revision"] != alarm["revision"]:
                return
            after = before | {"StateValue": state, "StateReason": reason[:LONGEST_REASON]}
            after["StateUpdatedTimestamp"] = now
            after.pop("StateReasonData", None)
            if data is not None and len(data) <= LONGEST_REASON_DATA:
                after["StateReasonData"] = data
            if before["StateValue"] != state:
                after["StateTransitionedTimestamp"] = now
                self.history.changed(region, before, after, now)
            self._write(region, after)
        if before["StateValue"] != state:
            self._actions.carry_out(Transition(region, before, after, now))

    def _write(self, region: str, alarm: Document) -> None:
        self.version += 1
        self._database.write(
            "INSERT OR REPLACE INTO alarm VALUES (?, ?, ?)", region, alarm["AlarmName"], json.dumps(alarm)
        )

    def _put(self, asked: Parameters, region: str) -> None:
        metric_alarm.check(asked)
        with self._database.transaction():
            before, now = self.find(region, asked["AlarmName"]), self._clock()
            alarm = metric_alarm.new(asked, region, now, before)
            self._write(region, alarm)
            self.history.configured(region, "updated" if before else "created", alarm, now)

    def _delete(self, asked: Parameters, region: str) -> None:
        unknown = []
        for name in asked["AlarmNames"]:
            with self._database.transaction():
                alarm = self.find(region, name)
                if alarm is None:
                    unknown.append(name)
                    continue
                self._database.write("DELETE FROM alarm WHERE region = ? AND name = ?", region, name)
                self.history.configured(region, "deleted", alarm, self._clock())
        if unknown:
            raise _unknown(*unknown)

    def _set_state(self, asked: Parameters, region: str) -> None:
        data = asked.get("StateReasonData")
        if data is not None:
            try:
                json.loads(data)
            except ValueError as error:
                raise CloudWatchError(
                    "InvalidFormatFault", f"StateReasonData is not valid JSON: {error}"
                ) from error
        alarm = self.find(region, asked["AlarmName"])
        if alarm is None:
            raise _unknown(asked["AlarmName"])
        self.enter(region, alarm, asked["StateValue"], asked["StateReason"], data)

    def _switch(self, asked: Parameters, region: str, enabled: bool) -> None:
        for name in asked["AlarmNames"]:
            self.change(region, name, lambda alarm: alarm.update(ActionsEnabled=enabled))

    def _describe(self, asked: Parameters, region: str) -> Document:
        if "AlarmNames" in asked and "AlarmNamePrefix" in asked:
            raise combination("AlarmNames and AlarmNamePrefix must not be specified together.")
        if "MetricAlarm" not in asked.get("AlarmTypes", ["MetricAlarm"]):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        found = [
            alarm
            for _, alarm in self.all(region)
            if alarm["AlarmName"] in asked.get("AlarmNames", [alarm["AlarmName"]])
            and alarm["AlarmName"].startswith(asked.get("AlarmNamePrefix", ""))
            and asked.get("StateValue") in (None, alarm["StateValue"])
            and ("ActionPrefix" not in asked or _acts(alarm, asked["ActionPrefix"]))
        ]
        return {"CompositeAlarms": []} | page("MetricAlarms", found, asked, asked.get("MaxRecords", PAGE))

    def _describe_for_metric(self, asked: Parameters, region: str) -> Document:
        if "Statistic" in asked and "ExtendedStatistic" in asked:
            raise invalid("Statistic and ExtendedStatistic must not be specified together.")
        names = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit")
        wanted = {name: asked[name] for name in names if name in asked}
        found = [
            alarm
            for _, alarm in self.all(region)
            if all(alarm.get(name) == value for name, value in wanted.items())
            and _pairs(alarm) == _pairs(asked)
        ]
        return {"MetricAlarms": found}


def _unknown(*names: str) -> CloudWatchError:
    return CloudWatchError("ResourceNotFound", f"There is no alarm of the name {', '.join(names)}.")


def _acts(alarm: Parameters, prefix: str) -> bool:
    return any(arn.startswith(prefix) for name in ACTIONS.values() for arn in alarm[name])


def _pairs(told: Parameters) -> list[tuple[str, str]]:
    return sorted((each["Name"], each["Value"]) for each in told.get("Dimensions", ()))
