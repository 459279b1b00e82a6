"""The synthetic market: what must hold exactly, and what only statistics can show."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from include.errors import BadParameter
from include.features.bars import Bars
from include.market import readers, synthetic
from include.market import synthetic_model as model
from include.market.levels import tick_size
from include.market.synthetic_currencies import decayed_sum
from include.market.timezones import WEEK_CLOSE, week_clock
from include.names import Month, to_minute
from include.pairs import PAIRS, triangle

JULY, SEPTEMBER = Month(2024, 7).first_minute, Month(2024, 9).first_minute
DAY = 1440
SEED, SIGNAL = 7, 0.3
COLUMNS = ("ts", "open", "high", "low", "close", "volume", "spread")
FEW = ("eurusd", "usdjpy", "gbpnzd", "cadchf")


@pytest.fixture(scope="module")
def market() -> dict[str, Bars]:
    """Two months of all pairs without a signal."""
    return synthetic.simulate(JULY, SEPTEMBER, SEED)


@pytest.fixture(scope="module")
def planted() -> dict[str, Bars]:
    return synthetic.simulate(JULY, SEPTEMBER, SEED, SIGNAL, FEW)


def same(one: Bars, other: Bars) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


def log_grid(bars: Bars) -> np.ndarray:
    """Log close of every calendar minute, NaN without a bar."""
    grid = np.full(int(bars.ts[-1] - bars.ts[0]) + 1, np.nan)
    grid[bars.ts - bars.ts[0]] = np.log(bars.close)
    return grid


def t_value(x: np.ndarray, y: np.ndarray) -> float:
    """Of the slope of y on x through zero, robust against changing volatility."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    return float(np.sum(x * y) / np.sqrt(np.sum(x**2 * y**2)))


# Determinism


def test_same_seed_gives_the_same_bars_and_another_seed_does_not() -> None:
    once, again, other = (synthetic.simulate(JULY, JULY + DAY, seed, pairs=["eurusd"]) for seed in (1, 1, 2))
    assert same(once["eurusd"], again["eurusd"])
    assert not same(once["eurusd"], other["eurusd"])


def test_a_pair_does_not_depend_on_the_pairs_asked_for(market: dict[str, Bars]) -> None:
    alone = synthetic.simulate(JULY, SEPTEMBER, SEED, pairs=["gbpnzd"])
    assert list(alone) == ["gbpnzd"]
    assert same(alone["gbpnzd"], market["gbpnzd"])


@pytest.mark.parametrize("signal", [0.0, SIGNAL])
def test_a_later_end_only_adds_bars(signal: float, market: dict[str, Bars], planted: dict[str, Bars]) -> None:
    middle = JULY + 17 * DAY + 777
    short = synthetic.simulate(JULY, middle, SEED, signal, ["eurusd", "usdjpy"])
    long = planted if signal else market
    for pair, bars in short.items():
        assert same(bars, long[pair].slice(JULY, middle))


def test_files_are_the_same_bytes(tmp_path: Path) -> None:
    arguments = ["--from", "2024-07-01", "--to", "2024-07-03", "--seed", "5", "--pairs", "eurusd,audjpy"]
    for folder in ("one", "two"):
        synthetic.main(["--out", str(tmp_path / folder), *arguments])
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["audjpy.parquet", "eurusd.parquet", "market.json"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


# Structure


def test_all_pairs_have_whole_bars(market: dict[str, Bars]) -> None:
    assert tuple(market) == PAIRS
    for pair, bars in market.items():
        prices = np.stack([bars.open, bars.high, bars.low, bars.close])
        assert (prices.max(axis=0) == bars.high).all()
        assert (prices.min(axis=0) == bars.low).all()
        ticks = prices / tick_size(pair)
        assert np.abs(ticks - np.rint(ticks)).max() < 1e-6
        assert (bars.volume >= 1).all()
        assert (bars.volume == np.rint(bars.volume)).all()
        assert (bars.spread >= 0).all()
        assert np.median(bars.spread) > 0


def test_triangles_hold_within_a_spread(market: dict[str, Bars]) -> None:
    for pair in PAIRS:
        parts = [market[pair], *(market[leg.pair] for leg in triangle(pair))]
        minutes = np.intersect1d(np.intersect1d(parts[0].ts, parts[1].ts), parts[2].ts)
        logs = [np.log(part.close[np.searchsorted(part.ts, minutes)]) for part in parts]
        first, second = triangle(pair)
        error = np.abs(logs[0] - first.sign * logs[1] - second.sign * logs[2])
        assert error.max() < np.median(market[pair].spread / market[pair].close)
        ticks = [tick_size(name) / market[name].close.min() for name in (pair, first.pair, second.pair)]
        assert error.max() <= 0.5001 * sum(ticks), "nothing but rounding"


def test_market_is_closed_on_weekends_and_holidays() -> None:
    december = synthetic.simulate(
        Month(2024, 12).first_minute, Month(2025, 1).first_minute, 1, pairs=["eurusd"]
    )
    ts = december["eurusd"].ts
    assert (week_clock(ts) < WEEK_CLOSE).all()
    christmas = [to_minute(datetime(2024, 12, day, 22, tzinfo=UTC)) for day in (24, 25)]
    assert not ((ts >= christmas[0]) & (ts < christmas[1])).any()
    assert ((ts >= christmas[0] - 60) & (ts < christmas[0])).sum() > 50


@pytest.mark.parametrize(
    ("day", "hour"), [("2024-03-03", 22), ("2024-03-10", 21), ("2024-10-27", 21), ("2024-11-03", 22)]
)
def test_week_opens_at_17_in_new_york(day: str, hour: int) -> None:
    sunday = to_minute(datetime.fromisoformat(day).replace(tzinfo=UTC))
    bars = synthetic.simulate(sunday, sunday + DAY, 1, pairs=["eurusd"])["eurusd"]
    assert 0 <= bars.ts[0] - sunday - hour * 60 < 15


def test_minutes_are_missing_mostly_after_new_york_and_in_outages(market: dict[str, Bars]) -> None:
    grid = model.open_minutes(JULY, SEPTEMBER)
    quiet = model.is_rollover(grid)
    for bars in market.values():
        missing = ~np.isin(grid, bars.ts)
        assert 0.005 < missing.mean() < 0.05
        assert missing[quiet].mean() > 5 * missing[~quiet].mean()
    gaps = np.concatenate([np.diff(bars.ts) for bars in market.values()])
    assert ((gaps > 10) & (gaps < 300)).sum() > 28, "outages"


def test_readers_accept_the_files(tmp_path: Path, market: dict[str, Bars]) -> None:
    paths = synthetic.write_market(tmp_path / "m", JULY, SEPTEMBER, SEED, pairs=FEW)
    found = readers.find_files(tmp_path / "m", PAIRS)
    assert [path for paths_of_pair in found.values() for path in paths_of_pair] == paths
    for pair, files in found.items():
        read = readers.read_pair(files, pair, timezone=None, now=datetime.now(UTC))
        assert same(read, market[pair])
    assert pq.read_schema(paths[0]).field("ts_utc").type.tz == "UTC"
    parameters = json.loads((tmp_path / "m" / "market.json").read_text())
    assert parameters["seed"] == SEED
    assert parameters["signal"] == 0.0
    assert parameters["price_side"] == "bid"
    assert parameters["from"] == "2024-07-01T00:00:00+00:00"


# Statistics


def test_returns_are_a_martingale(market: dict[str, Bars]) -> None:
    """No autocorrelation and no mean beyond four standard errors, in any pair."""
    for pair, bars in market.items():
        returns = np.diff(log_grid(bars))
        for lag in (1, 2, 3, 5, 15, 60):
            assert abs(t_value(returns[:-lag], returns[lag:])) < 4, (pair, lag)
        past = log_grid(bars)[29:-1] - log_grid(bars)[:-30]
        assert abs(t_value(past, returns[29:])) < 4, pair
        assert abs(t_value(np.ones(len(returns)), returns)) < 4, pair


def test_planted_signal_is_found_with_its_size(planted: dict[str, Bars]) -> None:
    """The next return regressed on the mean return of the last 30 minutes has slope `SIGNAL`."""
    for pair, bars in planted.items():
        grid = log_grid(bars)
        mean, following = (grid[30:-1] - grid[:-31]) / 30, np.diff(grid[30:])
        assert t_value(mean, following) > 6, pair
        known = np.isfinite(mean) & np.isfinite(following)
        slope = np.sum(mean[known] * following[known]) / np.sum(mean[known] ** 2)
        assert slope == pytest.approx(SIGNAL, abs=0.15), pair


def test_negative_signal_reverts() -> None:
    bars = synthetic.simulate(JULY, SEPTEMBER, SEED, -SIGNAL, ["eurusd"])["eurusd"]
    grid = log_grid(bars)
    assert t_value(grid[30:-1] - grid[:-31], np.diff(grid[30:])) < -6


def test_volatility_clusters_follows_the_day_and_has_fat_tails(market: dict[str, Bars]) -> None:
    for pair, bars in market.items():
        returns = np.diff(np.log(bars.close))
        one = np.diff(bars.ts) == 1
        size = np.abs(returns)
        for lag in (1, 10):
            both = one[lag:] & one[:-lag]
            assert np.corrcoef(size[lag:][both], size[:-lag][both])[0, 1] > 0.1, (pair, lag)
        assert np.mean(returns[one] ** 4) / np.mean(returns[one] ** 2) ** 2 > 6
        hour = bars.ts[1:] // 60 % 24
        assert size[one & (hour == 14)].mean() > 1.3 * size[one & (hour == 3)].mean()
        assert np.corrcoef(bars.volume[1:][one], size[one])[0, 1] > 0.3
        assert 0.5e-4 < returns[one].std() < 2.5e-4


def test_jumps_happen_at_scheduled_releases() -> None:
    """Dollar figures come at 08:30 in New York: 12:30 UTC in summer."""
    year = synthetic.simulate(Month(2024, 4).first_minute, Month(2024, 10).first_minute, 3, pairs=["usdchf"])
    bars = year["usdchf"]
    size = np.abs(np.diff(np.log(bars.close)))
    minute = bars.ts[1:] % DAY
    assert size[minute == 750].mean() > 2 * size[(minute > 720) & (minute < 745)].mean()


def test_decayed_sum_equals_its_recursion() -> None:
    shocks = np.random.default_rng(1).normal(size=5000)
    for decay in (0.0, 0.5, 0.99, 0.9999):
        expected = [0.0]
        for shock in shocks:
            expected.append(decay * expected[-1] + shock)
        np.testing.assert_allclose(decayed_sum(shocks, decay), expected[1:], rtol=1e-9, atol=1e-12)


# Refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": ["usdeur"]}, "usdeur"),
        ({"pairs": []}, "none"),
        ({"seed": -1}, "seed is -1"),
        ({"signal": 1.0}, "signal is 1.0"),
        ({"signal": float("nan")}, "signal is nan"),
        ({"end_minute": JULY}, "closed from"),
        ({"start_minute": JULY + 5 * DAY, "end_minute": JULY + 6 * DAY}, "closed from"),
    ],
)
def test_impossible_parameters_are_refused(change: dict, message: str) -> None:
    arguments = {"start_minute": JULY, "end_minute": SEPTEMBER, "seed": 1} | change
    with pytest.raises(BadParameter, match=message):
        synthetic.simulate(**arguments)


def test_folder_of_another_market_is_refused(tmp_path: Path) -> None:
    synthetic.write_market(tmp_path, JULY, JULY + DAY, 1, pairs=["eurusd", "usdjpy"])
    with pytest.raises(BadParameter, match=r"usdjpy\.parquet.*empty folder"):
        synthetic.write_market(tmp_path, JULY, JULY + DAY, 2, pairs=["eurusd"])


def test_command_line_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        synthetic.main(["--out", str(tmp_path), "--from", "2024-07-06", "--to", "2024-07-07"])
    assert caught.value.code == 2
    assert "closed" in capsys.readouterr().err


def test_page_lists_the_parameters_of_every_currency() -> None:
    page = (Path(__file__).parents[3] / "docs/synthetic_market.md").read_text(encoding="utf-8")
    for currency, parameters in model.MODEL.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| {currency} |"))
        start, sigma, sessions, releases, cost = (cell.strip() for cell in line.split("|")[2:-1])
        numerator, _, denominator = start.partition("/")
        assert float(numerator) / float(denominator or 1) == parameters.value
        assert float(sigma) == parameters.sigma
        assert tuple(float(weight) for weight in sessions.split(",")) == parameters.sessions
        assert float(cost) == parameters.cost
        found = [
            (int(h) * 60 + int(m), int(c) / 100) for h, m, c in re.findall(r"(\d\d):(\d\d) (\d+) %", releases)
        ]
        assert found == [(release.minute, release.probability) for release in parameters.releases]
    for name in (
        "STEPS",
        "FREEDOM",
        "NEWS_JUMP",
        "RELEASE_JUMP",
        "VOLUME",
        "MISSING",
        "MISSING_ROLLOVER",
        "OUTAGES",
    ):
        assert f"{getattr(model, name):g}" in page, name
