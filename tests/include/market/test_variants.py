"""However bars are written, they are read as their plain twin, or refused with a remedy that works."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings

from include.errors import BadInput
from include.features.bars import Bars
from include.market.file_source import FileSource
from include.market.problems import PROBLEMS
from include.market.request import LoadRequest
from tests.include.market.variants import Variant, variants


def load(folder: Path, pair: str, timezone: str | None) -> Bars:
    source = FileSource(LoadRequest(str(folder), pairs=(pair,), timezone=timezone))
    source.check()
    return source.everything(pair)


def follow(refusal: BadInput, variant: Variant, folder: Path, declared: dict[str, str]) -> None:
    """Do what the message says, with what the writer of the file knows.

    A file of doubt is named by a line of ``bars.yaml`` that the message shows; its value is a proposal.
    """
    line = str(refusal).partition("A line of bars.yaml for it: ")[2].rpartition(" [")[0]
    pattern, _, proposal = line.rpartition(": {")
    key = proposal.partition(":")[0]
    assert refusal.code in ("spread-unit-unknown", "spread-implausible", "timezone-doubtful"), refusal
    assert key in variant.truth, refusal
    said = declared.get(pattern, "")
    assert f"{key}:" not in said, f"the remedy was followed and did not help: {refusal}"
    declared[pattern] = ", ".join(part for part in (said, f"{key}: {variant.truth[key]}") if part)
    text = "".join(f"{pattern}: {{{said}}}\n" for pattern, said in declared.items())
    (folder / "bars.yaml").write_text(text, encoding="utf-8")


def assert_same(found: Bars, twin: Bars) -> None:
    for name in ("ts", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(found, name), getattr(twin, name), err_msg=name)
    np.testing.assert_allclose(found.spread, twin.spread, rtol=1e-9)


@given(variant=variants())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_file_is_read_as_its_plain_twin_or_refused_with_a_remedy_that_works(variant: Variant) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variant.write(folder)
        timezone = None if variant.states_utc else variant.clock
        declared: dict[str, str] = {}
        for _ in range(5):
            try:
                found = load(folder, variant.pair, timezone)
            except BadInput as refusal:
                event(refusal.code)
                follow(refusal, variant, folder, declared)
            else:
                assert_same(found, variant.bars)
                event("read")
                return
        pytest.fail("the remedies lead in a circle")


@given(variant=variants())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_clock_that_nobody_says_is_asked_for(variant: Variant) -> None:
    if variant.states_utc:
        return
    with tempfile.TemporaryDirectory() as name:
        variant.write(Path(name))
        with pytest.raises(BadInput) as refusal:
            load(Path(name), variant.pair, None)
    assert refusal.value.code == "timezone-undeclared"
    assert PROBLEMS["timezone-undeclared"].remedy in str(refusal.value)
