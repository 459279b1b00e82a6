"""The closed forms, against the tables of the specification and against simulated prices."""

from __future__ import annotations

import numpy as np
import pytest

from include.training.truth import theory
from tests.include.training.truth.jobs import HORIZONS

R2_RAW = {
    15: (0, 0, 0, 0, 0), 30: (0.1311, 0, 0, 0, 0), 45: (0.3012, 0.0395, 0, 0, 0),
    60: (0.4253, 0.1281, 0.0168, 0, 0), 75: (0.5145, 0.2189, 0.0659, 0.0086, 0),
}  # fmt: skip
R2_DELTA = {
    15: (0.5, 0.5, 0.5, 0.5, 0.5), 30: (0.3597, 0.5, 0.5, 0.5, 0.5), 45: (0.2670, 0.4322, 0.5, 0.5, 0.5),
    60: (0.2113, 0.3616, 0.4598, 0.5, 0.5), 75: (0.1747, 0.3083, 0.4075, 0.4733, 0.5),
}  # fmt: skip
DA = {
    15: (75.0, 75.0, 75.0, 75.0, 75.0), 30: (70.5, 75.0, 75.0, 75.0, 75.0),
    45: (67.3, 72.8, 75.0, 75.0, 75.0), 60: (65.2, 70.5, 73.7, 75.0, 75.0),
    75: (63.7, 68.7, 72.0, 74.2, 75.0),
}  # fmt: skip
VIF = {
    15: (7.3, 7.3, 7.3, 7.3, 7.3), 30: (9.6, 14.4, 14.4, 14.4, 14.4), 45: (9.8, 18.0, 21.5, 21.5, 21.5),
    60: (9.9, 19.1, 25.9, 28.5, 28.5), 75: (10.0, 19.5, 27.7, 33.5, 35.6),
}  # fmt: skip


@pytest.mark.parametrize("w", HORIZONS)
def test_the_tables_of_the_specification(w: int) -> None:
    assert [theory.r2_raw(w, h) for h in HORIZONS] == pytest.approx(R2_RAW[w], abs=5e-5)
    assert [theory.r2_delta(w, h) for h in HORIZONS] == pytest.approx(R2_DELTA[w], abs=5e-5)
    accuracy = [100 * theory.directional_accuracy(theory.r2_delta(w, h)) for h in HORIZONS]
    assert accuracy == pytest.approx(DA[w], abs=0.051)
    assert [theory.inflation(w, h) for h in HORIZONS] == pytest.approx(VIF[w], abs=0.051)


def test_the_spread_of_the_scaled_target() -> None:
    spread = [theory.scaled_sd(h, h) for h in HORIZONS]
    assert spread == pytest.approx([3.21, 4.51, 5.51, 6.35, 7.09], abs=0.006)


@pytest.mark.parametrize(("w", "h"), [(15, 15), (75, 15), (75, 75)])
def test_the_inflation_is_that_of_simulated_errors(w: int, h: int) -> None:
    steps = np.random.default_rng(5).standard_normal(400_000)
    error = np.convolve(steps, [w - j for j in range(min(w, h))], "valid") ** 2
    blocks = error[: error.size // 2_000 * 2_000].reshape(-1, 2_000).mean(axis=1)
    assert blocks.var() * 2_000 / error.var() == pytest.approx(theory.inflation(w, h), rel=0.25)
