"""Moving averages by hand and against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.features import averages, engine
from tests.include.features.markets import series_of


def test_values_by_hand():
    columns = averages.compute(series_of(np.array([100.0, 103.0, 100.0, 106.0, 101.0, 107.0])), "shared")
    assert columns["sma_5"].tolist()[4:] == pytest.approx([102.0, 103.4], rel=1e-15)
    assert columns["ema_5"].tolist() == pytest.approx(  # alpha 1/3
        [100, 101, 302 / 3, 922 / 9, 2753 / 27, 8395 / 81], rel=1e-14
    )


def test_the_first_outputs_are_hidden_not_restarted():
    close = 100 + np.cumsum(np.random.default_rng(1).normal(0, 0.1, 40))
    columns = engine.compute("ma", series_of(close))
    assert np.isnan(columns["ema_20"][:19]).all()
    expected = pd.Series(close).ewm(span=20, adjust=False).mean().to_numpy()
    np.testing.assert_allclose(columns["ema_20"][19:], expected[19:], rtol=1e-13)


def test_the_average_of_bqx_starts_with_the_first_bqx():
    close = np.concatenate([np.full(15, 100.0), np.full(10, 101.0)])
    series = series_of(close)
    columns = averages.compute(series, "shared")
    assert columns["bqx_ema_5"][15] == series.b[15] == pytest.approx(-15 / 101)
    assert columns["bqx_sma_5"][19] == pytest.approx(series.b[15:20].mean(), rel=1e-14)
    assert np.isnan(columns["bqx_ema_200"][:15]).all()
