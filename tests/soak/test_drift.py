"""False alarms of the drift detector at full size: 28 pairs, 195 columns, nine months of training."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from include.monitoring.drift import LEVEL
from tests.include.monitoring.markets import quiet

pytestmark = pytest.mark.soak


def test_a_thousand_quiet_runs_raise_at_most_one_alarm_in_a_hundred() -> None:
    runs, raised = quiet(11, 50, 20, pairs=28, days=190, columns=195)
    print(f"{raised} of {runs} quiet runs raised an alarm")
    assert runs == 1_000
    assert raised <= binom.ppf(0.99, runs, LEVEL)
