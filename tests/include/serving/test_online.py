"""Online features equal the stored matrix, whatever lies around the row and whatever comes after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from include.dataset.matrix import FEATURES, Matrix
from include.errors import BadParameter, MissingInput
from include.features.catalogue import FAMILIES
from include.names import Month
from include.pairs import PAIRS
from include.serving import inputs, online
from include.serving.needs import _OTHERS, needs_of
from include.storage.connection import Connection, connect
from include.storage.log import watermark
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.serving.markets import MONTHS, WINDOWS, World, world

PICKED = 60  # rows compared by the test that runs always; the long proof compares 1,000
LIGHT = ("reg_idx__w30_r2", "lag__bqx_lag_5", "time__dow", "volume_idx__volume_z_20")


@pytest.fixture(scope="module")
def built(postgres) -> Iterator[World]:
    with world(postgres) as made:
        yield made


@pytest.fixture
def connection(built: World) -> Iterator[Connection]:
    with connect(built.url) as opened:
        yield opened


def places(matrix: Matrix, number: int, random: np.random.Generator) -> list[int]:
    """Rows of a month: its first and last, the first after breaks, filled ones, and random ones."""
    breaks = np.flatnonzero(np.diff(matrix.ts) > 1)
    filled = np.flatnonzero(matrix.base["base__is_filled"])
    special = [0, 1, 30, len(matrix.ts) - 1]
    for found, shift in ((breaks, 0), (breaks, 1), (breaks, 2), (filled, 0)):
        special += list(random.choice(found, 2) + shift)
    return (special + list(random.integers(0, len(matrix.ts), number)))[:number]


def assert_same(matrix: Matrix, row: int, found: online.Row) -> None:
    """All of the columns, then q and s."""
    where = f"{matrix.pair} at row {row} of {matrix.month}"
    assert found.minute == matrix.ts[row]
    for name, value in zip(FEATURES, found.features, strict=True):
        np.testing.assert_allclose(
            value, matrix.features[name][row], rtol=1e-9, atol=1e-12, err_msg=f"{name}: {where}"
        )
    for prefix, suffix, values in (("w", "_bqx_return", found.q), ("ewma_vol_60_w", "", found.s)):
        for w, value in values.items():
            np.testing.assert_array_equal(value, matrix.base[f"base__{prefix}{w}{suffix}"][row], where)


def compare(built: World, connection: Connection, number: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    for (pair, _), matrix in built.matrices.items():
        for row in places(matrix, number // len(built.matrices), random):
            found = online.rows(connection, [pair], int(matrix.ts[row]), FEATURES, WINDOWS)
            assert_same(matrix, row, found[pair])


def test_a_row_is_that_of_the_stored_matrix(built: World, connection: Connection) -> None:
    known = [
        np.isfinite(values[-500:]).any() for values in built.matrices["eurusd", MONTHS[1]].features.values()
    ]
    assert np.mean(known) > 0.99, "the comparison would be one of NULLs"
    compare(built, connection, PICKED, seed=1)


@pytest.mark.soak
def test_a_thousand_rows_are_those_of_the_stored_matrix(built: World, connection: Connection) -> None:
    compare(built, connection, 1000, seed=2)


def test_the_warm_up_of_a_pair_is_null_where_that_of_the_matrix_is(
    built: World, connection: Connection
) -> None:
    matrix = built.matrices["audjpy", MONTHS[0]]
    for row in (2, 17, 100, 600, 1500, 3100):
        assert_same(
            matrix, row, online.rows(connection, ["audjpy"], int(matrix.ts[row]), FEATURES, WINDOWS)["audjpy"]
        )


def test_a_column_alone_is_the_same_as_among_all(built: World, connection: Connection) -> None:
    every_tenth(built, connection, range(3, len(FEATURES), 10))


@pytest.mark.soak
def test_every_column_alone_is_the_same_as_among_all(built: World, connection: Connection) -> None:
    every_tenth(built, connection, range(len(FEATURES)))


def every_tenth(built: World, connection: Connection, numbers: Sequence[int]) -> None:
    """What one column needs is enough for it: another pair or row that it lacked would show."""
    matrix = built.matrices["audjpy", MONTHS[1]]
    row = int(np.flatnonzero(np.diff(matrix.ts) > 30)[-1]) + 40  # a long break lies in most windows
    for name in (FEATURES[number] for number in numbers):
        alone = online.rows(connection, ["audjpy"], int(matrix.ts[row]), [name], WINDOWS)["audjpy"]
        np.testing.assert_allclose(
            alone.features, [matrix.features[name][row]], rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_a_day_at_once_is_its_rows(built: World, connection: Connection) -> None:
    matrix = built.matrices["eurusd", MONTHS[1]]
    first = MONTHS[1].first_minute + 1440
    found = online.many(connection, ["eurusd"], first, first + 1440, FEATURES, WINDOWS)["eurusd"]
    own = (matrix.ts >= first) & (matrix.ts < first + 1440)
    np.testing.assert_array_equal(found.ts, matrix.ts[own])
    assert len(found.ts) > 1000
    for name, values in zip(FEATURES, found.features.T, strict=True):
        np.testing.assert_allclose(values, matrix.features[name][own], rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(found.s[75], matrix.base["base__ewma_vol_60_w75"][own])


def test_all_pairs_at_once_are_the_same_as_one_by_one(built: World, connection: Connection) -> None:
    minute = watermark(connection)  # every pair has a bar then
    together = online.rows(connection, PAIRS, minute, FEATURES, WINDOWS)
    assert list(together) == list(PAIRS)
    for pair in ("eurusd", "nzdchf"):
        alone = online.rows(connection, [pair], minute, FEATURES, WINDOWS)[pair]
        np.testing.assert_allclose(together[pair].features, alone.features, rtol=1e-9, atol=1e-12)
        assert together[pair].q == alone.q


@pytest.fixture
def changed(built: World, postgres: Postgres) -> Iterator[Connection]:
    """A connection to a copy of the database, for tests that write to it."""
    with worlds.database(postgres, built.database) as name, connect(postgres.url(name)) as opened:
        yield opened


def test_bars_that_come_or_change_later_do_not_change_an_answer(built: World, changed: Connection) -> None:
    minute = int(built.matrices["eurusd", MONTHS[1]].ts[2000])
    before = online.rows(changed, ["eurusd"], minute, FEATURES, WINDOWS)["eurusd"]
    after_it = f"ts_utc > to_timestamp({minute} * 60)"
    for pair in PAIRS:
        odd = "extract(minute FROM ts_utc)::int % 2 = 1"
        changed.execute(f"DELETE FROM bqx.m1_{pair} WHERE {after_it} AND {odd}")
        other = "close = close * 1.5, high = high * 2, price_side = 'ask'"
        changed.execute(f"UPDATE bqx.m1_{pair} SET {other} WHERE {after_it}")
    changed.execute("UPDATE bqx.loads SET watermark = watermark + interval '1 day'")
    after = online.rows(changed, ["eurusd"], minute, FEATURES, WINDOWS)["eurusd"]
    np.testing.assert_array_equal(after.features, before.features)
    assert (after.q, after.s) == (before.q, before.s)
    later_row = online.rows(changed, ["eurusd"], minute + 9, FEATURES, WINDOWS)["eurusd"]
    assert (later_row.features != before.features).mean() > 0.5


def test_a_minute_without_a_row_is_said(connection: Connection) -> None:
    with pytest.raises(MissingInput, match=r"audjpy, eurusd: no row at 2024-08-03 12:00 UTC.*watermark"):
        online.rows(
            connection, ["audjpy", "eurusd"], Month(2024, 8).first_minute + 2 * 1440 + 720, LIGHT, WINDOWS
        )
    with pytest.raises(MissingInput, match="no row at 2024-08-0"):
        online.rows(connection, ["eurusd"], watermark(connection) + 1, LIGHT, WINDOWS)


def test_minutes_behind_the_watermark_have_no_rows(connection: Connection) -> None:
    last = watermark(connection)
    found = online.many(connection, ["eurusd"], last - 3, last + 100, LIGHT, WINDOWS)["eurusd"]
    assert list(found.ts) == list(range(last - 3, last + 1))
    none = online.many(connection, ["eurusd"], last + 1, last + 100, LIGHT, WINDOWS)["eurusd"]
    assert none.features.shape == (0, len(LIGHT))


@pytest.mark.parametrize(
    ("pairs", "columns", "windows", "message"),
    [
        (["eurusx"], LIGHT, WINDOWS, "no pair eurusx"),
        (["eurusd"], ["target__w15_h15"], WINDOWS, "no feature target__w15_h15"),
        (["eurusd"], [LIGHT[0], LIGHT[0]], WINDOWS, "named more often: reg_idx__w30_r2"),
        (["eurusd"], LIGHT, {15: 20}, r"not \[5, 20\]"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(connection, pairs, columns, windows, message) -> None:
    with pytest.raises(BadParameter, match=message):
        online.rows(connection, pairs, MONTHS[1].first_minute, columns, windows)


def test_a_pair_that_was_never_loaded_is_named(changed: Connection) -> None:
    changed.execute("DELETE FROM bqx.baseline_rates WHERE pair = 'eurusd'")
    with pytest.raises(MissingInput, match=r"eurusd: no row in bqx\.baseline_rates"):
        online.rows(changed, ["eurusd"], watermark(changed), LIGHT, WINDOWS)


def test_a_bar_that_cannot_be_is_named(changed: Connection) -> None:
    minute = watermark(changed)
    changed.execute(f"UPDATE bqx.m1_gbpusd SET close = 0 WHERE ts_utc = to_timestamp({minute} * 60)")
    with pytest.raises(MissingInput, match=r"gbpusd .* cannot be used: its close is 0"):
        online.rows(changed, ["eurusd"], minute, ["xpair__usd_factor_level"], WINDOWS)


def test_q_is_given_for_the_windows_that_a_forecast_needs(connection: Connection) -> None:
    found = online.rows(connection, ["eurusd"], watermark(connection), LIGHT, {15: 75, 60: 75, 75: 75})[
        "eurusd"
    ]
    assert sorted(found.q) == [15, 60, 75]
    assert sorted(found.s) == [75]


def test_light_columns_ask_for_no_other_pair_and_few_rows(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = inputs.read_newest

    def counted(connection, what, end):
        asked.append(what)
        return read(connection, what, end)

    monkeypatch.setattr(inputs, "read_newest", counted)
    online.rows(connection, ["eurusd"], watermark(connection), LIGHT, WINDOWS)
    assert [{pair: one.rows < 1600 for pair, one in what.items()} for what in asked] == [{"eurusd": True}]
    needs = needs_of(("xpair__sister1_corr_60",))
    assert set(needs.others("audjpy")) == {"audusd", "euraud", "gbpaud", "usdjpy", "eurjpy"}


def test_needs_know_every_input_of_other_pairs() -> None:
    """A new symbol in the catalogue must be told which pairs it stands for."""
    own = {"S", "H", "L", "b", "r", "db", "q15", "q30", "q45", "q60", "q75"}
    inputs_of_others = {
        symbol
        for name in ("correlation_idx", "correlation_bqx", "xpair")
        for column in FAMILIES[name].columns
        for symbol in column.inputs
    }
    assert inputs_of_others - own == set(_OTHERS)
