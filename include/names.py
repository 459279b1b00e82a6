"""The one place that spells names: schema, tables, partitions, months. Imports nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

SCHEMA = "bqx"
MAX_IDENTIFIER = 63  # bytes, PostgreSQL

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LEGACY: dict[str, str] = {
    "reg_idx": "reg",
    "statistics_idx": "statistics_features",
    "bollinger_idx": "bollinger_features",
    "fibonacci_idx": "fibonacci_features",
    "volume_idx": "volume_features",
    "spread_idx": "spread_features",
    "correlation_idx": "correlation_features",
}
"""Family of the catalogue to the prefix of its legacy tables, which stage 1.6.9 renames."""

COLUMNS_ONLY = ("reg_bqx",)  # of these families stage 1.6.9 renames columns only, the table keeps its name


class Month(NamedTuple):
    """A calendar month in UTC, the unit in which tables are partitioned and built."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read ``2018-10``.

        Raises:
            ValueError: the text is no month.
        """
        match = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text)
        if match is None:
            raise ValueError(f"{text!r} is not a month; write it as yyyy-mm, for example 2018-10")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_minute(cls, minute: int) -> Month:
        """The month that contains an epoch minute."""
        moment = to_datetime(minute)
        return cls(moment.year, moment.month)

    @classmethod
    def of_day(cls, day: date) -> Month:
        """The month that contains a UTC day."""
        return cls(day.year, day.month)

    @property
    def previous(self) -> Month:
        """The month before this one."""
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    @property
    def next(self) -> Month:
        """The month after this one."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def first_minute(self) -> int:
        """Epoch minute of the first bar label that belongs to the month."""
        return to_minute(datetime(self.year, self.month, 1, tzinfo=UTC))

    @property
    def end_minute(self) -> int:
        """Epoch minute just after the month: months are half open."""
        return self.next.first_minute

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


def months_between(first_minute: int, last_minute: int) -> list[Month]:
    """Every month that holds a minute of the closed range, in order."""
    month, last = Month.of_minute(first_minute), Month.of_minute(last_minute)
    months = []
    while month <= last:
        months.append(month)
        month = month.next
    return months


def to_minute(moment: datetime) -> int:
    """Whole minutes since 1970-01-01 UTC, the time unit of every array in this project."""
    return (moment - EPOCH) // timedelta(minutes=1)


def to_datetime(minute: int) -> datetime:
    """The aware UTC time of an epoch minute."""
    return EPOCH + timedelta(minutes=minute)


def table(family: str, pair: str) -> str:
    """Name of a per-pair table: ``table("technical_idx", "eurusd") == "technical_idx_eurusd"``."""
    return f"{family}_{pair}"


def partition(table_name: str, month: Month) -> str:
    """Name of the partition of a table we create: ``{table}_{yyyy}_{mm}``."""
    return f"{table_name}_{month.year:04d}_{month.month:02d}"


def legacy_pattern(pairs: Iterable[str], prefixes: Iterable[str] = tuple(LEGACY.values())) -> str:
    """Regular expression of the names of legacy tables and their partitions.

    The pairs are spelled out: a prefix such as ``reg_`` alone would also match ``reg_bqx_eurusd`` and
    ``regime_eurusd``. Python and PostgreSQL's ``~`` both read it.

    Args:
        pairs: the currency pairs.
        prefixes: what stands before the pair.
    """
    return rf"^({'|'.join(prefixes)})_({'|'.join(pairs)})(_[0-9]{{4}}_[0-9]{{2}})?$"
