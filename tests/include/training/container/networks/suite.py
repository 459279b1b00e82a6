"""Checks that need torch: `test_suite.py` lets the Python of ``.venv-tft`` run this file once, for them all.

A check is a function ``check_*`` that takes the folder of prepared jobs, one for each network. The outcome of
each is written as JSON: nothing, or the traceback.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from include.training.container import job
from include.training.container.checkpoints import Checkpoints
from include.training.container.folders import BASE, Folders
from include.training.container.inference import Bundle, Past, load_bundle, predict
from include.training.container.manifest import read_manifest
from include.training.container.models import NETWORKS, Seen, settings_of
from include.training.container.networks import fitting
from include.training.container.networks.fitting import EVALUATED
from include.training.container.networks.kind import FittedNetwork, NetworkModel
from include.training.container.problem import JobProblem
from include.training.container.rows import Rows, joined, offset_of, read_rows
from include.training.container.settings import Settings

TABLES = ("predictions.parquet", "backtest.parquet", "importance.parquet", "card.json")
SAVE = Checkpoints.save
_DONE: dict[str, Folders] = {}


def run(folders: Folders) -> None:
    """Do a job in this process."""
    os.environ[BASE] = str(folders.base)
    assert job.main() == 0, folders.failure.read_text()


def copied(place: Path, model: str, name: str, **given: str) -> Folders:
    """A job that has not begun, with other settings if wanted."""
    folders = Folders(place / f"{model}-{name}")
    shutil.copytree(place / model, folders.base)
    told = json.loads(folders.hyperparameters.read_text()) | given
    folders.hyperparameters.write_text(json.dumps(told))
    return folders


def done(place: Path, model: str) -> Folders:
    """A job that was not interrupted."""
    if model not in _DONE:
        _DONE[model] = copied(place, model, "whole")
        run(_DONE[model])
    return _DONE[model]


def results(folders: Folders) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    files = [*folders.model.iterdir(), *(folders.output / name for name in TABLES)]
    return {path.name: path.read_bytes() for path in files}


def read(folders: Folders) -> tuple[Settings, Any, dict[str, Rows]]:
    settings = settings_of(json.loads(folders.hyperparameters.read_text()))
    manifest = read_manifest(folders.dataset, settings)
    return settings, manifest, read_rows(manifest, settings)


def model_of(bundle: Bundle) -> NetworkModel:
    assert isinstance(bundle.model, NetworkModel)
    return bundle.model


def asked(rows: Rows, names: tuple[str, ...]) -> dict[str, Any]:
    columns = {name: rows.x[:, number] for number, name in enumerate(names)}
    return {"columns": columns, "q": dict(rows.q), "s": dict(rows.s), "ts": rows.ts}


def refused(text: str, function: Any, *arguments: Any, **named: Any) -> None:
    said = "nothing was refused"
    try:
        function(*arguments, **named)
    except JobProblem as problem:
        said = str(problem)
    assert text in said, said


def check_three_interruptions_leave_the_same_bytes(place: Path) -> None:
    """In the middle of the network and of the small ones (the first third has too few rows)."""
    for model in NETWORKS:
        whole, parts = done(place, model), copied(place, model, "parts")
        os.environ[BASE] = str(parts.base)
        names: list[str] = []

        def save(self: Checkpoints, name: str, progress: Any, names: list[str] = names) -> None:
            SAVE(self, name, progress)
            names.append(name)
            if len(names) in (1, 3, 5):
                raise KeyboardInterrupt

        Checkpoints.save = save  # type: ignore[method-assign]
        try:
            for _ in range(3):
                try:
                    job.main()
                except KeyboardInterrupt:
                    continue
                raise AssertionError(f"it ended before it could be interrupted: {names}")
            assert job.main() == 0, parts.failure.read_text()
        finally:
            Checkpoints.save = SAVE  # type: ignore[method-assign]
        assert len(names) == 6, f"an epoch was learned twice: {names}"
        assert results(parts) == results(whole), model


def check_another_seed_gives_other_weights_and_the_same_seed_the_same(place: Path) -> None:
    first = results(done(place, "multi_task"))
    for seed, same in (("7", True), ("8", False)):
        folders = copied(place, "multi_task", f"seed{seed}", seed=seed)
        run(folders)
        assert (results(folders)["network.safetensors"] == first["network.safetensors"]) == same


def check_the_archive_alone_repeats_the_predictions(place: Path) -> None:
    for model in NETWORKS:
        folders = done(place, model)
        settings, manifest, sets = read(folders)
        test = sets["test"].take(sets["test"].usable_for_all(settings.horizons))
        past = joined([sets["train"], sets["val"], sets["test"]])
        before = Past(past.ts, asked(past, manifest.columns)["columns"])
        frame = pq.read_table(folders.output / "predictions.parquet").to_pandas()
        found = predict(load_bundle(folders.model), **asked(test, manifest.columns), past=before)
        for h, forecast in found.items():
            part = frame[(frame["h"] == h) & (frame["set"] == "test")]
            part = part[(part["ts_utc"].astype("int64") // 60_000_000).isin(test.ts)]
            for name in ("prediction", "no_skill", "low", "high"):
                wanted = part[name].to_numpy()
                np.testing.assert_allclose(getattr(forecast, name), wanted, rtol=1e-5, atol=1e-9)


def check_one_row_with_its_encoder_is_enough(place: Path) -> None:
    """What serving does: the last row, and the rows that its encoder reaches back to."""
    folders = done(place, "tft")
    settings, manifest, sets = read(folders)
    bundle = load_bundle(folders.model)
    reach = bundle.about["encoder"]["reach_minutes"]
    test = sets["test"].take(sets["test"].usable_for_all(settings.horizons))
    now = test.take(slice(-1, None))
    before = joined([sets["val"], sets["test"]])
    needed = before.take(slice(int(np.searchsorted(before.ts, now.ts[0] - reach, side="right")) - 1, None))
    assert len(needed.ts) < reach + 100
    past = Past(needed.ts, asked(needed, manifest.columns)["columns"])
    history = Past(before.ts, asked(before, manifest.columns)["columns"])
    whole = predict(bundle, **asked(test, manifest.columns), past=history)
    alone = predict(bundle, **asked(now, manifest.columns), past=past)
    for h in whole:
        np.testing.assert_allclose(alone[h].prediction[-1], whole[h].prediction[-1], rtol=1e-5, atol=1e-9)
    refused("cannot be forecast: nothing is known", predict, bundle, **asked(now, manifest.columns))
    short = Past(needed.ts[1:], {name: values[1:] for name, values in past.columns.items()})
    refused(
        "cannot be forecast: nothing is known", predict, bundle, **asked(now, manifest.columns), past=short
    )
    without = {name: value for name, value in asked(now, manifest.columns).items() if name != "ts"}
    refused("needs ts of every row", predict, bundle, **without, past=past)


def check_nothing_after_a_row_changes_its_forecast(place: Path) -> None:
    """Look-ahead: noise, NaN-free but wild, in place of every later row, and later rows deleted."""
    random = np.random.default_rng(11)
    for model in NETWORKS:
        folders = done(place, model)
        settings, _, sets = read(folders)
        rows = joined([sets["train"], sets["val"], sets["test"]])
        network = model_of(load_bundle(folders.model))
        for cut in random.integers(len(rows.ts) // 2, len(rows.ts) - 50, 5):
            first = rows.take(slice(cut - 300, cut))
            first = first.take(first.usable_for_all(settings.horizons))
            offset = {each.minutes: offset_of(first, each) for each in settings.horizons}
            plain = network.scaled(first.seen, offset, rows.seen)
            wild = rows.x.copy()
            wild[cut:] = random.normal(0, 100, wild[cut:].shape)
            for past in (Seen(rows.ts, wild), Seen(rows.ts[:cut], rows.x[:cut])):
                found = network.scaled(first.seen, offset, past)
                assert all((found[h] == plain[h]).all() for h in plain), (model, cut)
            wild[cut - 40 : cut] = random.normal(0, 100, wild[cut - 40 : cut].shape)
            if model == "tft":  # the test can fail: the past does matter
                assert (network.scaled(first.seen, offset, Seen(rows.ts, wild))[15] != plain[15]).any()


def check_what_is_not_finite_is_refused(place: Path) -> None:
    for model in NETWORKS:
        folders = done(place, model)
        settings, manifest, sets = read(folders)
        bundle = load_bundle(folders.model)
        rows = sets["test"].take(sets["test"].usable_for_all(settings.horizons))
        request = asked(rows, manifest.columns)
        name = manifest.columns[1]
        hole = request["columns"][name].copy()
        hole[-1] = np.nan
        past = {"past": Past(sets["val"].ts, asked(sets["val"], manifest.columns)["columns"])}
        gone = request | {"columns": request["columns"] | {name: hole}}
        refused(f"Column {name} is NULL", predict, bundle, **gone, **past)
        with torch.no_grad():
            model_of(bundle).network.spread.fill_(float("nan"))
        refused("is not a finite number", predict, bundle, **request, **past)


def check_learning_that_diverges_says_so(place: Path) -> None:
    folders = copied(place, "multi_task", "diverges", learning_rate="1.0", epochs="3")
    spread = fitting._spread
    fitting._spread = lambda outcome: spread(outcome) * np.float32(1e-30)  # type: ignore[assignment]
    try:
        os.environ[BASE] = str(folders.base)
        assert job.main() == 1
    finally:
        fitting._spread = spread
    assert "Learning diverged" in folders.failure.read_text()
    assert not (folders.model / "model.json").exists()


def check_predictions_are_made_in_bounded_batches(place: Path) -> None:
    for model in NETWORKS:
        folders = done(place, model)
        settings, _, sets = read(folders)
        network = model_of(load_bundle(folders.model))
        rows = sets["test"].take(sets["test"].usable_for_all(settings.horizons))
        inputs: list[Any] = []
        network.network.register_forward_pre_hook(lambda _, given, seen=inputs: seen.append(given[0]))
        offset = {each.minutes: offset_of(rows, each) for each in settings.horizons}
        network.scaled(rows.seen, offset, joined([sets["val"], sets["test"]]).seen)
        assert sum(map(len, inputs)) == len(rows.ts)
        assert max(map(len, inputs)) <= EVALUATED * network.settings.batch_size


def check_the_offset_moves_a_forecast_one_to_one(place: Path) -> None:
    for model in NETWORKS:
        folders = done(place, model)
        settings, _, sets = read(folders)
        network = model_of(load_bundle(folders.model))
        rows = sets["test"].take(slice(-200, None))
        past = joined([sets["val"], sets["test"]]).seen
        nothing = {each.minutes: np.zeros(200) for each in settings.horizons}
        plain = network.scaled(rows.seen, nothing, past)
        moved = network.scaled(rows.seen, nothing | {45: np.full(200, 2.5)}, past)
        np.testing.assert_allclose(moved[45], plain[45] + 2.5)
        assert all((moved[h] == plain[h]).all() for h in (15, 30, 60, 75))


def check_contributions_are_those_of_small_changes(place: Path) -> None:
    """Gradient times input, compared with the change of a forecast when one column changes a little."""
    folders = done(place, "multi_task")
    _, _, sets = read(folders)
    model = model_of(load_bundle(folders.model))
    rows = sets["test"].take(slice(0, 60))
    layers = model.network.double()
    inputs = model.architecture.batches(rows.seen, None)(np.arange(60))[0].double()
    step, parts = 1e-6, []
    for column in range(inputs.shape[1]):
        up, down = inputs.clone(), inputs.clone()
        up[:, column] += step
        down[:, column] -= step
        with torch.no_grad():
            change = (layers(up) - layers(down))[:, 2, 0] / (2 * step)
        parts.append((change * inputs[:, column]).numpy())
    expected = np.abs(np.stack(parts, axis=1)).mean(axis=0)
    layers.float()
    fitted = FittedNetwork(model.settings, model.architecture, model.network)
    found = fitted.importance(rows)[45]
    np.testing.assert_allclose(found.shap, expected / expected.sum(), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.gain.sum(), 1.0)


def check_the_heads_begin_at_the_no_skill_forecast(place: Path) -> None:
    model = model_of(load_bundle(done(place, "multi_task").model))
    inputs = torch.randn(5, len(model.architecture.about["inputs"]["observed"]))
    assert (model.architecture.layers()(inputs) == 0).all()


def check_losses_are_those_of_the_plan(place: Path) -> None:
    tft, multi = (model_of(load_bundle(done(place, model).model)).architecture for model in NETWORKS)
    random = np.random.default_rng(2)
    outcome, outputs = random.normal(size=(30, 5)), random.normal(size=(30, 5, 1))
    weights = np.array([0.10, 0.15, 0.20, 0.25, 0.30])
    expected = float(np.mean((outputs[..., 0] - outcome) ** 2 @ weights))
    assert abs(multi.loss(torch.tensor(outputs), torch.tensor(outcome)).item() - expected) < 1e-9
    quantiles = np.array(tft.about["quantiles"])
    outputs = random.normal(size=(30, 5, quantiles.size))
    error = outcome[..., None] - outputs
    expected = float(np.mean(2 * np.maximum(quantiles * error, (quantiles - 1) * error)))
    assert abs(tft.loss(torch.tensor(outputs), torch.tensor(outcome)).item() - expected) < 1e-9
    assert (tft.point(torch.tensor(outputs)).numpy() == outputs[..., 3]).all()


def main(place: Path) -> None:
    """Run every check; write what came of each."""
    found = {}
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            begin = time.monotonic()
            try:
                check(place)
                found[name] = ""
            except Exception:
                found[name] = traceback.format_exc()
            print(f"{name}: {time.monotonic() - begin:.1f} s", file=sys.stderr)
    (place / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
