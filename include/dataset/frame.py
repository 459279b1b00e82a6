"""What a data set is to be: its period, split, folds and sizes, decided once before anything is computed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from include.build.code import outlines
from include.build.coverage import gaps_of
from include.build.freshness import Freshness, check_freshness, describe
from include.build.months import wanted_months
from include.dataset.manifest import check_id
from include.dataset.split import DAY, Fold, Interval, Split, folds, split
from include.dataset.targets import learned_windows
from include.dataset.week import cut
from include.errors import BadParameter, Incomplete, MissingInput
from include.features.catalogue import STORED
from include.forms import DATASET_PARAMS
from include.names import Month, months_between, to_datetime, to_minute
from include.names import table as name_of
from include.pairs import PAIRS
from include.storage.bars import range_of_bars
from include.storage.connection import Connection, connect
from include.storage.fitness import bound_of
from include.storage.partitions import attached_months, oid_of
from include.storage.stage_order import refuse_unmigrated

__all__ = ["Frame", "default_id", "fresh_inputs", "plan_frame"]

LONGEST_ID = 128
AT_ONCE = 4  # pairs whose keys the server counts at the same time


@dataclass(frozen=True)
class Frame:
    """What every task of a run agrees on; plain enough to be handed from task to task.

    Attributes:
        dataset_id: name of the data set, for ever.
        named: a person chose the id, so nobody but a person deletes the data set.
        pairs: its pairs, in the order of `include.pairs.PAIRS`.
        start: first epoch minute of the period, a midnight UTC.
        end: the epoch minute after its last.
        months: months of the period, ``yyyy-mm``.
        split: where the rows of each set lie.
        folds: rolling folds inside the training interval whose rankings are compared.
        columns: ``selected`` or ``all``: which features the files have.
        target_window: of the targets that selection learns, see `targets.scaled_targets`.
        rows: sampled rows per pair and set, at most.
        trees: of the forest that ranks the columns of a pair.
        inputs: by pair and month, a hash over the bars and everything the stored tables were made from.
            What is read later must still be this.
        tables: hash over the stored partitions as the server knows them, and over the code that makes data
            sets: another frame that is equal in all but its id gives the same data set.
    """

    dataset_id: str
    named: bool
    pairs: tuple[str, ...]
    start: int
    end: int
    months: tuple[str, ...]
    split: Split
    folds: tuple[Fold, ...]
    columns: str
    target_window: str
    rows: int
    trees: int
    inputs: Mapping[str, Mapping[str, str]]
    tables: str = ""

    @property
    def is_cut_in_trading_time(self) -> bool:
        """Whether a set would hold no trading day if the period were cut by the clock."""
        return self.split != split(self.start, self.end)

    @property
    def fingerprint(self) -> str:
        """Short hash of everything in the frame: results of two different frames never mix."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self)
        return plain | {name: list(plain[name]) for name in ("pairs", "months", "folds")}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Frame:
        """The frame that `to_dict` wrote."""
        found = tuple(
            Fold(one["number"], Interval(**one["train"]), Interval(**one["test"])) for one in plain["folds"]
        )
        changed = {
            "pairs": tuple(plain["pairs"]),
            "months": tuple(plain["months"]),
            "split": Split.of(plain["split"]),
            "folds": found,
        }
        return cls(**{**plain, **changed})


def plan_frame(url: str, pairs: Sequence[str], run_label: str, params: Mapping[str, Any]) -> Frame:
    """Decide what a data set is to be, and refuse what could not become one.

    Without days the period is that which the bars of all pairs reach, in whole UTC days. Without an id
    the data set is called ``{first day}_{last day}_{run_label}``.

    Args:
        url: libpq connection string.
        pairs: its pairs.
        run_label: name of the run.
        params: those of `include.forms.DATASET_PARAMS`; what is absent has its default.

    Raises:
        BadParameter: a pair, day, id or choice cannot be, or the period is too short to split, or has too
            little trading time.
        MissingInput: a pair was not loaded, or has no bars in a month of the period.
        MigrationDue: stage 1.6.9 has to be done for a pair first.
        Incomplete: stored tables of a pair lack months, or hold what does not follow from the present bars
            and code; tables, months and the run that heals them are named.
    """
    asked = {name: schema["default"] for name, schema in DATASET_PARAMS.items()} | dict(params)
    chosen = _checked(pairs, asked["columns"], asked["target_window"])
    with connect(url) as connection:
        refuse_unmigrated(connection, chosen)
        start, end, bars = _period(connection, chosen, asked["first_day"], asked["end_day"])
        whole = cut(start, end, bars)
        months = [str(month) for month in months_between(start, end - 1)]
        for pair in chosen:
            wanted_months(connection, pair, months=months)
    dataset_id = asked["dataset_id"] or default_id(start, end, run_label)
    check_id(dataset_id)
    _refuse_gaps(url, chosen, months)
    found = fresh_inputs(url, chosen, months)
    return Frame(
        dataset_id=dataset_id,
        named=bool(asked["dataset_id"]),
        pairs=chosen,
        start=start,
        end=end,
        months=tuple(months),
        split=whole,
        folds=_folds(whole.train, asked),
        columns=asked["columns"],
        target_window=asked["target_window"],
        rows=asked["sample_rows"],
        trees=asked["trees"],
        inputs=found.inputs,
        tables=_tables(url, chosen, months),
    )


def fresh_inputs(url: str, pairs: Sequence[str], months: Sequence[str]) -> Freshness:
    """What the stored tables of some months would be made from now, if that is what they were made from.

    Raises:
        Incomplete: some were not; tables, months and the run that heals them are named.
    """
    found = check_freshness(url, pairs, STORED, months)
    if found.stale:
        raise Incomplete(
            f"{len(found.stale):,} months of feature tables do not follow from the present bars and code: "
            f"{describe(found.stale)} Then start bqx_dataset again; nothing was published."
        )
    return found


def _tables(url: str, pairs: Sequence[str], months: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for told in outlines("dataset", sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(told.encode())
    wanted = [Month.parse(month) for month in months]
    with connect(url) as connection:
        for pair in pairs:
            for family in STORED:
                attached = attached_months(connection, name_of(family, pair))
                there = [attached[bound] for month in wanted if (bound := bound_of(month)) in attached]
                digest.update(repr([oid_of(connection, partition) for partition in there]).encode())
    return digest.hexdigest()[:16]


def _checked(pairs: Sequence[str], columns: str, target_window: str) -> tuple[str, ...]:
    """The pairs in their usual order, if everything chosen can be."""
    unknown = sorted(set(pairs) - set(PAIRS))
    if unknown or not pairs:
        raise BadParameter(
            f"{', '.join(unknown) or 'No pair'} cannot be in a data set; choose from {', '.join(PAIRS)}."
        )
    if columns not in ("selected", "all"):
        raise BadParameter(f"columns is {columns!r}; write selected or all.")
    learned_windows(target_window)
    return tuple(pair for pair in PAIRS if pair in pairs)


def _period(
    connection: Connection, pairs: Sequence[str], first_day: str | None, end_day: str | None
) -> tuple[int, int, Interval]:
    """First minute, the minute after the last, and what the bars of all pairs reach."""
    limits = {pair: range_of_bars(connection, pair) for pair in pairs}
    known = {pair: limit for pair, limit in limits.items() if limit is not None}
    if empty := [pair for pair in pairs if pair not in known]:
        raise MissingInput(f"{', '.join(empty)}: there are no bars. Load them first (DAG bqx_load).")
    first, last = max(limit[0] for limit in known.values()), min(limit[1] for limit in known.values())
    start = _minute(first_day, "first_day") if first_day else first // DAY * DAY
    end = _minute(end_day, "end_day") if end_day else (last // DAY + 1) * DAY
    if start >= end:
        raise BadParameter(
            f"The period would begin on {_day(start)} and end before {_day(end)}. The bars of all pairs "
            f"reach from {_day(first)} to {_day(last)}."
        )
    return start, end, Interval(first, last + 1)


def _minute(day: str, what: str) -> int:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise BadParameter(f"{what} is {day!r}; write a day as in 2024-07-01.") from None
    return to_minute(datetime(found.year, found.month, found.day, tzinfo=UTC))


def _refuse_gaps(url: str, pairs: Sequence[str], months: Sequence[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda pair: gaps_of(url, pair, STORED, months), pairs)
        faults = [gap for gaps in found for gap in gaps]
    if faults:
        raise Incomplete(
            f"{len(faults)} of {len(pairs)} pairs have incomplete feature tables. {' '.join(faults)} "
            "Build them first (DAG bqx_features), or choose other pairs or another period."
        )


def default_id(start: int, end: int, run_label: str) -> str:
    """Period and run, in the letters that an id may have; a name cut short keeps a hash of the whole."""
    label = re.sub(r"[^a-z0-9._-]+", "-", run_label.lower()).strip("-")
    name = f"{_day(start)}_{_day(end - 1)}_{label}".rstrip("_")
    if len(name) <= LONGEST_ID:
        return name
    digest = hashlib.sha256(run_label.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_ID - 9]}-{digest}"


def _day(minute: int) -> str:
    return f"{to_datetime(minute):%Y-%m-%d}"


def _folds(train: Interval, asked: Mapping[str, Any]) -> tuple[Fold, ...]:
    """At most `max_folds` of those that fit into the training interval, evenly spread over it."""
    days = {name: asked[f"fold_{name}"] for name in ("train_days", "test_days", "step_days")}
    possible = folds(train.start, train.end, **days)
    if len(possible) <= asked["max_folds"]:
        return possible
    places = np.linspace(0, len(possible) - 1, asked["max_folds"]).round().astype(int)
    return tuple(possible[place] for place in places)
