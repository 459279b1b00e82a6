"""Errors written for the person who has to act on them.

Every message says what is wrong, where (file, pair, row, table) and what to do.
"""

from __future__ import annotations


class BqxError(Exception):
    """Base of every error this project raises on purpose."""


class NothingToDo(BqxError):
    """There is nothing to do, and that is right: a dry run, or nothing was asked for. The task is skipped."""


class BadInput(BqxError):
    """A source of market data was refused before anything was written.

    Args:
        file: path of the offending file, as the user gave it.
        problem: what is wrong.
        remedy: what the user can do about it.
        row: 1-based data row (the header does not count), if one row is to blame.
        code: short stable identifier of the kind of problem, e.g. ``high-below-close``.
    """

    def __init__(self, file: str, problem: str, remedy: str, *, row: int | None = None, code: str) -> None:
        self.file, self.problem, self.remedy, self.row, self.code = file, problem, remedy, row, code
        where = file if row is None else f"{file}, row {row:,}"
        super().__init__(f"{where}: {problem} {remedy} [{code}]")


class BadParameter(BqxError):
    """A run was asked for something that cannot be: unknown pair, empty month range, ..."""


class SchemaMismatch(BqxError):
    """A table exists but its columns are not those the catalogue asks for."""


class Busy(BqxError):
    """Another run is building the same partition right now; nothing was done here."""


class MissingInput(BqxError):
    """A table or rows that a build needs are not there."""


class StaleInput(BqxError):
    """The newest data is older than what may be used."""


class Incomplete(BqxError):
    """Not everything that was asked for is there."""


class QualityError(BqxError):
    """Tables were written, but what is in them is not what it must be."""


class MigrationRefused(BqxError):
    """A migration cannot begin, or what it found is not what was approved; nothing was renamed."""


class MigrationDue(BqxError):
    """Stage 1.6.9 has to be done before this: what legacy tables hold would be lost or mixed up."""


class MigrationFailed(BqxError):
    """After a migration something is not as it was before; names can be taken back."""


class LeakedColumn(BqxError):
    """A column knows the future: what it holds at a row is a target of that row.

    Args:
        column: the column.
        target: the target that it follows.
        correlation: their correlation on the training rows.
    """

    def __init__(self, column: str, target: str, correlation: float) -> None:
        self.column, self.target, self.correlation = column, target, correlation
        super().__init__(column, target, correlation)  # what pickle hands over between processes

    def __str__(self) -> str:
        return (
            f"A column knows the future: {self.column} correlates {self.correlation:+.4f} with {self.target} "
            "on the training rows. Look for a negative shift or a target copied under another name where "
            "that column is computed; nothing was selected."
        )


class DatasetConflict(BqxError):
    """A data set of this id is complete and has other content; nothing was changed."""


class AwsBusy(BqxError):
    """AWS has no room or no time now; the same call is made again later."""


class TrainingRefused(BqxError):
    """A training job cannot be started as it was asked for; nothing was started."""


class TrainingFailed(BqxError):
    """A training job ended without a model; its reason and the end of its log are in the message."""


class SuspiciousScore(BqxError):
    """A model forecasts better than anything honest can: nothing goes on before somebody looked."""


class RegistryRefused(BqxError):
    """The model registry does not take a decision; what is registered already stays."""


class DeployRefused(BqxError):
    """Something cannot be served as it was asked for; what serves is as it was before."""


class DeployFailed(BqxError):
    """A new endpoint or model did not prove itself; what served before serves on, or the message says not."""


class PlanRefused(BqxError):
    """The project plan cannot be updated: access, schema or data are wrong; nothing was written."""


class PlanFailed(BqxError):
    """Some of the plan's records could not be written, or are not as they were written."""


class AirtableUnavailable(BqxError):
    """Airtable does not answer, or not in time. What was written stays; the same run goes on from there."""


class AirflowUnavailable(BqxError):
    """Airflow's API does not answer, or does not let us in. What callbacks wrote is told all the same."""


class AlertsWaiting(BqxError):
    """Messages to people wait for longer than they may: their channels do not take them."""
