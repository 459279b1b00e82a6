"""The offset and the way back, against leakage.md's formulas; a request without them is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.dataset.targets import restore, scaled_targets, target_name, volatility
from include.features.bqx import returns
from include.training.container import inference
from include.training.container.checkpoints import Checkpoints
from include.training.container.documents import Trained, model_document
from include.training.container.inference import Bundle, load_bundle, predict
from include.training.container.problem import JobProblem
from include.training.container.rows import Rows
from include.training.container.trees import fit
from tests.include.training.container.pieces import Pieces, no_checkpoints, read

WINDOWS = (15, 30, 45, 60, 75)


def train(pieces: Pieces, folder: Path, checkpoints: Checkpoints) -> Bundle:
    """A whole model, written and loaded."""
    settings, learning = pieces.settings, pieces.learning()
    trained = []
    for horizon in settings.horizons:
        fitted = fit(horizon.name, learning, horizon, settings, checkpoints)
        trained.append(Trained(horizon, f"{horizon.name}.ubj", fitted.booster, fitted.rounds, 2.0, 100))
        (folder / trained[-1].file).write_bytes(fitted.booster)
    (folder / "model.json").write_text(json.dumps(model_document(settings, pieces.manifest, trained, {}, {})))
    return load_bundle(folder)


@pytest.fixture(scope="module")
def pieces(martingale: Path, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    """Window 75 for all horizons: the no-skill forecast of 15 minutes explains half of the outcome."""
    return read(martingale, tmp_path_factory.mktemp("job"), target_window="75")


@pytest.fixture(scope="module")
def bundle(pieces: Pieces, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train(pieces, tmp_path_factory.mktemp("model"), no_checkpoints(tmp_path_factory.mktemp("base")))


@pytest.fixture
def some(pieces: Pieces) -> Rows:
    test = pieces.rows["test"]
    return test.take(np.flatnonzero(test.usable_for_all(pieces.settings.horizons))[:300])


def request(rows: Rows, pieces: Pieces) -> dict[str, Any]:
    columns = {name: rows.x[:, number] for number, name in enumerate(pieces.manifest.columns)}
    return {"columns": columns, "q": dict(rows.q), "s": dict(rows.s)}


@pytest.mark.parametrize("w", WINDOWS)
@pytest.mark.parametrize("h", WINDOWS)
def test_the_no_skill_forecast_is_leakage_md_s(w: int, h: int) -> None:
    """E[q^w at t+h] = - sum over m < w-h of (w-h-m) * e_(t-m), to first order in the increments e."""
    random = np.random.default_rng(w * h)
    e = random.normal(0, 1e-6, 400)
    q = returns(100 * np.exp(np.cumsum(e)))
    forecast = inference.no_skill(w, h, q)
    n = max(w - h, 0)
    for t in range(200, 400, 20):
        expected = -sum((n - m) * e[t - m] for m in range(n))
        assert forecast[t] == pytest.approx(expected, abs=1e-8)  # a forecast is of the size 1e-4
    assert (forecast[200:] == 0).all() == (h >= w)


def test_the_scale_is_that_of_the_data_set() -> None:
    random = np.random.default_rng(3)
    series = returns(100 * np.exp(np.cumsum(random.normal(0, 1e-4, 3000))))
    q, actual = series[15], random.normal(size=3000)
    s = volatility(q)
    columns = {"base__w15_bqx_return": q, "base__ewma_vol_60_w15": s, "target__w15_h15": actual}
    columns |= {target_name(15, h): actual for h in WINDOWS[1:]}
    learned = scaled_targets(columns, "15")["target__w15_h15"]
    known = np.isfinite(learned)
    assert (inference.scaled(actual, q, s)[known] == learned[known]).all()
    assert (inference.restore(learned, q, s)[known] == restore(learned, q, s)[known]).all()
    assert inference.restore(learned, q, s)[known] == pytest.approx(actual[known], abs=1e-12)


def test_a_martingale_is_forecast_as_well_as_without_skill(
    bundle: Bundle, pieces: Pieces, some: Rows
) -> None:
    """Twelve rounds move a forecast little from its offset. Without the offset it would be q as it is now."""
    for h, forecast in predict(bundle, **request(some, pieces)).items():
        actual, now = some.actual[target_name(75, h)], some.q[75]
        plain = np.mean((actual - forecast.no_skill) ** 2)
        assert abs(1 - np.mean((actual - forecast.prediction) ** 2) / plain) < 0.25
        unmoved = np.std(forecast.prediction - forecast.no_skill) / np.std(now - forecast.no_skill)
        assert unmoved < 0.5


def test_the_offset_moves_a_forecast_one_to_one(bundle: Bundle, pieces: Pieces, some: Rows) -> None:
    asked = request(some, pieces)
    moved = asked | {"q": asked["q"] | {60: asked["q"][60] + some.s[75]}}
    before, after = predict(bundle, **asked), predict(bundle, **moved)
    assert after[15].prediction - before[15].prediction == pytest.approx(some.s[75], rel=1e-4)
    assert (after[30].prediction == before[30].prediction).all()


def test_an_interval_has_its_half_width_in_units_of_s(bundle: Bundle, pieces: Pieces, some: Rows) -> None:
    forecast = predict(bundle, **request(some, pieces))[15]
    assert forecast.high - forecast.prediction == pytest.approx(2 * some.s[75])
    assert forecast.prediction - forecast.low == pytest.approx(2 * some.s[75])


def test_the_order_of_the_columns_does_not_matter(bundle: Bundle, pieces: Pieces, some: Rows) -> None:
    asked = request(some, pieces)
    other = asked | {"columns": dict(reversed(asked["columns"].items())) | {"more": some.ts}}
    assert (predict(bundle, **asked)[45].prediction == predict(bundle, **other)[45].prediction).all()
    names = pieces.manifest.columns
    wrong = {name: asked["columns"][other] for name, other in zip(names, reversed(names), strict=True)}
    changed = predict(bundle, wrong, asked["q"], asked["s"])[45].prediction
    assert (changed != predict(bundle, **asked)[45].prediction).any()


def test_a_missing_value_of_a_feature_is_a_value(bundle: Bundle, pieces: Pieces, some: Rows) -> None:
    asked = request(some, pieces)
    unknown = {name: np.full(len(some.ts), np.nan) for name in asked["columns"]}
    forecast = predict(bundle, unknown, asked["q"], asked["s"])[15]
    assert np.isfinite(forecast.prediction).all()
    pieces_of_trees = (forecast.prediction - forecast.no_skill) / some.s[75]
    assert np.ptp(pieces_of_trees) < 1e-4  # every row takes the default way through every tree


def without(values: dict[Any, Any], key: Any) -> dict[Any, Any]:
    return {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize(
    ("part", "key", "named"),
    [
        ("q", 75, "lacks q of window 75"),
        ("q", 60, "lacks q of window 60"),
        ("s", 75, "lacks s of window 75"),
        ("columns", "regime__hour", "lacks column regime__hour"),
    ],
)
def test_a_request_without_what_it_needs_is_refused(
    part: str, key: Any, named: str, bundle: Bundle, pieces: Pieces, some: Rows
) -> None:
    asked = request(some, pieces)
    with pytest.raises(JobProblem, match=named):
        predict(bundle, **asked | {part: without(asked[part], key)})


@pytest.mark.parametrize(
    ("part", "window", "value", "named"),
    [
        ("q", 75, np.nan, "q of window 75 is unknown in row 7"),
        ("q", 60, np.nan, "no-skill forecast of window 75 is unknown in row 7"),
        ("s", 75, np.nan, "s of window 75 is unknown in row 7"),
        ("s", 75, 0.0, "s of window 75 is 0.0 in row 7"),
    ],
)
def test_a_row_without_what_it_needs_is_refused(
    part: str, window: int, value: float, named: str, bundle: Bundle, pieces: Pieces, some: Rows
) -> None:
    asked = request(some, pieces)
    changed = asked[part][window].copy()
    changed[7] = value
    with pytest.raises(JobProblem, match=named):
        predict(bundle, **asked | {part: asked[part] | {window: changed}})


def test_arrays_of_other_lengths_are_refused(bundle: Bundle, pieces: Pieces, some: Rows) -> None:
    asked = request(some, pieces)
    with pytest.raises(JobProblem, match=r"s of window 75 has shape \(299,\)"):
        predict(bundle, asked["columns"], asked["q"], asked["s"] | {75: some.s[75][1:]})


@pytest.mark.parametrize(
    ("file", "body", "named"),
    [
        ("h30.ubj", b"{}", "h30.ubj is not the file that was trained"),
        ("h30.ubj", None, "holds no complete model"),
        ("model.json", b"{", "holds no complete model"),
        ("model.json", b'{"format": 1}', "has format 1"),
    ],
)
def test_a_model_that_was_changed_is_not_loaded(
    file: str, body: bytes | None, named: str, pieces: Pieces, tmp_path: Path
) -> None:
    train(pieces, tmp_path, no_checkpoints(tmp_path))
    (tmp_path / file).unlink() if body is None else (tmp_path / file).write_bytes(body)
    with pytest.raises(JobProblem, match=named):
        load_bundle(tmp_path)
