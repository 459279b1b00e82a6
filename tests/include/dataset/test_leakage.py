"""The whole way to a data set, on a market whose future is known to us: nothing of it may come through.

In the simulated martingale no column says anything about what is left of a target when the forecast of no
skill is taken away. For w = h that forecast is 0: the window of the target begins after the row. With a
planted signal there is something to say, and the columns that say it must be in the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from include.dataset import report, steps
from include.dataset.evidence import Evidence
from include.dataset.export import open_manifest, read_document, read_split
from include.dataset.frame import Frame
from include.dataset.manifest import Manifest
from include.dataset.work import Work
from include.features.arrays import Floats
from include.features.bars import Bars
from include.objects import ObjectStore
from local.postgres import Postgres
from tests.include.dataset import worlds
from tests.include.dataset.conftest import World
from tests.include.dataset.stores import empty_store

PAIR = "eurusd"
HORIZONS = (15, 30, 45, 60, 75)
SIGNAL = 0.9
# Residuals of neighbouring rows share up to h - 1 minutes: n rows are worth n / h. Of 195 columns the
# most unlucky one stays below 4.5 standard errors.
UNLUCKY = 4.5
SKILL = 0.05  # of a forest on rows it has not seen; the least that sets off an alarm


class Files(NamedTuple):
    """One set of a pair: features, and what is left of the matched targets, in units of s."""

    names: tuple[str, ...]
    features: Floats  # (rows, columns)
    residuals: dict[int, Floats]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "draw", worlds.plain_report)


def read(store: ObjectStore, manifest: Manifest, name: str) -> Files:
    """Rows of a set in which everything is known."""
    table = read_split(store, manifest, PAIR, name)
    names = manifest.columns_selected
    features = np.column_stack([table[column].to_numpy() for column in names]).astype(np.float64)
    residuals = {
        h: table[f"target__w{h}_h{h}"].to_numpy() / table[f"base__ewma_vol_60_w{h}"].to_numpy()
        for h in HORIZONS
    }
    known = ~np.isnan(np.column_stack(list(residuals.values()))).any(axis=1)
    assert known.sum() > 2000
    return Files(names, features[known], {h: values[known] for h, values in residuals.items()})


def correlations(files: Files, h: int) -> Floats:
    """Absolute correlation of every column with a residual; 0 where it does not move."""
    x = files.features - files.features.mean(axis=0)
    y = files.residuals[h] - files.residuals[h].mean()
    size = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    return np.abs(np.divide(x.T @ y, size, out=np.zeros(len(size)), where=size > 1e-9))


def skill(train: Files, val: Files, h: int) -> float:
    """1 - MSE of a forest / MSE of the forecast of no skill, on rows that the forest has not seen."""
    forest = RandomForestRegressor(20, max_depth=6, min_samples_leaf=25, max_features=0.2, random_state=1)
    found = forest.fit(train.features[::5], train.residuals[h][::5]).predict(val.features)
    return 1.0 - float(((val.residuals[h] - found) ** 2).mean() / (val.residuals[h] ** 2).mean())


@pytest.fixture(scope="module")
def planted(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same market, but each minute repeats a part of the last half hour."""
    folder = tmp_path_factory.mktemp("planted")
    with worlds.database(postgres) as name, empty_store(folder / "s3") as store:
        url = postgres.url(name)
        worlds.fill(url, worlds.market(signal=SIGNAL), [PAIR])
        frame = worlds.plan(url, pairs=[PAIR], max_folds=0, columns="all")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report, "draw", worlds.plain_report)
            answer = worlds.make(url, store, frame, folder)
        yield World(name, url, store, frame, answer, folder)


def test_no_selected_column_knows_the_future_of_a_martingale(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    files = read(world.store, manifest, "train")
    for h in HORIZONS:
        found = correlations(files, h)
        band = UNLUCKY / np.sqrt(len(files.features) / h)
        worst = int(found.argmax())
        assert found[worst] < band, f"{files.names[worst]} correlates {found[worst]:.3f} with h={h}"


def test_a_forest_has_no_skill_on_a_martingale(world: World) -> None:
    manifest = open_manifest(world.store, "one")
    train, val = (read(world.store, manifest, name) for name in ("train", "val"))
    for h in (15, 60):
        found = skill(train, val, h)
        print(f"h={h}: skill {found:+.4f}")
        assert found < SKILL
    helped = [
        Files(each.names, np.column_stack([each.features, leaking(each, seed)]), each.residuals)
        for seed, each in enumerate((train, val))
    ]
    assert skill(*helped, 15) > SKILL, "a column that knew a third of the future would be seen"


def leaking(files: Files, seed: int) -> Floats:
    """A column that correlates about 0.6 with the future."""
    future = files.residuals[15]
    return future + np.random.default_rng(seed).normal(0.0, 1.33 * future.std(), future.size)


def test_a_planted_signal_survives_the_selection(planted: World) -> None:
    """The best of the selected columns says nearly as much of the next minutes as the best of all."""
    manifest = open_manifest(planted.store, "one")
    told = json.loads(read_document(planted.store, manifest, "selection"))
    selected = told["selection"]["columns"]
    train, val = (known_columns(read(planted.store, manifest, name)) for name in ("train", "val"))
    found = dict(zip(train.names, correlations(train, 15), strict=True))
    assert max(found.values()) > UNLUCKY / np.sqrt(len(train.features) / 15), "the signal is there"
    assert max(found[name] for name in selected) > 0.9 * max(found.values())
    chosen = [number for number, name in enumerate(train.names) if name in selected]
    narrow = [Files(tuple(selected), each.features[:, chosen], each.residuals) for each in (train, val)]
    found_skill = skill(*narrow, 15)
    print(f"planted: skill {found_skill:+.4f}")
    assert found_skill > SKILL


def known_columns(files: Files) -> Files:
    """Without the columns that are NULL somewhere in these rows."""
    known = ~np.isnan(files.features).any(axis=0)
    names = tuple(name for name, there in zip(files.names, known, strict=True) if there)
    return Files(names, files.features[:, known], files.residuals)


def test_what_follows_the_training_rows_changes_nothing_learned(
    world: World, postgres: Postgres, tmp_path: Path
) -> None:
    """Another market from the first validation row on: same selection, evidence and scaler."""
    frame = Frame.of(world.frame)
    boundary, other = frame.split.val.start, worlds.market(seed=99)
    with worlds.database(postgres, world.database) as name, empty_store(tmp_path / "s3") as store:
        url = postgres.url(name)
        worlds.fill(
            url, {pair: spliced(bars, other[pair], boundary) for pair, bars in worlds.market().items()}
        )
        learned = []
        for where in (world.url, url):
            plain = world.frame | {"inputs": worlds.plan(where)["inputs"]}
            for pair in frame.pairs:
                steps.examine(where, store, plain, pair)
            steps.choose(store, plain)
            work = Work(store, Frame.of(plain))
            evidence = Evidence.of(work.get_arrays(f"evidence/{PAIR}.npz", "examine"))
            profile = work.get_arrays(f"profile/{PAIR}.npz", "examine")
            steps.export(where, store, plain, PAIR)
            scaler = work.get_json(f"exported/{PAIR}.json", "export")["scaler"]
            learned.append((evidence.arrays(), work.get_json("choice.json", "choose"), scaler, profile))
        (first, choice, scaler, profile), (again, choice_again, scaler_again, profile_again) = learned
        for what, values in first.items():
            np.testing.assert_array_equal(values, again[what], err_msg=what)
        assert choice == choice_again
        assert scaler == scaler_again
        np.testing.assert_array_equal(profile["mean"][0], profile_again["mean"][0])
        assert not np.array_equal(profile["mean"][1], profile_again["mean"][1], equal_nan=True)
        assert not np.array_equal(profile["mean"][2], profile_again["mean"][2], equal_nan=True)


def spliced(bars: Bars, other: Bars, minute: int) -> Bars:
    """Bars up to a minute, and those of another market from then on."""
    before, after = bars.slice(0, minute), other.slice(minute, minute + 10**7)
    return Bars(
        **{name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in vars(bars)}
    )
