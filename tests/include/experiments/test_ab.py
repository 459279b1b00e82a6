"""A/B results from captured answers and what came: a better challenger is found, an equal one is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from include.errors import BadParameter
from include.experiments.ab import result
from include.experiments.sequential import BETTER, OPEN
from include.objects import ObjectStore
from include.serving import online
from include.storage.connection import connect
from include.training.truth.theory import scaled_sd
from local.postgres import Postgres
from tests.include.dataset import worlds as databases
from tests.include.dataset.stores import empty_store
from tests.include.experiments.worlds import END, FIRST, answers, split
from tests.include.retraining import worlds
from tests.include.retraining.worlds import DAY, PAIR, WINDOWS, learn
from tests.include.storage.samples import store


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    with databases.database(postgres) as name:
        store(postgres.url(name), PAIR, worlds.market(35)[PAIR])
        yield postgres.url(name)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with empty_store(tmp_path) as opened:
        yield opened._replace(prefix="")


def test_a_better_challenger_is_found_and_the_gains_are_right(url: str, bucket: ObjectStore) -> None:
    champion, challenger = "a" * 16, "b" * 16
    answers(url, {champion: learn(url, 14, "nothing"), challenger: learn(url, 14)})
    split(bucket, champion, challenger)
    with connect(url) as connection:
        found = result(connection, bucket, PAIR, FIRST, END)
        early = result(connection, bucket, PAIR, FIRST, FIRST + 4 * DAY)
        rows = connection.execute(
            "SELECT extract(epoch FROM ts_utc)::BIGINT / 60, h30_value FROM bqx.captures WHERE version = %s "
            "ORDER BY 1", [challenger],
        ).fetchall()  # fmt: skip
        bars = online.many(connection, [PAIR], FIRST, END, (), WINDOWS)[PAIR]
    assert found.verdict.outcome == BETTER
    assert early.verdict.outcome == OPEN
    assert len(found.days) >= 15
    # The gains of one horizon of one day, recomputed from the rows alone.
    q, s = (dict(zip(bars.ts.tolist(), values[30], strict=True)) for values in (bars.q, bars.s))
    gains = [
        (q[ts + 30] ** 2 - (value - q[ts + 30]) ** 2) / (s[ts] * scaled_sd(30, 30)) ** 2
        for ts, value in rows
        if ts + 30 in q
    ]
    assert np.mean(gains) > 0.02
    mean = np.mean([day.challenger for day in found.days])
    assert 0.3 * np.mean(gains) < mean < 3 * np.mean(gains)


def test_the_same_model_under_two_names_is_not_decided(url: str, bucket: ObjectStore) -> None:
    model = learn(url, 14)
    answers(url, {"a" * 16: model, "b" * 16: model})
    split(bucket, "a" * 16, "b" * 16)
    with connect(url) as connection:
        found = result(connection, bucket, PAIR, FIRST, END)
    assert found.verdict.outcome == OPEN
    assert len(found.days) >= 15


def test_only_a_fair_split_can_be_judged(url: str, bucket: ObjectStore) -> None:
    split(bucket, "a" * 16, "b" * 16, 0.1)
    with connect(url) as connection:
        with pytest.raises(BadParameter, match="answers 10% of the requests"):
            result(connection, bucket, PAIR, FIRST, END)
        with pytest.raises(BadParameter, match="has no challenger"):
            result(connection, bucket, "gbpusd", FIRST, END)


def test_without_answers_there_are_no_days(url: str, bucket: ObjectStore) -> None:
    with connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bqx.captures")
        split(bucket, "a" * 16, "b" * 16)
        assert result(connection, bucket, PAIR, FIRST, END).verdict.days == 0
