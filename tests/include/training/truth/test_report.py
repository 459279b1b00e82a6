"""The report of a run: equal to a second computation, and right about what was planted."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.errors import BadParameter, MissingInput, QualityError
from include.reports import INDEX, KINDS
from include.training.truth import leaderboard
from include.training.truth.outputs import read_predictions
from include.training.truth.reduce import reduce_job
from include.training.truth.reduced import Reduced
from include.training.truth.report import CSV, SCORES, Truth, report
from include.training.truth.scores import score
from include.training.truth.verdicts import FEW_DAYS, NO_SKILL, SKILL, SUSPICIOUS
from tests.include.training.truth import jobs
from tests.include.training.truth.jobs import COLUMNS, HORIZONS, Market, files, market, predictions
from tests.oracles import training_report

WEEKS = {"val": (1, 2), "calibration": (3,), "test": (4, 5, 6, 7, 8)}
MODELS = ("random_forest", "xgboost")
PAIRS = ("eurusd", "gbpusd", "usdjpy")


@pytest.fixture(scope="module")
def markets() -> dict[str, Market]:
    return {pair: market(pair, 9) for pair in PAIRS}


@pytest.fixture(scope="module")
def reduced(markets: dict[str, Market]) -> list[bytes]:
    """Six jobs without skill but for one horizon of one of them."""
    out = []
    for pair, bars in markets.items():
        for number, model in enumerate(MODELS):
            skill: Any = {45: 0.045} if (pair, model) == ("gbpusd", "xgboost") else 0.0
            frame = predictions(bars, WEEKS, seed=number, skill=skill)
            folds = predictions(bars, {"0": (1, 2), "1": (2, 3)}, seed=number) if pair == "eurusd" else None
            out.append(reduce_job(pair, model, files(frame, folds)))
    return out


@pytest.fixture(scope="module")
def truth(reduced: list[bytes]) -> Truth:
    return report(reduced, title="Run <one>", version="abc")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without the time that drawing takes."""
    monkeypatch.setattr(leaderboard, "_drawn", lambda *_: iter(()))


def blocks(truth: Truth, name: str = "test") -> dict[tuple[str, str, int], dict[str, Any]]:
    found = truth.scores["sets"][name]["blocks"]
    return {(block["pair"], block["model"], block["h"]): block for block in found}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("windows", [HORIZONS, (75, 75, 75, 75, 75)])
def test_a_second_computation_gives_the_same_report(
    markets: dict[str, Market], windows: tuple[int, ...]
) -> None:
    bars = markets["eurusd"]
    frame = predictions(bars, WEEKS, seed=3, skill={15: 0.02}, windows=windows)
    ours = report([reduce_job("eurusd", "xgboost", files(frame))], title="one")
    close = pd.Series(bars.close, index=pd.to_datetime(bars.ts * 60, unit="s", utc=True))
    theirs = training_report.report(frame.drop(columns=["q", "no_skill", "actual"]), close)
    for (name, h), expected in theirs.items():
        block = blocks(ours, name)["eurusd", "xgboost", h]
        whole = block["whole"]
        found = {
            "rows": whole["rows"], "days": whole["days"], "split_days": block["split_days"],
            "p": block["p"], "p_by": block["p_by"],
            "skill": whole["skill"]["value"], "skill_low": whole["skill"]["low"],
            "skill_high": whole["skill"]["high"], "r2": whole["r2"]["model"],
            "r2_no_skill": whole["r2"]["no_skill"], "r2_persistence": whole["r2"]["persistence"],
            "da": whole["da"]["model"], "da_no_skill": whole["da"]["no_skill"],
            "coverage": whole["coverage"]["value"], "mae": whole["mae"]["model"],
            "mae_no_skill": whole["mae"]["no_skill"], "mae_scaled": whole["mae_scaled"]["model"],
            "mae_scaled_no_skill": whole["mae_scaled"]["no_skill"],
        }  # fmt: skip
        if expected["split_days"] < 20:
            assert found.pop("skill_low") is None
            assert found.pop("skill_high") is None
            assert found.pop("p_by") == 1.0
        assert found == {name: pytest.approx(expected[name], rel=1e-6, abs=1e-9) for name in found}
        assert block["verdict"] == expected["verdict"]
        for group in block["groups"]:
            there = expected["by"].get((group["by"], group["name"]))
            assert (group["rows"] > 0) == (there is not None)
            if there:
                assert group["rows"] == there["rows"]
                assert group["skill"]["value"] == pytest.approx(there["skill"], rel=1e-6, abs=1e-9)
                assert group["coverage"]["value"] == pytest.approx(there["coverage"])


def test_what_was_planted_is_found_and_nothing_else(truth: Truth) -> None:
    verdicts = {key: block["verdict"] for key, block in blocks(truth).items()}
    assert verdicts.pop(("gbpusd", "xgboost", 45)) == SKILL
    assert set(verdicts.values()) == {NO_SKILL}
    assert truth.alarm == ""
    assert truth.summary.startswith(
        "The test set was looked at 30 times (3 pairs, Random Forest and XGBoost, 5"
    )


def test_a_martingale_has_no_skill(markets: dict[str, Market], reduced: list[bytes]) -> None:
    honest = [Reduced.from_bytes(job) for job in reduced if job != b""]
    honest = [job for job in honest if (job.pair, job.model) != ("gbpusd", "xgboost")]
    found = score(honest, "test")
    low, high = found.chance.nominal_range
    assert low <= found.chance.nominal <= high
    assert found.chance.controlled == 0
    for block in found.blocks:
        whole = block.whole
        assert whole.r2.table is not None
        assert whole.r2.no_skill == pytest.approx(whole.r2.table, abs=0.02)
        assert whole.r2_delta.no_skill == pytest.approx(whole.r2_delta.table, abs=0.06)
        assert whole.da.no_skill == pytest.approx(whole.da.table, abs=0.02)
        assert whole.r2.persistence < -0.8
        assert whole.skill.value < 0.01
        assert block.effective_rows < whole.rows / 7


def test_a_pair_counts_its_horizons_alike(truth: Truth) -> None:
    for pair in truth.scores["sets"]["test"]["pairs"]:
        own = [block for key, block in blocks(truth).items() if key[:2] == (pair["pair"], pair["model"])]
        for kind in ("model", "no_skill", "persistence"):
            mean = np.mean([block["whole"]["r2"][kind] for block in own])
            assert pair["r2"][kind] == pytest.approx(mean)
        assert pair["skill"]["low"] < pair["skill"]["value"] < pair["skill"]["high"]


def test_the_seed_gates_are_recorded(truth: Truth) -> None:
    for block in blocks(truth).values():
        assert block["gates"] == {"r2_above_0.85": "not met", "da_above_0.60": "met by no-skill already"}


@pytest.mark.usefixtures("quick")
def test_few_days_give_scores_without_interval(markets: dict[str, Market]) -> None:
    short = {"val": (1,), "calibration": (2,), "test": (3, 4, 5)}  # 15 days
    frame = predictions(markets["eurusd"], short, skill={15: 0.03})
    truth = report([reduce_job("eurusd", "xgboost", files(frame))], title="demo")
    for block in blocks(truth).values():
        assert block["verdict"] == FEW_DAYS
        assert block["whole"]["skill"]["low"] is block["whole"]["skill"]["high"] is None
        assert set(block["gates"].values()) == {FEW_DAYS}
    assert truth.scores["sets"]["test"]["chance"]["looks"] == 0
    assert "nothing can be said about skill" in truth.summary


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("calibration", "few"), [((3, 4), False), ((3,), True)])
def test_the_days_of_a_split_are_those_of_both_halves(
    markets: dict[str, Market], calibration: tuple[int, ...], few: bool
) -> None:
    weeks = {"val": (1, 2), "calibration": calibration, "test": (5, 6)}  # 10 of 20 days, or of 15, are judged
    frame = predictions(markets["eurusd"], weeks, skill={15: 0.3})
    truth = report([reduce_job("eurusd", "xgboost", files(frame))], title="one")
    for (_, _, h), block in blocks(truth, "val").items():
        assert (block["whole"]["days"], block["split_days"]) == (10, 15 if few else 20)
        assert (block["whole"]["skill"]["low"] is None) == few
        assert block["verdict"] == (FEW_DAYS if few else "skill" if h == 15 else "no skill")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("weeks", [(4,), (4, 5, 6, 7, 8)])
def test_a_leak_is_called_suspicious_and_the_column_is_named(
    markets: dict[str, Market], weeks: tuple[int, ...]
) -> None:
    bars = markets["eurusd"]
    sets = WEEKS | {"test": weeks}
    frame = predictions(bars, sets, skill={60: 0.6, 75: 0.01})
    rows = read_predictions(jobs.parquet(frame))
    future = rows.where((rows.part == 2) & (rows.h == 60))

    def matrix(pair: str, names: Any) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(2)
        columns = {name: noise.standard_normal(future.ts.size) for name in names}
        columns["target__w60_h60"], columns["base__ewma_vol_60_w60"] = future.actual, future.s
        columns[COLUMNS[7]] = future.actual / future.s + 0.1 * noise.standard_normal(future.ts.size)
        return columns

    job = reduce_job("eurusd", "xgboost", files(frame, carrier=COLUMNS[7]))
    for given_matrix, words in ((None, "contributions"), (matrix, "correlation +1.00 with what no skill")):
        truth = report([job], title="leak", matrix=given_matrix)
        verdicts = {key[2]: block["verdict"] for key, block in blocks(truth).items()}
        assert [h for h, verdict in verdicts.items() if verdict == SUSPICIOUS] == [60]
        assert truth.alarm.startswith("EURUSD, XGBoost, 60 minutes: R2 is 0.")
        assert f"Columns that carry it: {COLUMNS[7]} (" in truth.alarm
        assert words in truth.alarm
        assert "too good to be believed" in truth.summary
        assert COLUMNS[7] in truth.files[INDEX].decode()


def test_an_audit_needs_the_columns(markets: dict[str, Market]) -> None:
    frame = predictions(markets["eurusd"], WEEKS, skill={60: 0.6})
    job = reduce_job("eurusd", "xgboost", files(frame))
    with pytest.raises(MissingInput, match="test rows of eurusd do not have"):
        report([job], title="leak", matrix=lambda pair, names: {})


def test_the_order_of_jobs_does_not_matter(reduced: list[bytes], truth: Truth) -> None:
    assert report(reduced[::-1], title="Run <one>", version="abc").files == truth.files


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    frame = predictions(market("eurusd", 4), {"val": (1,), "calibration": (2,), "test": (3,)})
    shuffled = files(frame.sample(frac=1, random_state=seed))
    assert reduce_job("eurusd", "xgboost", shuffled) == reduce_job("eurusd", "xgboost", files(frame))


def test_files_are_those_of_the_kind_and_complete(truth: Truth) -> None:
    names = list(truth.files)
    assert names[0] == INDEX
    assert all(KINDS["training"].fullmatch(name) for name in names)
    pictures = ["1_skill.png", "2_predicted.png", "3_importance.png", "4_coverage.png", "5_backtest.png"]
    assert [name for name in names if name.endswith(".png")] == pictures
    assert all(truth.files[name].startswith(b"\x89PNG") for name in names if name.endswith(".png"))
    assert json.loads(truth.files[SCORES]) == truth.scores
    lines = list(csv.DictReader(io.StringIO(truth.files[CSV].decode())))
    assert len(lines) == 2 * 30
    assert {"skill_low", "r2_model", "r2_no_skill", "da_no_skill", "mae_scaled_no_skill"} < set(lines[0])


def test_the_page_says_what_it_must(truth: Truth) -> None:
    page = truth.files[INDEX].decode()
    assert "Run &lt;one&gt;" in page
    assert "<one>" not in page
    assert 'src="http' not in page
    assert "<script" not in page
    for words in (
        "Looks at the test set", "by chance", "no-skill forecast", "persistence", "Model cards",
        "How to read this page", "The backtest covers EURUSD.", "c" * 64, "d" * 64, "Benjamini and Yekutieli",
    ):  # fmt: skip
        assert words in page


def test_the_backtest_is_scored_by_fold(truth: Truth) -> None:
    folds = truth.scores["backtest"]
    assert {(fold["pair"], fold["number"], fold["h"]) for fold in folds} == {
        ("eurusd", number, h) for number in (0, 1) for h in HORIZONS
    }
    assert all(fold["whole"]["days"] == 10 and fold["whole"]["skill"]["low"] is None for fold in folds)
    stability = {job["pair"]: job["importance_stability"] for job in truth.scores["jobs"]}
    assert stability["gbpusd"] is None
    assert 50 / 60 - 0.1 < stability["eurusd"] < 1  # 50 of 60 columns drawn at random share that much


def test_jobs_that_do_not_belong_together_are_refused(
    markets: dict[str, Market], reduced: list[bytes]
) -> None:
    with pytest.raises(BadParameter, match="no finished training job"):
        report([], title="none")
    with pytest.raises(BadParameter, match="eurusd random_forest is there twice"):
        report([reduced[0], reduced[0]], title="twice")
    frame = predictions(markets["eurusd"], WEEKS | {"test": (4, 5)})
    with pytest.raises(QualityError, match="were not judged on the same test rows"):
        report([reduced[0], reduce_job("eurusd", "xgboost", files(frame))], title="rows")
    other = files(frame) | {"card.json": b'{"content_hash": "other"}'}
    with pytest.raises(BadParameter, match="different data sets"):
        report([reduced[2], reduce_job("eurusd", "xgboost", other)], title="data")
    one_window = predictions(markets["usdjpy"], WEEKS, windows=(15,) * 5)
    with pytest.raises(BadParameter, match="other windows or horizons"):
        report([reduced[0], reduce_job("usdjpy", "xgboost", files(one_window))], title="windows")
    with pytest.raises(QualityError, match="no day sums"):
        report([b"something else"], title="bytes")


@pytest.mark.parametrize("weeks", [(4, 5), (4, 5, 6, 7)])
def test_a_model_without_intervals_has_no_coverage(
    markets: dict[str, Market], weeks: tuple[int, ...]
) -> None:
    frame = predictions(markets["eurusd"], WEEKS | {"test": weeks}).assign(low=np.nan, high=np.nan)
    truth = report([reduce_job("eurusd", "xgboost", files(frame))], title="none")
    for block in blocks(truth).values():
        assert block["whole"]["coverage"] == {"value": None, "low": None, "high": None}
        assert block["whole"]["skill"]["value"] is not None
    assert "There is no backtest: no fold fits into 20 days." in truth.files[INDEX].decode()


def test_groups_without_rows_have_no_scores(markets: dict[str, Market]) -> None:
    frame = predictions(markets["eurusd"], WEEKS)
    hour = frame["ts_utc"].dt.hour
    truth = report([reduce_job("eurusd", "xgboost", files(frame[(hour >= 8) & (hour < 16)]))], title="day")
    for block in blocks(truth).values():
        rows = {group["name"]: group["rows"] for group in block["groups"]}
        assert rows["tokyo"] == rows["new_york"] == rows["late"] == 0 < rows["london"]
        empty = next(group for group in block["groups"] if group["name"] == "tokyo")
        assert empty["skill"] == {"value": None, "low": None, "high": None}
        assert empty["r2"]["model"] is None
