"""Frames, profiles, selections and manifests of any size for the report, made of random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.dataset.evidence import FEATURES
from include.dataset.figures import no_skill
from include.dataset.frame import Frame
from include.dataset.manifest import Manifest, Part
from include.dataset.profile import PairProfile
from include.dataset.select import QUOTAS, Selection, bucket
from include.dataset.split import DAY, SETS, folds, split
from include.dataset.targets import HORIZONS, TARGETS
from include.features.arrays import Floats
from include.names import Month
from include.pairs import PAIRS

NAMES = tuple(FEATURES)
FIRST = Month(2018, 1)


@dataclass
class Case:
    """Everything that the report is made of."""

    frame: Frame
    profiles: list[PairProfile]
    selection: Selection
    rho: Floats
    stability: float | None
    manifest: Manifest

    def report(self) -> tuple[object, ...]:
        """Arguments of `draw`."""
        return self.frame, self.profiles, self.selection, self.rho, self.stability, self.manifest


def case(pairs: int = 2, months: int = 1, rows: int = 60, seed: int = 0) -> Case:
    """A plausible data set; without folds if the period is shorter than one."""
    random = np.random.default_rng(seed)
    frame = frame_of(PAIRS[:pairs], months, rows)
    weights = random.exponential(1.0, len(NAMES)) ** 3
    weights[[name.startswith("volume") for name in NAMES]] = 0.0
    importance = weights / weights.sum()
    profiles = [profile_of(pair, frame, importance, seed + number) for number, pair in enumerate(frame.pairs)]
    selection = selection_of(importance)
    stability = 0.71 if len(frame.folds) > 1 else None
    rho = likeness(len(selection.columns), random)
    return Case(frame, profiles, selection, rho, stability, manifest_of(frame, selection))


def frame_of(pairs: tuple[str, ...], months: int, rows: int) -> Frame:
    """Whole months from 2018-01 on, at most four folds."""
    names, month = [], FIRST
    for _ in range(months):
        names.append(str(month))
        month = month.next
    start, end = FIRST.first_minute, month.first_minute
    whole = split(start, end)
    found = folds(whole.train.start, whole.train.end)
    return Frame(
        dataset_id=f"2018-01-01_{names[-1]}_test", pairs=pairs, start=start, end=end, named=True,
        months=tuple(names),
        split=whole, folds=found[:: max(len(found) // 4, 1)][:4], columns="selected",
        target_window="matched", rows=rows, trees=100, inputs={},
    )  # fmt: skip


def profile_of(pair: str, frame: Frame, importance: Floats, seed: int) -> PairProfile:
    """Warm-up in the first month, a bad month here and there, no volume, calendar columns that shift."""
    random = np.random.default_rng(seed)
    months, size = len(frame.months), len(NAMES)
    tables = np.array([name.split("__")[0] for name in NAMES])
    known = 1 - random.exponential(0.0004, (months, size))
    known[0] -= np.linspace(0, 0.05, size)
    if months > 4 and seed % 5 == 0:
        known[3] -= 0.25 * (tables == "mres")
    absent = np.isin(tables, ("volume_idx", "volume_bqx")) | (np.array(NAMES) == "xpair__" + NAMES[-1])
    absent |= (tables == "xpair") & (random.random(size) < 0.3 if seed % 7 == 3 else False)
    known = np.where(absent, 0.0, np.clip(known, 0, 1))
    low = np.where(absent, np.nan, random.normal(-3, 1, size))
    shift = random.lognormal(-3.6, 1.1, (2, size)) + 3 * np.isin(NAMES, ("time__month", "time__quarter"))
    shift[:, absent] = np.nan
    noise = random.lognormal(0, 0.4, (len(frame.folds), size)) * importance
    grid = random.integers(29_000, 32_000, months)
    scale = np.array([no_skill(h) for h in HORIZONS])
    return PairProfile(
        pair=pair, columns=NAMES, months=frame.months, grid_rows=grid,
        filled_rows=(grid * random.uniform(0.001, 0.05, months)).astype(np.int64),
        rows={"train": 180_000, "val": 39_000, "test": 39_500},
        known=known, low=low, high=low + 6, mean=random.normal(0, 1, (3, size)), sd=np.ones((3, size)),
        shift=shift,
        targets={name: random.standard_t(6, (frame.rows, 5)) * scale * 0.8 for name in SETS},
        fold_importance=noise / noise.sum(axis=1, keepdims=True),
    )  # fmt: skip


def selection_of(importance: Floats) -> Selection:
    """The most important columns of each bucket up to its quota, with the reasons that occur."""
    ranked = sorted(range(len(NAMES)), key=lambda column: -importance[column])
    taken: dict[str, list[int]] = {each: [] for each in QUOTAS}
    reasons = {}
    for place, column in enumerate(ranked):
        own = taken[bucket(FEATURES[NAMES[column]])]
        if place % 7 == 5:
            reasons[NAMES[column]] = f"abs(rho) 0.987 with {NAMES[ranked[0]]}, which ranks higher"
        elif len(own) < QUOTAS[bucket(FEATURES[NAMES[column]])]:
            own.append(column)
        else:
            reasons[NAMES[column]] = f"importance {importance[column]:.6f} is below 0.001"
    chosen = sorted(column for own in taken.values() for column in own)
    return Selection(
        columns=tuple(NAMES[column] for column in chosen),
        importance=dict(zip(NAMES, importance.tolist(), strict=True)),
        buckets={each: len(own) for each, own in taken.items()},
        dropped=reasons,
    )


def likeness(size: int, random: np.random.Generator) -> Floats:
    """Absolute correlations of columns that follow a few factors."""
    factors = random.normal(0, 1, (size, 6)) ** 3
    noise = random.normal(0, 1, (400, size))
    values = random.normal(0, 1, (400, 6)) @ factors.T + 1.5 * noise
    return np.abs(np.corrcoef(values, rowvar=False))


def manifest_of(frame: Frame, selection: Selection) -> Manifest:
    """One file per pair and set."""
    number = {"train": 150_000, "val": 32_000, "test": 33_000}
    files = tuple(
        Part(
            f"datasets/{frame.dataset_id}/{pair}/{name}/{frame.months[0]}-{'0' * 12}.parquet",
            number[name],
            "0" * 64,
            10**6,
        )
        for pair in frame.pairs
        for name in SETS
    )
    return Manifest(
        dataset_id=frame.dataset_id, catalogue_hash="c" * 64, columns_total=len(NAMES),
        columns_selected=selection.columns, targets=TARGETS,
        splits={
            name: {"from": getattr(frame.split, name).start, "to": getattr(frame.split, name).end,
                   "rows": number[name] * len(frame.pairs)}
            for name in SETS
        },
        files=files, source={"from": frame.start, "to": frame.end - DAY}, code_version="0.1.0+test",
    )  # fmt: skip
