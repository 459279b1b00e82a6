"""Options are checked before anything starts, and every message names the option."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from include.errors import BadInput, BadParameter
from include.forms import DATASET_PARAMS, ENDPOINT_PARAMS, TRAINING_PARAMS
from include.names import Month
from include.objects import ObjectStore
from include.pairs import PAIRS, USD_MAJORS
from local.options import PROFILES, Glance, Options
from tests.include.dataset.stores import empty_store
from tests.include.market.good_files import good_bars, histdata_lines, write_lines


def folder_of(tmp_path: Path, *pairs: str) -> str:
    for pair in pairs:
        (tmp_path / f"{pair}.parquet").touch()
    return str(tmp_path)


def test_nothing_given_means_the_simulated_market_of_the_demo() -> None:
    options = Options.of({})
    assert options.data is None
    assert options.pairs == PAIRS
    assert (options.first_day, options.end_day) == (PROFILES["demo"].first_day, PROFILES["demo"].end_day)
    assert options.state == Path(".local").absolute()
    assert options.price_side == "bid"
    assert options.workers == 4
    assert options.port is None


def test_empty_means_not_given() -> None:
    assert Options.of({"pairs": "", "port": " ", "data": None}) == Options.of({})


def test_a_folder_of_bars_is_loaded_whole_and_for_the_pairs_it_has(tmp_path: Path) -> None:
    options = Options.of({"data": folder_of(tmp_path, "gbpusd", "EURUSD")})
    assert options.pairs == ("eurusd", "gbpusd")
    assert (options.first_day, options.end_day) == (None, None)
    assert options.price_side == "unknown"


def test_crosses_follow_from_dollar_legs(tmp_path: Path) -> None:
    options = Options.of({"data": folder_of(tmp_path, *USD_MAJORS), "crosses": "derive"})
    assert options.pairs == PAIRS


def test_pairs_are_put_in_order_whatever_their_spelling() -> None:
    assert Options.of({"pairs": "USD/JPY, eurusd"}).pairs == ("eurusd", "usdjpy")


def test_conf_is_what_the_pipeline_asks_for(tmp_path: Path) -> None:
    conf = Options.of({"from": "2024-07-02", "to": "2024-07-05", "pairs": "eurusd"}).conf(tmp_path)
    assert conf["source"] == str(tmp_path)
    assert conf["pairs"] == ["eurusd"]
    assert (conf["first_day"], conf["end_day"]) == ("2024-07-02", "2024-07-05")


def test_the_profile_sets_the_sizes_of_the_data_set(tmp_path: Path) -> None:
    small, full = (Options.of({"profile": name}).conf(tmp_path) for name in ("demo", "full"))
    sizes = {name: small[name] for name in set(small) - set(full)}
    assert (sizes["sample_rows"], sizes["trees"], sizes["max_folds"]) == (1_500, 10, 3)
    for name, size in sizes.items():
        schema = (DATASET_PARAMS | TRAINING_PARAMS | ENDPOINT_PARAMS)[name]
        if isinstance(size, list):
            assert set(size) < set(schema["default"]), name
        else:
            assert schema["minimum"] <= size < schema["default"], name


def test_simulated_markets_of_other_days_are_kept_apart(tmp_path: Path) -> None:
    one, other = Options.of({"from": "2024-07-02"}), Options.of({"from": "2024-07-03"})
    assert one.market(tmp_path) != other.market(tmp_path)


def test_sizes_are_told() -> None:
    assert (
        Options.of({"pairs": "eurusd"}).sizes
        == "profile demo, 1 pairs, 2024-07-01 up to 2024-08-01, 4 workers, samples of 1,500 rows, 10 trees; "
        "models of 10 trees and 15 rounds, every 15th row"
    )
    assert "samples of 5,000 rows, 100 trees" in Options.of({"profile": "full"}).sizes
    assert Options.of({"profile": "full"}).sizes.endswith(
        "models of 200 trees and 500 rounds, every 15th row"
    )


def test_full_is_larger_than_demo() -> None:
    def length(profile: str) -> int:
        options = Options.of({"profile": profile})
        assert options.first_day
        assert options.end_day
        return (options.end_day - options.first_day).days

    assert length("full") > 3 * length("demo")


def test_to_itself_is_not_loaded() -> None:
    with pytest.raises(BadParameter, match="TO itself is not loaded"):
        Options.of({"from": "2024-07-02", "to": "2024-07-02"})
    assert Options.of({"from": "2024-07-02", "to": "2024-07-04"}).end_day == date(2024, 7, 4)
    with pytest.raises(BadParameter, match="is 1 day; a training set needs 2 or more"):
        Options.of({"from": "2024-07-02", "to": "2024-07-03"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pairs": "eurusd,eurxyz"}, "PAIRS=eurusd,eurxyz: eurxyz is not among audcad"),
        ({"pairs": ","}, "PAIRS=,: nothing"),
        ({"from": "1.7.2024"}, "FROM=1.7.2024 is not a day; write it as yyyy-mm-dd"),
        ({"to": "2024-02-30"}, "TO=2024-02-30 is not a day"),
        ({"crosses": "yes"}, "CROSSES=yes: choose none or derive"),
        ({"profile": "huge"}, "PROFILE=huge: choose demo or full"),
        ({"price_side": "last"}, "PRICE_SIDE=last"),
        ({"workers": "0"}, "WORKERS=0: give a whole number from 1 to 64"),
        ({"workers": "four"}, "WORKERS=four"),
        ({"port": "80"}, "PORT=80: give a whole number from 1024 to 65535"),
        ({"data": "/no/such/folder"}, "DATA=/no/such/folder is not a folder"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(given: dict[str, str | None], message: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        Options.of(given)
    assert message in str(refusal.value)


def test_pairs_without_bars_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"no bars of usdjpy, only of eurusd.*CROSSES=derive"):
        Options.of({"data": folder_of(tmp_path, "eurusd"), "pairs": "eurusd,usdjpy"})


def test_a_pair_that_is_not_read_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "USDJPYT.csv").touch()
    told = r"no bars of usdjpy, .*USDJPYT\.csv is not read: it names usdjpy inside a longer word"
    with pytest.raises(BadParameter, match=told):
        Options.of({"data": folder_of(tmp_path, "eurusd"), "pairs": "eurusd,usdjpy"})


def test_the_bars_of_a_folder_are_looked_at(tmp_path: Path) -> None:
    given: dict[str, str | None] = {"data": str(tmp_path)}
    write_lines(tmp_path / "eurusd.csv", histdata_lines(good_bars()))
    (tmp_path / "gbpusd.xlsx").touch()
    with pytest.raises(BadInput, match=r"\[timezone-undeclared\]"):
        Options.of(given).glance()
    told = Options.of(given | {"timezone": "histdata"}).glance()
    assert list(told.left_out) == ["gbpusd.xlsx"]
    assert told.first_day == date(2024, 7, 3)
    assert Options.of({}).glance() == Glance()


def test_legacy_tables_are_simulated_in_months_of_the_bars_and_only_if_asked_for(tmp_path: Path) -> None:
    data: dict[str, str | None] = {"data": folder_of(tmp_path, "eurusd")}
    day = date(2018, 3, 5)
    assert Options.of({}).legacy_months(None) == (Month(2024, 6), Month(2024, 7))
    assert Options.of({"legacy": "none"}).legacy_months(None) == ()
    assert Options.of(data).legacy_months(day) == ()
    asked = data | {"legacy": "demo"}
    assert Options.of(asked).legacy_months(day) == (Month(2018, 3),)
    assert Options.of(asked | {"from": "2018-01-01"}).legacy_months(day) == (Month(2018, 3),)
    assert Options.of(asked | {"from": "2018-05-02"}).legacy_months(day) == (Month(2018, 5),)
    with pytest.raises(BadParameter, match="LEGACY=yes: choose none or demo"):
        Options.of({"legacy": "yes"})


def test_a_folder_without_bars_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file is named after a pair"):
        Options.of({"data": str(tmp_path)})


def test_bars_of_a_bucket_are_looked_at_once_the_stack_is_up(tmp_path: Path) -> None:
    given: dict[str, str | None] = {"data": "s3://bqx/bars", "crosses": "derive"}
    options = Options.of(given)
    assert (options.data, options.pairs, options.first_day) == ("s3://bqx/bars", PAIRS, None)
    assert options.conf("s3://bqx/bars")["source"] == "s3://bqx/bars"
    with empty_store(tmp_path) as store:
        place = store._replace(prefix="bars")
        for pair in ("eurusd", "usdjpy"):
            place.put(place.key(f"{pair}.csv"), b"x")
        asked: list[str] = []

        def opened(address: str) -> ObjectStore:
            asked.append(address)
            return place

        assert options.located(opened).pairs == ("eurjpy", "eurusd", "usdjpy")
        assert asked == ["s3://bqx/bars"]
        named = Options.of(given | {"pairs": "eurjpy"})
        assert named.located(opened).pairs == ("eurjpy",)
        with pytest.raises(BadParameter, match="DATA gives no bars of gbpusd"):
            Options.of(given | {"pairs": "gbpusd"}).located(opened)
    assert Options.of({}).located(opened) == Options.of({})


def test_an_address_without_a_bucket_is_refused() -> None:
    with pytest.raises(BadParameter, match="names no bucket"):
        Options.of({"data": "s3:///bars"})
