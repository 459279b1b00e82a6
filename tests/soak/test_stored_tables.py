"""What a finished run left in its database, column by column, against the oracles.

    make run DATA=... && . .local/env && make soak TESTS=tests/soak/test_stored_tables.py

One seeded month of every pair is read back and compared with the plain second implementations, which
start from the bars in the same database.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from include.build.coverage import check_coverage
from include.build.months import available_months
from include.features.catalogue import family
from include.pairs import PAIRS
from include.settings import FAMILIES
from include.storage.bars import read_bars
from include.storage.connection import Connection, connect, qualified
from include.storage.log import baseline_of, watermark
from tests.include.features.test_engine import ORACLES
from tests.oracles import market
from tests.oracles.compare import allowance, relative_error, worst

URL = os.environ.get("BQX_DATABASE_URL")
OWN_PRICES = tuple(
    name for name in FAMILIES if name.split("_")[0] in ORACLES
)  # families of one pair's prices
HISTORY = 3000  # bars in front of the month: the seed of every recursion has decayed

NO_TABLES = "looks at what `make run` built: let one finish, then `source .local/env` and run this again"
pytestmark = [pytest.mark.soak, pytest.mark.skipif(URL is None, reason=NO_TABLES)]


def expected(symbols: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    kind, domain = name.split("_")
    names = ("S", "H", "L") if domain == "idx" else ("b", "b_hi", "b_lo")
    first = 0 if domain == "idx" else 15
    columns = ORACLES[kind].columns(*(symbols[one][first:] for one in names), domain)
    return {column: np.concatenate([np.full(first, np.nan), values]) for column, values in columns.items()}


def stored(connection: Connection, table: str, month: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    query = "SELECT * FROM {} WHERE to_char(ts_utc, 'YYYY-MM') = %s ORDER BY ts_utc"
    cursor = connection.execute(query.format(qualified(table).as_string()), [month])
    columns = [column.name for column in cursor.description][1:]
    rows = cursor.fetchall()
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    minutes = np.array([row[0].timestamp() // 60 for row in rows], dtype=np.int64)
    return minutes, dict(zip(columns, values.T, strict=True))


@pytest.mark.parametrize("pair", PAIRS)
def test_every_column_of_a_month_agrees_with_its_oracle(pair: str) -> None:
    with connect(URL) as connection:
        months = available_months(connection, pair)
        month = random.Random(pair).choice(months)
        end = min(month.end_minute, watermark(connection) + 1)
        bars = read_bars(connection, pair, month.first_minute, end, before=HISTORY)
        symbols = market.symbols(bars, end - 1, baseline_of(connection, pair).rate)
        own = symbols["ts"] >= month.first_minute
        is_first = month == months[0]
        for name in OWN_PRICES:
            minutes, columns = stored(connection, f"{name}_{pair}", str(month))
            np.testing.assert_array_equal(minutes, symbols["ts"][own], err_msg=f"keys of {name}")
            reference = expected(symbols, name)
            for feature in family(name).columns:
                wanted = reference[feature.name].copy()
                if is_first:
                    wanted[: feature.first_row] = np.nan
                factor = allowance(feature.name, reference)
                factor = factor[own] if isinstance(factor, np.ndarray) else factor
                error = relative_error(columns[feature.name], wanted[own]) / factor
                told = worst(columns[feature.name], wanted[own], factor)
                assert error.max() < 1e-9, f"{name}_{pair} {month} {feature.name}: {told}"


def test_all_families_of_all_pairs_have_the_same_keys() -> None:
    rows = check_coverage(URL, PAIRS, FAMILIES)["rows"]
    assert len(rows) == len(PAIRS)
    print("rows per pair:", rows)
