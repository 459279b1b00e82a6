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
from include.training.container.documents import Trained, card, model_document
from include.training.container.folders import Folders
from include.training.container.importance import MOST_ROWS, evenly
from include.training.container.inference import MODEL
from include.training.container.intervals import half_width
from include.training.container.manifest import Manifest, read_manifest
from include.training.container.models import Kind, Learner, kind_of, settings_of
from include.training.container.problem import JobProblem, failure_text
from include.training.container.results import Predicted, forecast, write_importance, write_predictions
from include.training.container.rows import Rows, joined, read_rows
from include.training.container.sets import Interval, Parts, halves, sample
from include.training.container.settings import Settings
from include.training.container.stability import stability
from include.training.container.stopping import say_mean

FEWEST_TO_LEARN = 100  # rows


class Inputs(NamedTuple):
    """What a job learns from.

    Attributes:
        settings: as asked for.
        manifest: of the data set.
        parts: intervals of train, val and calibration.
        rows: of the data set's own sets: train, val and test.
        learned: rows of train that the model sees.
        stopping: rows of the earlier half of val that are usable for all horizons.
    """

    settings: Settings
    manifest: Manifest
    parts: Parts
    rows: dict[str, Rows]
    learned: Rows
    stopping: Rows

    @property
    def kind(self) -> Kind:
        """The code of the model that is wanted."""
        return kind_of(self.settings.model)

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
        about: what model.json says besides.
        predictions: on val, calibration and test.
        shares: importances of the model itself.
        shown: rows on which contributions were computed.
    """

    trained: list[Trained]
    about: dict[str, Any]
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
    settings = inputs.settings
    checkpoints = Checkpoints(folders.checkpoints, _identity(inputs))
    learner = inputs.kind.learner(settings, inputs.manifest, inputs.rows, checkpoints)
    with watch.step("train"):
        model = _train(inputs, learner)
    with watch.step("backtest"):
        whole = Interval(inputs.parts.train.start, inputs.parts.val.end)
        rows = joined([inputs.rows["train"], inputs.half]) if settings.backtest else inputs.learned
        tested = backtest(learner, rows, whole, model.shown, settings)
    with watch.step("stability"):
        shares = tested.shares or stability(
            learner, inputs.learned, inputs.parts.train, model.shown, settings
        )
    with watch.step("write"):
        _write_output(folders.output, inputs, model, tested, shares)
        document = _write_model(folders.model, inputs, model)
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
    return settings_of(given)


def _identity(inputs: Inputs) -> str:
    """Hash of everything that a model depends on."""
    content = {
        "settings": inputs.settings.to_dict(),
        "manifest": inputs.manifest.manifest_hash,
        "code": code_hash(inputs.settings.model),
        "versions": inputs.kind.versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _train(inputs: Inputs, learner: Learner) -> Model:
    horizons = inputs.settings.horizons
    shown = evenly(inputs.stopping if len(inputs.stopping.ts) else inputs.learned, MOST_ROWS)
    fitted = learner.fit("", inputs.learned, inputs.stopping)
    model = Model([], dict(fitted.about), [], [], shown)
    sets = {"val": inputs.half, "calibration": inputs.calibration, "test": inputs.rows["test"]}
    parts = {name: forecast(fitted, rows, horizons, name) for name, rows in sets.items()}
    shares = fitted.importance(shown)
    for number, horizon in enumerate(horizons):
        mine = {name: predicted[number] for name, predicted in parts.items()}
        residuals = mine["calibration"].residuals
        width = half_width(residuals)
        model.predictions.extend(part._replace(half_width=width) for part in mine.values())
        file, rounds = fitted.files[horizon.minutes], fitted.rounds[horizon.minutes]
        model.trained.append(Trained(horizon, *file, rounds, width, residuals.size))
        model.shares.append((-1, horizon, shares[horizon.minutes]))
        error = mine["val"].rmse
        print(f"val_rmse_{horizon.name}={'nan' if error is None else f'{error:.6f}'};", flush=True)
    say_mean([part.rmse for part in model.predictions if part.split == "val"])
    return model


def _write_output(folder: Path, inputs: Inputs, model: Model, tested: Backtest, shares: list[Shares]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / "predictions.parquet", model.predictions)
    write_predictions(folder / "backtest.parquet", tested.predictions, folds=True)
    write_importance(folder / "importance.parquet", [*model.shares, *shares], inputs.manifest.columns)


def _write_model(folder: Path, inputs: Inputs, model: Model) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in _files(model).items():
        (folder / name).write_bytes(body)
    document = model_document(
        inputs.settings, inputs.manifest, model.trained, inputs.kind.versions(), model.about
    )
    _write_json(folder / MODEL, document)
    return document


def _files(model: Model) -> dict[str, bytes]:
    return {each.file: each.body for each in model.trained}


def _stopping(inputs: Inputs) -> str:
    return inputs.kind.stopping_rule(inputs.settings, len(inputs.stopping.ts))


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
        "model_bytes": sum(len(body) for body in _files(model).values()),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
