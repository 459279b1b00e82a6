"""Data age counts minutes in session, missing features count beside training, and a shift beside no skill."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from include.monitoring.actuals import beside
from include.monitoring.freshness import data_age, missing_features, missing_in_training
from include.monitoring.sessions import whole_days
from include.monitoring.shift import prediction_shift
from include.names import to_minute
from include.storage.connection import connect
from tests.include.dataset.test_profile import some_profile
from tests.include.monitoring.worlds import START, WEEK, forecasts, grid
from tests.include.storage.samples import sample_bars, store

COLUMNS = ("a__x", "a__y")


def minute(*moment: int) -> int:
    return to_minute(datetime(*moment, tzinfo=UTC))  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("as_of", "age"),
    [
        ((2024, 7, 12, 20, 59), 0),  # Friday, New York is four hours behind
        ((2024, 7, 12, 21, 0), 1),
        ((2024, 7, 14, 20, 0), 1),  # nothing is added at the weekend
        ((2024, 7, 14, 21, 20), 21),
    ],
)
def test_the_age_of_the_data_counts_minutes_in_session(
    database_url: str, as_of: tuple[int, ...], age: float
) -> None:
    bars = sample_bars(months=1)
    shift = minute(2024, 7, 12, 20, 58) - int(bars.ts[-1])
    store(database_url, "eurusd", type(bars)(**{**vars(bars), "ts": bars.ts + shift}))
    with connect(database_url) as connection:
        assert data_age(connection, "eurusd", minute(*as_of)).value == age


def test_a_pair_without_bars_has_no_data_age(database_url: str, db: psycopg.Connection) -> None:
    db.execute("CREATE SCHEMA bqx")
    with connect(database_url) as connection:
        reading = data_age(connection, "eurusd", START)
    assert (reading.value, reading.note) == (None, "The pair has no bars.")


def test_what_is_missing_in_training_too_is_no_failure() -> None:
    values = np.ones((1_000, 2))
    values[:20, 0] = np.nan
    usual = np.array([0.02, 0.0])
    assert missing_features("eurusd", COLUMNS, values, usual).value == pytest.approx(0)
    values[:100, 1] = np.nan
    found = missing_features("eurusd", COLUMNS, values, usual)
    assert found.value == pytest.approx((0.0 + 0.1) / 2)
    assert found.note == "a__y is missing in 10.0% of the rows, 0.0% in training."
    assert missing_features("eurusd", COLUMNS, values[:0], usual).value is None
    full = missing_features("eurusd", COLUMNS, np.ones((5, 2)), usual)
    assert full.value == 0.0, "fewer than in training is no failure either"


def test_the_share_of_training_is_weighted_by_rows() -> None:
    profile = some_profile()
    names = (profile.columns[5], profile.columns[2])
    expected = [1 - (10 * profile.known[0, place] + 20 * profile.known[1, place]) / 30 for place in (5, 2)]
    np.testing.assert_allclose(missing_in_training(profile, names), expected)


def test_a_shift_is_that_of_what_the_model_adds_to_no_skill() -> None:
    came = grid(weeks=4)
    window = whole_days(START + 4 * WEEK, 5)
    rows = beside(forecasts(came, noise=0.1), came)
    quiet = prediction_shift("eurusd", rows, window)
    assert quiet.value == pytest.approx(0, abs=0.01), "the no-skill forecast itself wanders by far more"
    inside = (rows.ts >= window.first) & (rows.h == 45)
    moved = rows._replace(prediction=rows.prediction + np.where(inside, -0.07 * rows.s, 0.0))
    found = prediction_shift("eurusd", moved, window)
    assert found.value == pytest.approx(0.07, abs=0.01)
    assert "at 45 minutes" in found.note
    assert found.note.startswith("-0.0")
    plain = -rows.q[rows.h == 45] / rows.s[rows.h == 45]
    inner = inside[rows.h == 45]
    assert abs(plain[inner].mean() - plain[~inner].mean()) > 0.05


def test_a_new_version_has_no_shift_yet() -> None:
    came = grid(weeks=2)
    window = whole_days(START + 2 * WEEK, 5)
    reading = prediction_shift("eurusd", beside(forecasts(came), came), window)
    assert (reading.value, reading.note) == (None, "This version has forecasts of 0 days before it.")
    earlier = whole_days(START + 4 * WEEK, 5)
    reading = prediction_shift("eurusd", beside(forecasts(grid(weeks=3)), grid(weeks=3)), earlier)
    assert reading.note == "This version has no forecasts in the window."
