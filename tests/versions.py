"""Tiny model versions for tests: archives as they are deployed, rows to ask about, and what xgboost says."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xgboost as xgb

from include.serving.container.wire import Rows
from include.training.archive import pack_files
from include.training.container.inference import columns_hash

HORIZONS = (15, 30, 45, 60, 75)
WINDOWS = tuple((h, h) for h in HORIZONS)  # of the targets: matched
HALF_WIDTH = 1.5


class Version(NamedTuple):
    """A model version.

    Attributes:
        pair, name: which; the name is 16 hexadecimal digits.
        columns: of its features.
        files: of its archive.
        boosters: by member and horizon.
        weights: of the members.
    """

    pair: str
    name: str
    columns: tuple[str, ...]
    files: dict[str, bytes]
    boosters: dict[str, dict[int, Any]]
    weights: dict[str, float]

    @property
    def target(self) -> str:
        """Its TargetModel."""
        return f"{self.pair}/{self.name}.tar.gz"

    @property
    def feature_hash(self) -> str:
        """Of its columns."""
        return columns_hash(self.columns)

    @property
    def archive(self) -> bytes:
        """What is deployed."""
        return pack_files(self.files)

    def write(self, folder: Path) -> Path:
        """Unpack the archive into a folder."""
        for name, body in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)
        return folder

    def says(self, rows: Rows) -> dict[int, Any]:
        """Forecasts in BQX units by horizon, from the boosters directly."""
        out = {}
        for h in HORIZONS:
            q, s = rows.q[h], rows.s[h]  # the windows are matched: the no-skill forecast is 0
            margin = ((0 - q) / s).astype(np.float32)
            x = xgb.DMatrix(rows.features.astype(np.float32), base_margin=margin, nthread=1)
            scaled = sum(self.weights[name] * known[h].predict(x, validate_features=False).astype(np.float64)
                         for name, known in self.boosters.items())  # fmt: skip
            out[h] = q + s * scaled
        return out


@cache
def version(
    pair: str = "eurusd",
    seed: int = 1,
    columns: int = 6,
    rounds: int = 3,
    members: tuple[str, ...] = ("xgboost",),
    names: tuple[str, ...] = (),
) -> Version:
    """A version whose boosters know nothing; another seed makes another one. `names` are of its columns."""
    names = names or tuple(f"table__column_{number}" for number in range(columns))
    columns = len(names)
    files: dict[str, bytes] = {}
    boosters: dict[str, dict[int, Any]] = {}
    for place, member in enumerate(members):
        boosters[member] = {h: _booster(seed + 100 * place + h, columns, rounds) for h in HORIZONS}
        bodies = {h: bytes(each.save_raw("ubj")) for h, each in boosters[member].items()}
        files |= {f"{member}/h{h}.ubj": body for h, body in bodies.items()}
        files[f"{member}/model.json"] = json.dumps(_model(pair, member, names, bodies)).encode()
    weights = {member: (place + 1) / sum(range(len(members) + 1)) for place, member in enumerate(members)}
    about = {
        "format": 1, "pair": pair, "version": hashlib.sha256(f"{pair} {seed}".encode()).hexdigest()[:16],
        "decision": f"decisions/{pair}/x.json", "decision_hash": "", "feature_hash": columns_hash(names),
        "columns": names, "windows": {str(h): h for h in HORIZONS},
        "members": [{"folder": member, "model": member, "weight": weight, "archive_sha256": ""}
                    for member, weight in weights.items()],
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
    }  # fmt: skip
    files["serving.json"] = json.dumps(about).encode()
    return Version(pair, str(about["version"]), names, files, boosters, weights)


def of_boosters(pair: str, names: tuple[str, ...], boosters: dict[int, Any]) -> Version:
    """What a training job of xgboost would have left, of boosters that were really trained."""
    bodies = {h: bytes(each.save_raw("ubj")) for h, each in boosters.items()}
    files = {f"xgboost/h{h}.ubj": body for h, body in bodies.items()}
    files["xgboost/model.json"] = json.dumps(_model(pair, "xgboost", names, bodies)).encode()
    digest = hashlib.sha256(b"".join(bodies.values())).hexdigest()
    return Version(pair, digest[:16], names, files, {"xgboost": boosters}, {"xgboost": 1.0})


def rows(count: int = 4, columns: int = 6, seed: int = 9) -> Rows:
    """Rows with everything that a version needs."""
    draws = np.random.default_rng(seed)
    q = {h: draws.normal(0, 1e-3, count) for h in HORIZONS}
    s = {h: draws.uniform(1e-4, 2e-4, count) for h in HORIZONS}
    return Rows(np.arange(count) + 28_700_000, draws.normal(size=(count, columns)), q, s)


def _booster(seed: int, columns: int, rounds: int) -> Any:
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(200, columns)).astype(np.float32)
    data = xgb.DMatrix(x, draws.normal(size=200), base_margin=draws.normal(size=200))
    return xgb.train({"max_depth": 3, "base_score": 0.0, "nthread": 1}, data, rounds)


def _model(pair: str, member: str, columns: tuple[str, ...], bodies: dict[int, bytes]) -> dict[str, Any]:
    return {
        "format": 2, "pair": pair, "model": member, "columns": columns, "columns_hash": columns_hash(columns),
        "hyperparameters": {"pair": pair, "model": member, "rounds": 3, "seed": 7},
        "horizons": [
            {"minutes": h, "window": h, "file": f"h{h}.ubj", "sha256": hashlib.sha256(body).hexdigest(),
             "half_width": HALF_WIDTH}
            for h, body in bodies.items()
        ],
    }  # fmt: skip
