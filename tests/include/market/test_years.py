"""Whole years as a provider delivers them, beside another pair's Parquet in UTC, in one folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest

from include.features.bars import Bars
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.names import to_datetime, to_minute
from tests.include.market import good_files as good
from tests.include.market.bar_files import walk, write

YEARS = (2018, 2019)  # the provider's clock changed its rule between them
TWICE = {2018: datetime(2018, 11, 4, 19), 2019: datetime(2019, 10, 27, 19)}  # an hour, file clock
NEW_YORK, LONDON = ZoneInfo("America/New_York"), ZoneInfo("Europe/London")


def open_minutes(year: int) -> np.ndarray:
    """Minutes of a year, UTC, in which the market is open: Sunday to Friday, 17:00 in New York."""
    first, end = (to_minute(datetime(y, 1, 1, 6, tzinfo=UTC)) for y in (year, year + 1))
    hours = range(first, end, 60)
    local = [to_datetime(hour).astimezone(NEW_YORK) for hour in hours]
    traded = [
        hour for hour, at in zip(hours, local, strict=True)
        if at.weekday() < 4 or (at.weekday() == 4 and at.hour < 17) or (at.weekday() == 6 and at.hour >= 17)
    ]  # fmt: skip
    return (np.array(traded)[:, None] + np.arange(60)).ravel()


def file_clock(minute: int) -> datetime:
    """What the provider writes: New York's clock up to 2018, five hours behind London afterwards."""
    at = to_datetime(minute)
    if at.astimezone(NEW_YORK).year < 2019:
        return at.astimezone(NEW_YORK).replace(tzinfo=None)
    return at.astimezone(LONDON).replace(tzinfo=None) - timedelta(hours=5)


def delivered(folder: Path, year: int, bars: Bars) -> None:
    """The archive of a year with its report inside, and the report beside it once more."""
    hour, repeated, lines = timedelta(hours=1), [], []
    columns = zip(bars.ts.tolist(), bars.open, bars.high, bars.low, bars.close, strict=True)
    for minute, *prices in columns:
        at = file_clock(minute)
        lines.append(f"{at:%Y%m%d %H%M%S};{';'.join(f'{price:.6f}' for price in prices)};0")
        if TWICE[year] <= at < TWICE[year] + hour:
            repeated.append(lines[-1])
            if len(repeated) == 60:
                lines += repeated
    name, report = f"DAT_ASCII_EURUSD_M1_{year}", good.gap_report_lines()
    good.write_zip(
        folder / f"HISTDATA_COM_ASCII_EURUSD_M1{year}.zip", {f"{name}.csv": lines, f"{name}.txt": report}
    )
    good.write_lines(folder / f"{name}.txt", report)


def rounded(bars: Bars) -> Bars:
    """With the six decimals of the provider's files."""
    columns = ("open", "high", "low", "close")
    return Bars(**(vars(bars) | {name: np.round(getattr(bars, name), 6) for name in columns}))


@pytest.mark.timeout(600)
def test_years_in_archives_and_parquet_load_from_one_folder(
    tmp_path: Path, database_url: str, db: psycopg.Connection
) -> None:
    years = {year: rounded(walk(open_minutes(year), 1.15, year)) for year in YEARS}
    for year, bars in years.items():
        delivered(tmp_path, year, bars)
    other = walk(years[2019].ts[-100_000:], 1.3, 1)
    write(tmp_path, "gbpusd", other)
    request = LoadRequest(str(tmp_path), timezone="histdata")
    prepared = prepare(database_url, request)
    assert prepared["pairs_to_write"] == ["eurusd", "gbpusd"]
    assert [file["repeated"][:19] for file in prepared["read"]["eurusd"]] == 2 * ["60 rows stand twice"]
    assert sorted(Path(name).name for name in prepared["left_out"]) == [
        name for year in YEARS for name in 2 * [f"DAT_ASCII_EURUSD_M1_{year}.txt"]
    ]
    for pair in ("eurusd", "gbpusd"):
        load_pair(database_url, request, pair)
    for pair, bars in (("eurusd", tuple(years.values())), ("gbpusd", (other,))):
        found = db.execute(f"SELECT ts_utc, high FROM bqx.m1_{pair} ORDER BY ts_utc").fetchall()
        assert [to_minute(moment) for moment, _ in found] == np.concatenate([b.ts for b in bars]).tolist()
        assert [high for _, high in found] == np.concatenate([b.high for b in bars]).tolist()
