"""Statistics against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from local.aws.cloudwatch.statistics import SIMPLE, Datum, is_known, value

VALUES = np.random.default_rng(16).lognormal(3.0, 1.0, 500).round(1)


def data(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[Datum]:
    """Each value once, with how often it occurs."""
    known, counts = np.unique(values, return_counts=True)
    pairs = list(zip(known.tolist(), counts.tolist(), strict=True))
    np.random.default_rng(1).shuffle(pairs)
    return [Datum(each, each, count, each * count) for each, count in pairs]


@pytest.mark.parametrize("share", [0, 0.5, 10, 50, 95, 99, 99.9, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 500])
def test_percentiles_are_exact(share: float, count: int) -> None:
    values = VALUES[:count]
    expected = np.percentile(values, share)
    assert value(f"p{share}", data(values)) == pytest.approx(expected, rel=1e-12)


def test_the_simple_statistics() -> None:
    expected = {
        "SampleCount": 500, "Average": VALUES.mean(), "Sum": VALUES.sum(), "Minimum": VALUES.min(),
        "Maximum": VALUES.max(),
    }  # fmt: skip
    assert set(expected) == set(SIMPLE)
    for name, number in expected.items():
        assert value(name, data(VALUES)) == pytest.approx(number, rel=1e-12)


def test_there_is_no_percentile_where_aws_has_none() -> None:
    unknown = Datum(1.0, 2.0, 2.0, 3.0)
    assert value("p50", [unknown]) is None
    assert value("p50", [Datum(-1.0, -1.0, 1.0, -1.0), Datum(5.0, 5.0, 1.0, 5.0)]) is None
    assert value("p50", [Datum(2.0, 2.0, 7.0, 14.0)]) == 2.0  # a set of equal values
    assert value("Average", [unknown]) == 1.5


@pytest.mark.parametrize("name", ["p99", "p0", "p100", "p99.95", "Sum"])
def test_known_statistics(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize("name", ["p101", "p-1", "p", "tm99", "IQM", "sum", "p99.95 "])
def test_unknown_statistics(name: str) -> None:
    assert not is_known(name)
