"""Public holidays as a static file: a newer release of the package they come from changes no feature.

`python -m include.features.holiday_table` makes the file from the package `holidays` and prints its
SHA-256, which belongs into `SHA256`; with ``--check`` it only says whether the file is what the
installed release would give.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from include.errors import BadInput
from include.features.arrays import Floats, Minutes

__all__ = ["COUNTRIES", "days_to_holiday", "holidays_of"]

TABLE = Path(__file__).with_name("holidays.csv")
RELEASE = "0.109"  # of the package holidays, from which the file was made
SHA256 = "63fe2f63f461328aefdb64f3ff91cd338b5cc5807c84cb379aee73d17ebba5a7"
COUNTRIES = {"us": ("US", None), "uk": ("GB", "ENG"), "jp": ("JP", None)}  # code and subdivision
YEARS = range(2010, 2036)
FARTHEST = 60  # days

# Announced less than 60 days ahead: a countdown to them would know what nobody knew.
SHORT_NOTICE = {("us", date(2021, 6, 18)), ("us", date(2021, 6, 19)), ("uk", date(2022, 9, 19))}


def days_to_holiday(day: Minutes, country: str) -> Floats:
    """Days to the next holiday, 0 on the day and at most 60; NULL where the table does not reach.

    Args:
        day: days since 1970-01-01, UTC.
        country: key of `COUNTRIES`.

    Raises:
        BadInput: the file of the table is not the one that features are made with.
    """
    known = holidays_of(country)
    following = np.searchsorted(known, day)
    inside = (day >= (date(YEARS[0], 1, 1) - date(1970, 1, 1)).days) & (following < known.size)
    days = known[np.minimum(following, known.size - 1)] - day
    return np.where(inside, np.minimum(days, FARTHEST), np.nan)


@cache
def holidays_of(country: str) -> Minutes:
    """Sorted days since 1970-01-01 of the public holidays of a country, observed ones included.

    Raises:
        BadInput: the file of the table is not the one that features are made with.
    """
    content = TABLE.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise BadInput(
            str(TABLE),
            "the holiday table is not the one that features are made with.",
            "Take it back from the repository: git checkout -- include/features/holidays.csv",
            code="holiday-table-changed",
        )
    rows = csv.DictReader(content.decode().splitlines())
    return np.array([row["day"] for row in rows if row["country"] == country], "datetime64[D]").astype(
        np.int64
    )


def made() -> str:
    """The table as the installed release of the package gives it."""
    import holidays  # only here: features are computed from the file

    lines = ["country,day,name"]
    for country, (code, subdivision) in COUNTRIES.items():
        found = holidays.country_holidays(code, subdiv=subdivision, years=YEARS, language="en_US")
        lines += [
            f'{country},{day},"{name}"'
            for day, name in sorted(found.items())
            if day.year in YEARS and (country, day) not in SHORT_NOTICE
        ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the table; the exit status."""
    parser = argparse.ArgumentParser(description="Write include/features/holidays.csv.")
    parser.add_argument("--check", action="store_true", help="only say whether the file is current")
    content = made()
    if parser.parse_args(arguments).check:
        same = TABLE.read_text(encoding="utf-8") == content
        if not same:
            print(f"{TABLE} is not what the installed release of holidays gives", file=sys.stderr)
        return 0 if same else 1
    TABLE.write_text(content, encoding="utf-8")
    print(hashlib.sha256(content.encode()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
