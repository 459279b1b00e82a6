"""One training job from its inputs to its outputs; `main` is what `train.py` runs."""

from __future__ import annotations

import hashlib
import json
import resource
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from include.training.container.backtest import Backtest, Shares, backtest
from include.training.container.checkpoints import Checkpoints
from include.training.container.code import code_hash
from include.training.container.documents import Trained, card, model_document, versions
from include.training.container.folders import Folders
from include.training.container.importance import MOST_ROWS, affordable_rows, evenly, importance, leaves_of
from include.training.container.inference import MODEL
from include.training.container.intervals import half_width
from include.training.container.manifest import Manifest, read_manifest
from include.training.container.problem import JobProblem, failure_text
from include.training.container.results import Predicted, forecast, write_importance, write_predictions
from include.training.container.rows import Rows, joined, read_rows
from include.training.container.sets import Interval, Parts, halves, sample
from include.training.container.settings import FOREST, Settings
from include.training.container.stability import stability
from include.training.container.trees import FEWEST, Learning, fit, grow, say_mean

FEWEST_TO_LEARN = 100  # rows


class Inputs(NamedTuple):
    """What a job learns from.

    Attributes:
        settings: as asked for.
        manifest: of the data set.
        parts: intervals of train, val and calibration.
        rows: of the data set's own sets: train, val and test.
        learned: rows of train that the trees see.
        stopping: rows of the earlier half of val that are usable for all horizons.
    """

    settings: Settings
    manifest: Manifest
    parts: Parts
    rows: dict[str, Rows]
    learned: Rows
    stopping: Rows

    @property
    def calibration(self) -> Rows:
        """Rows of the later half of val."""
        val = self.rows["val"]
        return val.take(self.parts.calibration.rows(val.ts))

    @property
    def half(self) -> Rows:
        """Rows of the earlier half of val."""
        val = self.rows["val"]
        return val.take(self.parts.val.rows(val.ts))


class Model(NamedTuple):
    """What training gave.

    Attributes:
        trained: the horizons.
        predictions: on val, calibration and test.
        shares: importances of the model itself.
        shown: rows on which contributions were computed.
    """

    trained: list[Trained]
    predictions: list[Predicted]
    shares: list[Shares]
    shown: Rows


class Watch:
    """Seconds by step, printed as they pass."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a block."""
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 3)
        print(f"{name}: {self.seconds[name]:.1f} s", flush=True)


def main() -> int:
    """Do the job; returns the exit code: 0, or 1 with a text in ``output/failure``."""
    folders = Folders.of_environment()
    try:
        run(folders)
    except Exception as error:
        traceback.print_exc()
        folders.failure.parent.mkdir(parents=True, exist_ok=True)
        folders.failure.write_text(failure_text(error))
        return 1
    return 0


def run(folders: Folders) -> None:
    """Do the job.

    Raises:
        JobProblem: it cannot be done; says why.
    """
    watch = Watch()
    with watch.step("read"):
        inputs = _inputs(folders)
    settings, columns = inputs.settings, inputs.manifest.columns
    checkpoints = Checkpoints(folders.checkpoints, _identity(inputs))
    with watch.step("train"):
        model = _train(inputs, checkpoints)
    with watch.step("backtest"):
        whole = Interval(inputs.parts.train.start, inputs.parts.val.end)
        rows = joined([inputs.rows["train"], inputs.half]) if settings.backtest else inputs.learned
        tested = backtest(rows, whole, model.shown, columns, settings, checkpoints)
    with watch.step("stability"):
        shares = tested.shares or stability(
            inputs.learned, inputs.parts.train, model.shown, columns, settings, checkpoints
        )
    with watch.step("write"):
        _write_output(folders.output, inputs, model, tested, shares)
        document = _write_model(folders.model, inputs, model.trained)
        _write_json(folders.output / "card.json", _card(document, inputs))
    _write_json(folders.output / "metrics.json", _metrics(inputs, model, tested, shares, watch))


def _inputs(folders: Folders) -> Inputs:
    settings = _settings(folders.hyperparameters)
    manifest = read_manifest(folders.dataset, settings)
    rows = read_rows(manifest, settings)
    parts = Parts(manifest.splits["train"], *halves(manifest.splits["val"]))
    usable = rows["train"].usable_for_all(settings.horizons)
    chosen = sample(usable, settings.train_stride, settings.max_train_rows)
    if chosen.size < FEWEST_TO_LEARN:
        raise JobProblem(
            f"{settings.pair} has {chosen.size} rows to learn from ({int(usable.sum()):,} of train have an "
            f"outcome and a scale, train_stride is {settings.train_stride}); at least {FEWEST_TO_LEARN} are "
            "needed. Lower train_stride, or make a data set of a longer period: the first 1,440 rows of a "
            "pair have no scale."
        )
    val = rows["val"]
    stopping = val.take(parts.val.rows(val.ts) & val.usable_for_all(settings.horizons))
    return Inputs(settings, manifest, parts, rows, rows["train"].take(chosen), stopping)


def _settings(path: Path) -> Settings:
    try:
        given = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JobProblem(f"The hyperparameters cannot be read from {path.name}: {error}.") from error
    return Settings.of(given)


def _identity(inputs: Inputs) -> str:
    """Hash of everything that a booster depends on."""
    content = {
        "settings": inputs.settings.to_dict(),
        "manifest": inputs.manifest.manifest_hash,
        "code": code_hash(),
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _train(inputs: Inputs, checkpoints: Checkpoints) -> Model:
    settings, columns = inputs.settings, inputs.manifest.columns
    learning = Learning.of(settings, columns, inputs.learned, inputs.stopping)
    half, calibration = inputs.half, inputs.calibration
    shown = inputs.stopping if len(inputs.stopping.ts) else inputs.learned
    model = Model([], [], [], evenly(shown, MOST_ROWS))
    grow(learning, settings, checkpoints)
    for horizon in settings.horizons:
        fitted = fit(horizon.name, learning, horizon, settings, checkpoints)
        booster = fitted.load(settings.nthread)
        sets = {"val": half, "calibration": calibration, "test": inputs.rows["test"]}
        parts = {name: forecast(booster, rows, horizon, name) for name, rows in sets.items()}
        residuals = parts["calibration"].residuals
        width = half_width(residuals)
        model.predictions.extend(part._replace(half_width=width) for part in parts.values())
        model.trained.append(Trained(horizon, fitted.booster, fitted.rounds, width, residuals.size))
        shown = evenly(model.shown, affordable_rows(leaves_of(booster), settings.max_depth))
        model.shares.append((-1, horizon, importance(booster, columns, shown, horizon)))
        error = parts["val"].rmse
        print(f"val_rmse_{horizon.name}={'nan' if error is None else f'{error:.6f}'};", flush=True)
    say_mean([part.rmse for part in model.predictions if part.split == "val"])
    return model


def _write_output(folder: Path, inputs: Inputs, model: Model, tested: Backtest, shares: list[Shares]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / "predictions.parquet", model.predictions)
    write_predictions(folder / "backtest.parquet", tested.predictions, folds=True)
    write_importance(folder / "importance.parquet", [*model.shares, *shares], inputs.manifest.columns)


def _write_model(folder: Path, inputs: Inputs, trained: list[Trained]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for each in trained:
        (folder / each.file).write_bytes(each.booster)
    document = model_document(inputs.settings, inputs.manifest, trained)
    _write_json(folder / MODEL, document)
    return document


def _stopping(inputs: Inputs) -> str:
    rows = len(inputs.stopping.ts)
    if inputs.settings.model == FOREST:
        return "a forest is one round"
    if rows < FEWEST:
        return f"fixed rounds: the earlier half of val has {rows} rows, early stopping needs {FEWEST}"
    return f"the round with the smallest error on {rows:,} rows of the earlier half of val"


def _card(document: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    sets = {
        "train": (inputs.parts.train, len(inputs.rows["train"].ts)),
        "val": (inputs.parts.val, len(inputs.half.ts)),
        "calibration": (inputs.parts.calibration, len(inputs.calibration.ts)),
        "test": (inputs.manifest.splits["test"], len(inputs.rows["test"].ts)),
    }
    return card(document, sets, len(inputs.learned.ts), _stopping(inputs))


def _metrics(
    inputs: Inputs, model: Model, tested: Backtest, shares: list[Shares], watch: Watch
) -> dict[str, Any]:
    skill: dict[str, dict[str, float | None]] = {}
    for part in model.predictions:
        skill.setdefault(part.split, {})[part.horizon.name] = part.skill
    return {
        "pair": inputs.settings.pair,
        "model": inputs.settings.model,
        "rows": {name: len(rows.ts) for name, rows in inputs.rows.items()},
        "rows_learned_from": len(inputs.learned.ts),
        "rows_predicted": sum(part.ts.size for part in model.predictions),
        "rounds": {each.horizon.name: each.rounds for each in model.trained},
        "stopping": _stopping(inputs),
        "half_width": {each.horizon.name: each.half_width for each in model.trained},
        "skill": skill,
        "backtest": {
            "folds": len({part.fold for part in tested.predictions}),
            "why_none": tested.why_none,
        },
        "stability": {
            "from": "folds of the backtest" if tested.shares else "small fits on thirds of train",
            "fits": len(shares),
        },
        "seconds": watch.seconds,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "booster_bytes": sum(len(each.booster) for each in model.trained),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
