"""What is called too often is throttled, each operation by itself."""

from __future__ import annotations

import pytest

from local.aws import refusals
from local.aws.errors import ServiceError


def test_so_many_calls_of_one_operation_in_any_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("local.aws.refusals.time.monotonic", lambda: now[0])
    throttle = refusals.Throttle(3)

    def passes(operation: str = "DescribeTrainingJob") -> bool:
        try:
            throttle.enter(operation)
        except ServiceError:
            return False
        return True

    assert [passes() for _ in range(4)] == [True, True, True, False]
    assert passes("ListTrainingJobs")
    now[0] += 0.9
    assert not passes()
    now[0] += 0.2
    assert [passes() for _ in range(4)] == [True, True, True, False], "a refused call does not count"
    with pytest.raises(ServiceError, match="ThrottlingException: Rate exceeded"):
        throttle.enter("DescribeTrainingJob")
