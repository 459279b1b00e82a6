"""A day in the table of predictions is what the endpoint answers, and it is replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.errors import BadParameter, NothingToDo, QualityError
from include.names import Month
from include.objects import ObjectStore
from include.serving import archives, batch, online, routing
from include.serving.container import inference, wire
from include.serving.routing import Route, Target
from include.storage.connection import connect
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.stores import empty_store
from tests.include.serving.markets import WINDOWS, broken_market
from tests.include.storage.samples import store
from tests.versions import HORIZONS, Version, version

COLUMNS = (
    "lag__return_lag_1", "technical_idx__rsi_14", "volume_idx__volume_z_20", "xpair__tri_resid_z_20",
    "time__session_hour", "correlation_idx__corr_eur_usd_60",
)  # fmt: skip
LOADED = ("audjpy", "audusd", "eurusd", "gbpusd", "nzdusd", "usdcad", "usdchf", "usdjpy", "eurgbp")
PAIR, DAY, WEEKEND, LAST = "eurusd", "2024-08-01", "2024-08-03", "2024-08-07"
ASKED = {"pairs": [PAIR, "audjpy", "gbpusd"], "day": DAY}
FIRST = Month(2024, 8).first_minute


@pytest.fixture(scope="module")
def market(postgres: Postgres) -> Iterator[str]:
    """Name of a database with the bars of three weeks."""
    with worlds.database(postgres) as name:
        for pair, bars in broken_market().items():
            if pair in LOADED:
                store(postgres.url(name), pair, bars)
        yield name


@pytest.fixture
def url(market: str, postgres: Postgres) -> Iterator[str]:
    with worlds.database(postgres, market) as name:
        yield postgres.url(name)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    """Models of two pairs are deployed."""
    with empty_store(tmp_path) as opened:
        whole = opened._replace(prefix="")
        for pair in (PAIR, "audjpy"):
            deploy(whole, made(pair))
        yield whole


def made(pair: str = PAIR, seed: int = 1) -> Version:
    return version(pair, seed, names=COLUMNS)


def deploy(bucket: ObjectStore, known: Version) -> None:
    bucket.put(archives.key_of(known.target), known.archive)
    target = Target(known.name, known.target, known.feature_hash, "decisions/x.json", tuple(WINDOWS.items()))
    columns = {known.feature_hash: list(known.columns)}
    routing.publish(
        bucket, lambda now: routing.assign(now, {known.pair: Route(target)}, columns, "bqx"), "test", "run"
    )


def predict(url: str, bucket: ObjectStore, pair: str = PAIR, **params: Any) -> dict[str, Any]:
    return batch.predict(url, bucket, batch.plan(url, bucket, ASKED | params, "last_bar"), pair)


def table(url: str, pair: str = PAIR, where: str = "true") -> list[dict[str, Any]]:
    with connect(url) as connection:
        found = connection.execute(f"SELECT * FROM bqx.predictions_{pair} WHERE {where} ORDER BY ts_utc")
        assert found.description is not None
        names = [column.name for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]


def test_the_plan_is_the_last_full_day_of_the_data(url: str, bucket: ObjectStore) -> None:
    planned = batch.plan(url, bucket, ASKED | {"day": None}, "last_bar")
    assert (planned["day"], planned["as_of"][:16]) == ("2024-08-07", "2024-08-08T00:00")
    assert {pair: each["version"] for pair, each in planned["models"].items()} == {
        pair: made(pair).name for pair in (PAIR, "audjpy")
    }
    assert planned["without_model"] == ["gbpusd"]
    assert batch.select(planned, dry_run=False) == [PAIR, "audjpy"]
    assert batch.select(planned, dry_run=True) == []


def test_a_day_that_has_not_begun_is_refused(url: str, bucket: ObjectStore) -> None:
    with pytest.raises(BadParameter, match="2024-08-08 has not begun at 2024-08-08 00:00 UTC"):
        batch.plan(url, bucket, ASKED | {"day": "2024-08-08"}, "last_bar")


def test_nothing_is_done_before_a_model_is_deployed(url: str, bucket: ObjectStore) -> None:
    with pytest.raises(NothingToDo, match="bqx_deploy"):
        batch.plan(url, bucket, ASKED | {"pairs": ["gbpusd"]}, "last_bar")


def test_every_minute_of_the_day_is_what_the_endpoint_answers(
    url: str, bucket: ObjectStore, tmp_path: Path
) -> None:
    said = predict(url, bucket)
    written = table(url)
    assert said["rows"] == len(written) > 1300
    assert said["rows"] > said["forecast"] > 700
    loaded = inference.load(made().write(tmp_path / "model"))
    with connect(url) as connection:
        rows = online.many(connection, [PAIR], FIRST, FIRST + 1440, COLUMNS, WINDOWS)[PAIR]
    assert [int(row["ts_utc"].timestamp()) // 60 for row in written] == list(rows.ts)
    for place, row in enumerate(written):
        one = slice(place, place + 1)
        asked = wire.request(made().name, made().feature_hash, wire.Rows(
            rows.ts[one], rows.features[one],
            *({w: values[one] for w, values in each.items()} for each in (rows.q, rows.s)),
        ))  # fmt: skip
        if row["h15_value"] is None:
            with pytest.raises(wire.Refused, match="missing_value"):
                inference.answer(loaded, wire.read_request(asked))
            assert [row[f"h{h}_value"] for h in HORIZONS] == [None] * 5
            continue
        for horizon in inference.answer(loaded, wire.read_request(asked)).horizons:
            told = [row[f"h{horizon.minutes}_{name}"] for name in ("window", "value", "low", "high")]
            assert told == [horizon.window, *(values[0] for values in horizon.raw)]
        assert row["version"] == made().name
        assert row["as_of"].isoformat()[:16] == "2024-08-08T00:00"


def test_a_minute_without_an_input_is_there_without_a_forecast(url: str, bucket: ObjectStore) -> None:
    said = predict(url, bucket, day="2024-07-18")  # the first day: s needs 1,440 changes
    written = table(url)
    assert (said["rows"], said["forecast"]) == (len(written), 0)
    assert {row["h15_value"] for row in written} == {None}
    said = predict(url, bucket, day="2024-07-19")
    known = [row["h75_high"] is not None for row in table(url, where="ts_utc >= '2024-07-19'")]
    assert 0 < said["forecast"] == sum(known) < said["rows"] == len(known)


def test_a_day_is_replaced_and_the_rest_of_the_month_stays(url: str, bucket: ObjectStore) -> None:
    predict(url, bucket)
    first = table(url)
    predict(url, bucket)
    assert table(url) == first
    predict(url, bucket, day="2024-08-02")
    deploy(bucket, made(seed=2))
    predict(url, bucket)
    untouched, replaced = (table(url, where=f"ts_utc {part} '2024-08-02'") for part in (">=", "<"))
    assert {row["version"] for row in untouched} == {made().name}
    assert {row["version"] for row in replaced} == {made(seed=2).name}
    assert [row["ts_utc"] for row in replaced] == [row["ts_utc"] for row in first]
    assert {row["h15_value"] for row in replaced} & {row["h15_value"] for row in first} == {None}


def test_the_end_of_the_data_ends_the_day(url: str, bucket: ObjectStore) -> None:
    with connect(url) as connection:
        connection.execute("UPDATE bqx.loads SET watermark = '2024-08-07 20:59+00'")
    said = predict(url, bucket, day=LAST)
    last = table(url)[-1]["ts_utc"]
    assert (last.hour, last.minute) == (20, 59)
    assert said["rows"] == len(table(url))


def test_a_day_without_bars_has_no_rows_and_loses_those_it_had(url: str, bucket: ObjectStore) -> None:
    assert predict(url, bucket, day=WEEKEND)["rows"] == 0
    assert table(url) == []
    predict(url, bucket)
    with connect(url) as connection:
        connection.execute(
            f"DELETE FROM bqx.m1_{PAIR} WHERE ts_utc >= '2024-07-31' AND ts_utc < '2024-08-02'"
        )
    assert predict(url, bucket)["rows"] == 0
    assert table(url) == []


def test_an_archive_that_is_not_what_was_deployed_is_refused(url: str, bucket: ObjectStore) -> None:
    planned = batch.plan(url, bucket, ASKED, "last_bar")
    bucket.put(archives.key_of(made().target), made(seed=3).archive)  # whole, but another version
    with pytest.raises(QualityError, match=f"the routing table names .*{made().name}"):
        batch.predict(url, bucket, planned, PAIR)
    with connect(url) as connection:
        assert connection.execute("SELECT to_regclass('bqx.predictions_eurusd')").fetchone() == (None,)


def test_unknown_features_are_not_guessed() -> None:
    """A row with a NULL in any of what the model reads is no row to forecast."""
    some = np.ones(3)
    rows = online.Rows(PAIR, np.arange(3), np.ones((3, 2)), {15: some.copy()}, {15: some.copy()})
    rows.features[0, 1] = np.nan
    rows.s[15][1] = 0.0
    assert list(batch.known(rows)) == [False, False, True]
