"""The monthly bill."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.plan import cost
from include.plan.model import load
from tests.include.plan.drafts import draft


def test_bill_before_and_after() -> None:
    before, after = cost.bill(load().desired)
    assert before == pytest.approx(535, abs=0.5)
    assert after == pytest.approx(286, abs=0.5)
    assert cost.saving(load().desired) == pytest.approx(46.5, abs=0.1)


def test_levers() -> None:
    """30% off inference, a quarter of the monitoring, half of the training hours on spot at 70% off."""
    lines = {amount.line.name: amount for amount in cost.amounts(load().desired)}
    assert lines["Inference"].after == pytest.approx(0.7 * lines["Inference"].before)
    assert lines["Monitoring"].after == pytest.approx(lines["Monitoring"].before / 4)
    assert lines["Training"].after == pytest.approx((149 + 0.3 * 155) / 304 * lines["Training"].before)
    assert lines["Storage"].after == lines["Storage"].before


def test_a_price_changes_the_bill(tmp_path: Path) -> None:
    changed = load(draft(tmp_path, ("cost.yaml", "price: 0.161", "price: 0.23"))).desired
    assert cost.bill(changed)[1] == pytest.approx(285.80925 + 1117 * 0.069)


def test_no_bill_saves_nothing(tmp_path: Path) -> None:
    folder = draft(tmp_path)
    (folder / "cost.yaml").write_text("cost: []\n")
    assert cost.bill(load(folder).desired) == (0, 0)
    assert cost.saving(load(folder).desired) == 0
