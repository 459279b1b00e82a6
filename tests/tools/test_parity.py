"""The comparison of a day with the endpoint finds what differs, and finds nothing where nothing does."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from include.objects import ObjectStore
from include.serving import routing
from include.serving.container import inference, wire
from include.serving.routing import Target
from include.storage.connection import connect
from tests.include.serving.test_batch import FIRST, PAIR, bucket, made, market, predict, url
from tools import parity

__all__ = ["bucket", "market", "url"]  # fixtures


class Here(parity.Endpoint):
    """The endpoint's code in this process; `client` is the model."""

    def ask(self, target: Target, rows: wire.Rows) -> list[float]:
        body = wire.request(target.version, target.feature_hash, rows)
        told = inference.answer(self.client, wire.read_request(body))
        return [float(values[0]) for horizon in told.horizons for values in horizon.raw]


@pytest.fixture
def endpoint(tmp_path: Path) -> Here:
    return Here(inference.load(made().write(tmp_path / "model")), "bqx")


def compared(url: str, bucket: ObjectStore, endpoint: Here) -> parity.Compared:
    with connect(url) as connection:
        return parity.compare(connection, endpoint, routing.read(bucket), PAIR, FIRST)


def test_a_day_as_it_was_written_is_what_the_endpoint_answers(
    url: str, bucket: ObjectStore, endpoint: Here
) -> None:
    said = predict(url, bucket)
    found = compared(url, bucket, endpoint)
    assert (found.minutes, found.absent) == (said["forecast"], 0)
    assert found.largest <= 1e-12


LARGEST = "h15_value = (SELECT max(h15_value) FROM {})"
FIRST_EMPTY = "ts_utc = (SELECT min(ts_utc) FROM {} WHERE h15_value IS NULL)"


@pytest.mark.parametrize(
    ("change", "largest", "absent"),
    [
        (f"UPDATE {{}} SET h30_low = h30_low * (1 + 1e-7) WHERE {LARGEST}", 1e-7, 0),
        (f"DELETE FROM {{}} WHERE {LARGEST}", math.inf, 0),
        (f"UPDATE {{}} SET h15_value = 1 WHERE {FIRST_EMPTY}", 0, 1),
    ],
)
def test_what_differs_is_found(
    url: str, bucket: ObjectStore, endpoint: Here, change: str, largest: float, absent: int
) -> None:
    predict(url, bucket)
    with connect(url) as connection:
        connection.execute(change.replace("{}", f"bqx.predictions_{PAIR}"))
    found = compared(url, bucket, endpoint)
    assert found.largest == pytest.approx(largest, rel=1e-3, abs=1e-12)
    assert found.absent == absent
