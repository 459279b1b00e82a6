"""A retraining waits until nothing works beside it."""

from __future__ import annotations

import pytest
from bqx.operators import quiet
from bqx.operators.quiet import QuietSensor


def test_it_waits_for_running_runs_without_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = ["bqx_load"]
    monkeypatch.setattr(quiet, "at_work", lambda dag_ids: [each for each in dag_ids if each in busy])
    sensor = QuietSensor(task_id="quiet", dag_ids=("bqx_load", "bqx_train"))
    assert sensor.mode == "reschedule"
    assert not sensor.poke({})
    busy.clear()
    assert sensor.poke({})
