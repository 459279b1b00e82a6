"""One job's predictions as sums by trading day: all that scores, intervals and pictures need of them.

56 jobs of 28 pairs have some 30 million predictions; their day sums fit in memory together.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.errors import QualityError
from include.features.arrays import Floats, Minutes

__all__ = ["FIELDS", "Cloud", "Importance", "Reduced", "Sums", "name_of", "same_rows"]

FORMAT = 2
NAMES = {
    "random_forest": "Random Forest", "xgboost": "XGBoost", "multi_task": "Multi-task network", "tft": "TFT",
    "ensemble": "Ensemble",
}  # fmt: skip

FIELDS = (
    "rows",
    "sse_model", "sse_no_skill", "sse_persistence",  # squared errors of raw q
    "sse_scaled_model", "sse_scaled_no_skill",  # the same in units of s
    "from_mean", "sst",  # actual q less the set's mean: sum, and sum of squares
    "delta_from_mean", "sst_delta",  # the same of the change of q
    "abs_model", "abs_no_skill", "abs_persistence",  # absolute errors of raw q
    "abs_scaled_model", "abs_scaled_no_skill", "abs_scaled_persistence",
    "signs", "hits_model", "hits_no_skill",  # rows in which q changes; sign of the change foreseen
    "signs_raw", "hits_raw_model", "hits_raw_no_skill", "hits_raw_persistence",  # sign of q itself
    "bounded", "covered", "width_scaled",  # rows with an interval; actual q in it; its width in units of s
)  # fmt: skip
"""What is summed. A forecast of 0 has no sign and counts as half a hit."""


def name_of(model: str) -> str:
    """A model as people write it."""
    return NAMES.get(model, model)


class Sums(NamedTuple):
    """Sums of one set, or of the test of one fold.

    Attributes:
        windows: window and horizon of each target, minutes.
        days: trading days, days since 1970.
        values: (targets, days, groups, fields).
        first: first minute with a row.
        last: last minute with a row.
        split_days: trading days of the split of which these rows are judged: of all of val, whose later half
            gives the intervals; of the others their own.
    """

    windows: tuple[tuple[int, int], ...]
    days: Minutes
    values: Floats
    first: int
    last: int
    split_days: int

    def of(self, field: str, group: int = 0) -> Floats:
        """(targets, days): one field of one group."""
        out: Floats = self.values[:, :, group, FIELDS.index(field)]
        return out


def same_rows(one: Sums, other: Sums) -> bool:
    """Whether two models were judged on the same rows, with the same no-skill forecast."""
    return (
        one.windows == other.windows
        and np.array_equal(one.days, other.days)
        and all(
            np.allclose(one.of(field), other.of(field), rtol=1e-9, atol=0.0)
            for field in ("rows", "sse_no_skill")
        )
    )


class Cloud(NamedTuple):
    """Predictions against what came, of the test set, in units of s.

    Attributes:
        counts: (targets, bins, bins) rows by predicted (first) and actual change of q.
        edges: (targets, bins + 1).
        foreseen: (targets, 10) mean of what the model adds to the no-skill forecast, by its tenths.
        came: (targets, 10) mean of what came beyond the no-skill forecast, in the same rows.
    """

    counts: npt.NDArray[np.int64]
    edges: Floats
    foreseen: Floats
    came: Floats


class Importance(NamedTuple):
    """Importance of columns.

    Attributes:
        columns: their names.
        gain: (targets, columns) share of the gain.
        shap: (targets, columns) share of the mean absolute contribution.
        stability: mean pairwise overlap of the top 50 between fits on other days, NaN with fewer than two.
        folds: how many such fits there are: folds of the backtest, or of parts of train.
    """

    columns: tuple[str, ...]
    gain: Floats
    shap: Floats
    stability: float
    folds: int


@dataclass(frozen=True)
class Reduced:
    """One job.

    Attributes:
        pair: for example ``eurusd``.
        model: ``random_forest`` or ``xgboost``.
        sets: by name: val and test.
        folds: the tests of the backtest, in order.
        cloud: predictions against what came.
        importance: of columns.
        card: the model card of the job.
        metrics: its metrics.json.
    """

    pair: str
    model: str
    sets: dict[str, Sums]
    folds: tuple[Sums, ...]
    cloud: Cloud
    importance: Importance
    card: dict[str, Any]
    metrics: dict[str, Any]

    def to_bytes(self) -> bytes:
        """A compressed NumPy archive; the same job gives the same bytes."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, sums in sorted(self._all_sums().items()):
            arrays |= {f"{name}.days": sums.days, f"{name}.values": sums.values}
        arrays |= {f"cloud.{name}": array for name, array in self.cloud._asdict().items()}
        arrays |= {"gain": self.importance.gain, "shap": self.importance.shap}
        plain = {
            "format": FORMAT,
            "fields": FIELDS,
            "pair": self.pair,
            "model": self.model,
            "sums": {
                name: [sums.windows, sums.first, sums.last, sums.split_days]
                for name, sums in self._all_sums().items()
            },
            "columns": self.importance.columns,
            "stability": None if np.isnan(self.importance.stability) else self.importance.stability,
            "importance_folds": self.importance.folds,
            "card": self.card,
            "metrics": self.metrics,
        }
        text = json.dumps(plain, sort_keys=True).encode()
        stream = io.BytesIO()
        np.savez_compressed(stream, plain=np.frombuffer(text, np.uint8), **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Reduced:
        """Read what `to_bytes` wrote.

        Raises:
            QualityError: it is something else, or of another version of this code.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays = dict(stored)
            plain = json.loads(arrays.pop("plain").tobytes())
            known = plain["format"] == FORMAT and tuple(plain["fields"]) == FIELDS
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise QualityError(
                f"these are no day sums of a training job: {error}; reduce it again"
            ) from error
        if not known:
            raise QualityError("these day sums are of another version; reduce the job's predictions again")
        sums = {
            name: Sums(
                tuple((int(w), int(h)) for w, h in windows),
                arrays[f"{name}.days"], arrays[f"{name}.values"], int(first), int(last), int(split_days),
            )
            for name, (windows, first, last, split_days) in plain["sums"].items()
        }  # fmt: skip
        stability = float("nan") if plain["stability"] is None else float(plain["stability"])
        folds = sorted((name for name in sums if name.startswith("fold")), key=lambda name: int(name[4:]))
        return cls(
            pair=plain["pair"],
            model=plain["model"],
            sets={name: sums[name] for name in sums if name not in folds},
            folds=tuple(sums[name] for name in folds),
            cloud=Cloud(*(arrays[f"cloud.{name}"] for name in Cloud._fields)),
            importance=Importance(
                tuple(plain["columns"]), arrays["gain"], arrays["shap"], stability, plain["importance_folds"]
            ),
            card=plain["card"],
            metrics=plain["metrics"],
        )

    def _all_sums(self) -> dict[str, Sums]:
        return self.sets | {f"fold{number}": sums for number, sums in enumerate(self.folds)}
