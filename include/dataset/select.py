"""From 730 columns to at most 195: one list for all pairs.

1. Dropped: columns with more than 5% NULL on the training rows of any pair, since they would cost that
   pair its rows, and columns that are constant in every pair.
2. Ranked by importance averaged over pairs; ties go to the smaller look-back, then by name. Below 0.001 a
   column is dropped, unless fewer than 195 would remain.
3. Of two columns whose absolute correlation, averaged over pairs, exceeds 0.95, the lower ranked goes.
4. Each bucket takes its best up to its quota; places it cannot fill go to the best columns left.

At least ten dual columns enter if ten survive step 3, with whatever importance.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from include.dataset.evidence import FEATURES, Evidence
from include.errors import BadParameter
from include.features.arrays import Floats
from include.features.catalogue import Feature

__all__ = [
    "QUOTAS", "STABLE", "TOP", "TOTAL", "Selection", "bucket", "choose", "likeness", "ranked", "ranking",
    "stability",
]  # fmt: skip

QUOTAS = {"rate": 70, "bqx": 60, "dual": 20, "cross_pair": 25, "time_regime": 20}
TOTAL = sum(QUOTAS.values())
FEWEST_DUAL = 10
TOP = 50  # columns that stability compares
STABLE = 0.6  # share of them that two folds should have in common

MAX_NULL = 0.05
MIN_IMPORTANCE = 0.001
MAX_RHO = 0.95

_BY_TABLE = {
    "lag": "rate", "dual": "dual", "xpair": "cross_pair",
    "time": "time_regime", "event": "time_regime", "mres": "time_regime",
}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """The chosen columns, and why each of the others is not among them.

    Attributes:
        columns: chosen, in the order of the catalogue: the order of every model's input.
        importance: of every column on offer, averaged over pairs.
        buckets: how many columns each bucket has.
        dropped: the reason, by column.
        note: why there are fewer than asked for, or columns below the least importance; empty if neither.
    """

    columns: tuple[str, ...]
    importance: dict[str, float]
    buckets: dict[str, int]
    dropped: dict[str, str]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers survive exactly."""
        return asdict(self) | {"columns": list(self.columns)}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Selection:
        """The selection that `to_dict` wrote."""
        return cls(**plain | {"columns": tuple(plain["columns"])})


def bucket(feature: Feature) -> str:
    """The bucket of `QUOTAS` that a column counts in; lags of returns count as rate."""
    return {"idx": "rate", "bqx": "bqx"}.get(feature.domain) or _BY_TABLE[feature.table]


def choose(evidence: Mapping[str, Evidence], quotas: Mapping[str, int] = QUOTAS) -> Selection:
    """Choose one list of columns for all pairs.

    Args:
        evidence: by pair; all pairs were offered the same columns.
        quotas: places by bucket; their sum is how many columns are wanted.

    Raises:
        BadParameter: no pair, pairs that were offered different columns, or an unknown bucket.
    """
    columns = _common_columns(evidence)
    if set(quotas) != set(QUOTAS) or min(quotas.values()) < 0:
        raise BadParameter(f"quotas are for {', '.join(QUOTAS)}, 0 or more each, not {dict(quotas)}")
    pairs = [evidence[pair] for pair in sorted(evidence)]
    importance = _mean_importance([pair.importance for pair in pairs], columns)
    dropped = _unfit(evidence, columns)
    candidates = [name for name in _ranked(importance) if name not in dropped]
    survivors, correlated = _prune(candidates, _mean_rho(pairs), columns)
    weak = {name for name in candidates if importance[name] < MIN_IMPORTANCE}
    chosen = _fill(survivors, weak, quotas)
    dropped |= {name: _too_weak(importance[name]) for name in weak}
    dropped |= {name: reason for name, reason in correlated.items() if name not in weak}
    for name in survivors:
        if name not in weak:
            dropped[name] = f"its bucket {bucket(FEATURES[name])} and the list were filled by better columns"
    for name in chosen:
        del dropped[name]
    return Selection(
        columns=tuple(name for name in FEATURES if name in chosen),
        importance=importance,
        buckets={each: sum(bucket(FEATURES[name]) == each for name in chosen) for each in quotas},
        dropped={name: dropped[name] for name in columns if name in dropped},
        note=_note(len(chosen), len(chosen & weak), sum(quotas.values())),
    )


def ranking(evidence: Mapping[str, Evidence]) -> tuple[str, ...]:
    """All columns on offer, the most important first, importance averaged over pairs.

    Raises:
        BadParameter: as in `choose`.
    """
    columns = _common_columns(evidence)
    return ranked(columns, [evidence[pair].importance for pair in sorted(evidence)])


def ranked(columns: Sequence[str], importances: Sequence[Floats]) -> tuple[str, ...]:
    """Columns, the most important first.

    Args:
        columns: full names.
        importances: of these columns, one array per pair, always in the same order of pairs.
    """
    return tuple(_ranked(_mean_importance(importances, columns)))


def likeness(evidence: Mapping[str, Evidence], columns: Sequence[str]) -> Floats:
    """Absolute correlation of some columns with each other, averaged over the pairs where it is defined.

    Returns:
        shape (columns, columns); 0 where it is defined in no pair.

    Raises:
        BadParameter: as in `choose`.
    """
    number = {name: row for row, name in enumerate(_common_columns(evidence))}
    rows = [number[name] for name in columns]
    return _mean_rho([evidence[pair] for pair in sorted(evidence)])[np.ix_(rows, rows)]


def stability(rankings: Sequence[Sequence[str]], top: int = TOP) -> float | None:
    """Mean share of the first ``top`` columns that two rankings have in common; None for fewer than two.

    Args:
        rankings: one per rolling fold, see `ranking` and `split.folds`.
        top: how many columns of each to look at.
    """
    best = [set(each[:top]) for each in rankings]
    shares = [len(one & other) / top for one, other in itertools.combinations(best, 2)]
    return float(np.mean(shares)) if shares else None


def _common_columns(evidence: Mapping[str, Evidence]) -> tuple[str, ...]:
    if not evidence:
        raise BadParameter("there is no pair to select columns for; pass the evidence of one pair or more")
    first = min(evidence)
    columns = evidence[first].columns
    for pair in sorted(evidence):
        if evidence[pair].columns != columns:
            different = sorted(set(columns) ^ set(evidence[pair].columns)) or "their order"
            raise BadParameter(
                f"{first} and {pair} were offered different columns: {different}; build both data sets "
                "with the same version of the catalogue"
            )
    strange = [name for name in columns if name not in FEATURES]
    if strange:
        raise BadParameter(f"not in the catalogue of features: {', '.join(strange)}; leave them out")
    return columns


def _mean_importance(pairs: Sequence[Floats], columns: Sequence[str]) -> dict[str, float]:
    """Mean over pairs, rounded so that the last bits of a sum decide no tie."""
    mean = np.array(pairs).mean(axis=0)
    return {name: round(float(value), 12) for name, value in zip(columns, mean, strict=True)}


def _ranked(importance: Mapping[str, float]) -> list[str]:
    return sorted(importance, key=lambda name: (-importance[name], FEATURES[name].warm, name))


def _unfit(evidence: Mapping[str, Evidence], columns: tuple[str, ...]) -> dict[str, str]:
    """Step 1, with its reasons."""
    names = sorted(evidence)
    nulls = np.array([evidence[pair].null_share for pair in names])
    constant = np.all([evidence[pair].constant for pair in names], axis=0)
    dropped = {}
    for number, name in enumerate(columns):
        worst = int(nulls[:, number].argmax())
        if nulls[worst, number] > MAX_NULL:
            dropped[name] = f"{nulls[worst, number]:.1%} NULL on the training rows of {names[worst]}"
        elif constant[number]:
            dropped[name] = "constant on the training rows of every pair"
    return dropped


def _mean_rho(pairs: Sequence[Evidence]) -> Floats:
    """Mean over the pairs where it is defined; 0 where it is in none."""
    total = np.zeros(pairs[0].rho.shape)
    count = np.zeros(pairs[0].rho.shape)
    for pair in pairs:
        total += np.nan_to_num(pair.rho, nan=0.0)
        count += ~np.isnan(pair.rho)
    return total / np.maximum(count, 1)


def _prune(candidates: list[str], rho: Floats, columns: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """Step 3: those that no better survivor resembles, still ranked, and the reasons of the others."""
    number = {name: row for row, name in enumerate(columns)}
    kept: list[str] = []
    rows: list[int] = []
    reasons = {}
    for name in candidates:
        alike = rho[number[name], rows]
        if alike.size and alike.max() > MAX_RHO:
            nearest = kept[int(alike.argmax())]
            reasons[name] = f"abs(rho) {alike.max():.3f} with {nearest}, which ranks higher"
        else:
            kept.append(name)
            rows.append(number[name])
    return kept, reasons


def _fill(survivors: list[str], weak: set[str], quotas: Mapping[str, int]) -> set[str]:
    """Step 4. Weak columns only enter where the strong ones leave places, and as the least dual columns."""
    total = sum(quotas.values())
    dual = [name for name in survivors if FEATURES[name].table == "dual"]
    least = min(FEWEST_DUAL, quotas["dual"])
    chosen = set(dual[:least]) if len(dual) >= least else set()
    for strength in (False, True):
        pool = [name for name in survivors if (name in weak) == strength]
        for within_quota in (True, False):
            _take(pool, chosen, quotas if within_quota else {}, total)
    return chosen


def _take(pool: list[str], chosen: set[str], quotas: Mapping[str, int], total: int) -> None:
    """Add columns in order of rank while there are places: of the bucket, if it has a quota, and in all."""
    taken = {each: sum(bucket(FEATURES[name]) == each for name in chosen) for each in quotas}
    for name in pool:
        if len(chosen) >= total:
            return
        each = bucket(FEATURES[name])
        if name in chosen or (quotas and taken[each] >= quotas[each]):
            continue
        chosen.add(name)
        if quotas:
            taken[each] += 1


def _too_weak(importance: float) -> str:
    return f"importance {importance:.6f} is below {MIN_IMPORTANCE}"


def _note(chosen: int, weak: int, total: int) -> str:
    notes = []
    if chosen < total:
        notes.append(f"only {chosen} of {total} columns: no other survives the checks on NULL and likeness")
    if weak:
        notes.append(f"{weak} columns below importance {MIN_IMPORTANCE} fill places that no better one takes")
    return "; ".join(notes)
