"""What the machine of `test_any_order` works with: databases to begin with, and what must be true in them.

Nothing here asks the product whether it is right: legacy values are read from the tables by name, and
features are computed in one go over the whole history of the bars that are in the database at that moment.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include.build import chunks, code
from include.build.coverage import check_coverage
from include.build.months import build
from include.build.shared import build_shared
from include.dataset import publish, report, steps, targets
from include.dataset.export import open_manifest, read_split
from include.dataset.split import SETS
from include.errors import BqxError, MissingInput
from include.features import catalogue, engine
from include.features.bars import Bars
from include.features.catalogue import STORED
from include.features.grid import make_grid
from include.features.series import Series
from include.features.shared import compute_shared
from include.features.xpair import Related
from include.market.load import load_pair, prepare
from include.market.request import LoadRequest
from include.market.synthetic import simulate
from include.names import LEGACY, Month, to_datetime, to_minute
from include.objects import ObjectStore
from include.plan import counts
from include.quality.gate import check_stage
from include.storage.connection import Connection, connect
from include.storage.tables import SHARED
from local.legacy import build_legacy
from local.postgres import Postgres
from tests import s3
from tests.faults.migrations import carry_out, request
from tests.include.dataset import worlds
from tests.include.market.bar_files import write
from tests.reports import in_folder

PAIR, _ = PAIRS = ("eurusd", "gbpusd")  # the first has legacy tables and features, both have bars
FIRST = datetime(2024, 7, 30, tzinfo=UTC)
ENDS = {"short": datetime(2024, 8, 2, tzinfo=UTC), "long": datetime(2024, 8, 3, tzinfo=UTC)}
MONTHS = (Month(2024, 7), Month(2024, 8))
DONE, LEGACY_ONLY, LATE = STARTS = ("all done", "legacy only", "legacy tables are restored late")
OLD_NAMES = {family: f"{prefix}_{PAIR}" for family, prefix in LEGACY.items()} | {"reg_bqx": f"reg_bqx_{PAIR}"}
NEW_NAMES = {family: f"{family}_{PAIR}" for family in OLD_NAMES}
SMALLEST = {"trees": 2, "max_folds": 0, "sample_rows": 300}  # of a data set
ALWAYS = ("w60_r2", "mean_20", "corr_gbp_usd_20", "bqx_corr_gbp_usd_20")  # columns that are always compared
CHANGED = {"statistics_bqx": "mean_20", "ma": "sma_5"}  # formulas that differ between versions of the code
FAMILIES = (
    STORED,
    ("reg_bqx", "reg_idx"),
    ("correlation_idx", "correlation_bqx"),
    ("statistics_bqx", "technical_idx", "spread_idx"),
)
CORRECTIONS = {
    "close": "close = close * 1.0004, high = greatest(high, close * 1.0004)",
    "spread": "spread_close = spread_close * 2",
    "volume": "volume = volume + 7",
    "no price": "close = NULL",
}
DELETED = (SHARED, "m1", "bqx", "reg_bqx", "reg_idx", "statistics_idx", "technical_bqx", "correlation_bqx")
MOMENTS = (  # at which a worker is killed
    "^commit$", "^committed$", "ATTACH PARTITION", "^write", "INSERT INTO bqx", "RENAME", "UPDATE bqx",
    "PUT", "",
)  # fmt: skip
ADVICE = re.compile(  # what a person can do, in some words
    r"\b(run|start|load|build|choose|clear|rename|drop|write|open|mend|correct|leave|find out|plan|take|give"
    r"|save|end|let)\b",
    re.IGNORECASE,
)
REAL_VERSION = code.code_version()

_RELATIONS = """
SELECT relnamespace::REGNAMESPACE::TEXT, relname::TEXT FROM pg_class
WHERE relnamespace::REGNAMESPACE::TEXT IN ('bqx', 'backup') AND relkind IN ('p', 'r') AND NOT relispartition
"""
_COLUMNS = """
SELECT attname::TEXT FROM pg_attribute WHERE attrelid = %s::REGCLASS AND attnum > 0 AND NOT attisdropped
"""
_MINUTE = "(extract(EPOCH FROM ts_utc) / 60)::BIGINT"

Values = dict[str, dict[int, str]]  # by family and minute: the legacy columns of the row as one text


def load_all(url: str, wanted: LoadRequest) -> None:
    """What the DAG bqx_load does."""
    for pair in prepare(url, wanted)["pairs"]:
        load_pair(url, wanted, pair)


def features_all(url: str, reports: Path, gated: Sequence[str] = STORED) -> None:
    """What the DAG bqx_features does for the one pair; the gate looks at some families."""
    assert build_shared(url)["left_out"] == {}
    build(url, PAIR, STORED)
    check_stage(url, PAIR, gated, reports=in_folder(reports), run_label="all")
    check_coverage(url, [PAIR], STORED)


def data_set(store: ObjectStore, url: str, frame: Mapping[str, Any], task: str, reports: Path) -> None:
    """One task of the DAG bqx_dataset."""
    if task == "choose":
        steps.choose(store, frame)
    else:
        last = in_folder(reports) if task == "publish" else PAIR
        getattr(steps, task)(url, store, frame, last)


def data_set_alone(port: int, url: str, frame: Mapping[str, Any], tasks: Sequence[str], folder: Path) -> None:
    """Some tasks in a process of its own."""
    report.draw = worlds.plain_report
    for task in tasks:
        data_set(ObjectStore(s3.connect(port), "bqx-test"), url, frame, task, folder)


def refusable(version: int, work: Callable[..., Any], *args: Any) -> None:
    """For a worker: the code in some version; it may refuse, and nothing else may go wrong."""
    with pytest.MonkeyPatch.context() as patch:
        set_version(patch, version)
        try:
            work(*args)
        except BqxError as error:
            print(type(error).__name__, error)


def set_version(patch: pytest.MonkeyPatch, version: int) -> None:
    """From now on the code is another one: it calls itself so, and some of its formulas give other values."""
    patch.undo()
    if version == 0:
        return
    for module in (chunks, counts, publish):  # those that ask for it
        patch.setattr(module, "code_version", lambda: f"{REAL_VERSION}-{version}")
    for family, column in CHANGED.items():
        formula, domain = engine._COMPUTE[family]

        def changed(series: Series, domain: str, formula=formula, column=column) -> dict[str, np.ndarray]:
            columns = formula(series, domain)
            return columns | {column: columns[column] + version}

        patch.setitem(engine._COMPUTE, family, (changed, domain))


class Lab:
    """Databases to begin with, files of bars, and a store for data sets."""

    def __init__(self, server: Postgres, store: ObjectStore, folder: Path):
        self.server, self.store, self.folder = server, store, folder
        self.numbers = itertools.count()
        simulated = {name: (to_minute(FIRST), to_minute(end), 5, 0.0, PAIRS) for name, end in ENDS.items()}
        self.bars = {str(folder / name): simulate(*wanted) for name, wanted in simulated.items()}
        for files, bars in self.bars.items():
            Path(files).mkdir()
            for pair in PAIRS:
                write(Path(files), pair, bars[pair])
        self.templates = {start: f"start_{number}_{id(self)}" for number, start in enumerate(STARTS)}
        for start, name in self.templates.items():
            server.create_database(name)
            url, kept = server.url(name), folder / start
            extra = {"step_minutes": 360, "reg_extra_months": 1, "decoys": False}
            build_legacy(url, pairs=[PAIR], months=MONTHS, **extra)
            if start == DONE:
                carry_out(url, kept, request([PAIR]))
            elif start == LATE:
                move(url, "bqx", "backup")
            else:
                self._remember(url)
            if start != LEGACY_ONLY:
                load_all(url, LoadRequest(self.files("short"), PAIRS, price_side="bid"))
                features_all(url, kept)

    def files(self, name: str) -> str:
        """Folder of the files of bars."""
        return str(self.folder / name)

    @contextmanager
    def database(self, start: str) -> Iterator[str]:
        """URL of a database like one of those to begin with."""
        with worlds.database(self.server, self.templates[start]) as name:
            yield self.server.url(name)

    def _remember(self, url: str) -> None:
        with connect(url) as connection:
            self.columns = {
                family: [name for name in columns_of(connection, "bqx", old) if name != "ts_utc"]
                for family, old in OLD_NAMES.items()
            }
            self.values = self.legacy_values(connection)

    def is_published(self, dataset_id: str) -> bool:
        """Whether readers see a data set."""
        with suppress(MissingInput):
            return bool(open_manifest(self.store, dataset_id))
        return False

    def legacy_values(self, connection: Connection) -> Values:
        """Every legacy value that is in the database, wherever it is; no minute has two different ones."""
        there = set(connection.execute(_RELATIONS).fetchall())
        found: Values = {}
        for family, old in OLD_NAMES.items():
            new, rows = NEW_NAMES[family], found.setdefault(family, {})
            for place in {("bqx", old), ("bqx", new), ("bqx", f"{new}_legacy_rows"), ("backup", old)} & there:
                for minute, values in self._legacy_rows(connection, family, *place):
                    known = rows.setdefault(minute, values)
                    assert known == values, f"{family} at {to_datetime(minute)}: {known} and {values}"
        return found

    def _legacy_rows(self, connection: Connection, family: str, *place: str) -> Iterator[tuple[int, str]]:
        names = self._present_names(connection, family, *place)
        if names:
            query = f"SELECT {_MINUTE}, row({{0}})::TEXT FROM {{1}} WHERE NOT (row({{0}}) IS NULL)"
            columns = sql.SQL(", ").join(map(sql.Identifier, names))
            yield from connection.execute(sql.SQL(query).format(columns, sql.Identifier(*place)))

    def _present_names(self, connection: Connection, family: str, *place: str) -> list[str]:
        """What the legacy columns are called in a table; nothing if the builds made all of it."""
        present, legacy = columns_of(connection, *place), self.columns.get(family, [])
        if not {*legacy} - _catalogue(family) <= {*present}:
            return []
        return [f"legacy_{name}" if f"legacy_{name}" in present else name for name in legacy]

    def clashing(self, connection: Connection, family: str) -> set[str]:
        """Columns of a table that have a name of the catalogue and hold legacy values."""
        name = f"{family}_{PAIR}"
        assert _catalogue(family) <= {*columns_of(connection, "bqx", name)}, f"{name} lacks columns"
        return _catalogue(family) & {*self._present_names(connection, family, "bqx", name)}


def _catalogue(family: str) -> set[str]:
    return {column.name for column in catalogue.family(family).columns}


def columns_of(connection: Connection, schema: str, name: str) -> list[str]:
    """Columns of a table, in order."""
    return [str(column) for (column,) in connection.execute(_COLUMNS, [f"{schema}.{name}"])]


def tables_of(connection: Connection) -> set[str]:
    """Names of our tables, partitions left out."""
    return {str(name) for schema, name in connection.execute(_RELATIONS) if schema == "bqx"}


def move(url: str, source: str, target: str) -> None:
    """Move the legacy tables from one schema to another; what has their name there is dropped."""
    with psycopg.connect(url) as connection:
        schema = sql.Identifier(target)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        for old in OLD_NAMES.values():
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(target, old)))
            tree = "SELECT relid::REGCLASS::TEXT FROM pg_partition_tree(%s)"
            for (name,) in connection.execute(tree, [f"{source}.{old}"]).fetchall():
                connection.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.SQL(name), schema))


def by_hand(connection: Connection, change: str, table: str, place: float, rows: int) -> set[int]:
    """Somebody changes some rows of a table; their minutes.

    Args:
        connection: a session.
        change: the statement without its condition.
        table: the table.
        place: where its first row lies, as a share of all rows.
        rows: how many rows, at most.
    """
    (count,) = connection.execute(f"SELECT count(*) FROM bqx.{table}").fetchone()
    some = f"SELECT ts_utc FROM bqx.{table} ORDER BY ts_utc OFFSET {int(place * count)} LIMIT {rows}"
    found = connection.execute(f"{change} WHERE ts_utc IN ({some}) RETURNING {_MINUTE}")
    return {int(minute) for (minute,) in found}


def difference(found: Values, expected: Values) -> str:
    """How legacy values differ, for people; empty if they do not."""
    told = []
    for family, rows in expected.items():
        changed = sorted(rows.items() ^ found[family].items())
        if changed:
            where = to_datetime(changed[0][0])
            told.append(
                f"{family} has {len(found[family])} rows, not {len(rows)}, or other values at {where}"
            )
    return "; ".join(told)


class Truth:
    """What follows from the bars that are in the database, computed over their whole history at once."""

    def __init__(self, connection: Connection):
        rates = dict(connection.execute("SELECT pair, baseline_rate FROM bqx.baseline_rates").fetchall())
        (last,) = connection.execute("SELECT max(watermark) FROM bqx.loads").fetchone()
        every = {
            pair: Series.of(make_grid(bars_of(connection, pair), to_minute(last)), float(rate), 0.5)
            for pair, rate in rates.items()
        }
        self.series = series = every.pop(PAIR)
        others = {"shared": compute_shared(every | {PAIR: series}), "related": Related(every)}
        self.columns = cache(lambda family: engine.compute(family, series, pair=PAIR, **others))

    def assert_stored(self, connection: Connection, family: str) -> None:
        """The table of a family holds this: its rows, and each ninth column."""
        table, every = f"{family}_{PAIR}", [column.name for column in catalogue.family(family).columns]
        names = [name for number, name in enumerate(every) if number % 9 == 0 or name in ALWAYS]
        rows = connection.execute(f"SELECT {_MINUTE}, {', '.join(names)} FROM bqx.{table} ORDER BY ts_utc")
        found = np.array(rows.fetchall(), np.float64).reshape(-1, 1 + len(names))
        built = np.isin(_months(found[:, 0]), _months(self.series.ts))
        assert np.isnan(found[~built, 1:]).all(), f"{table} has values in a month without bars"
        _assert_rows(found[built, 0], self.series.ts, table)
        for name, values in zip(names, found[built, 1:].T, strict=True):
            _assert_close(values, self.columns(family)[name], 1e-9, f"{table}.{name}")

    def assert_published(self, store: ObjectStore, dataset_id: str) -> None:
        """The data set holds this: its rows, all its features, a target."""
        manifest = open_manifest(store, dataset_id)
        series, q = self.series, dict(zip(self.series.ts.tolist(), self.series.q[15], strict=True))
        names = [name.partition("__") for name in manifest.columns_selected]
        features = {"__".join([family, name]): self.columns(family)[name] for family, _, name in names}
        assert len({family for family, *_ in names}) > 15
        usable = targets.is_trainable(series.ts, series.is_filled)
        usable &= ~np.isnan(list(features.values())).any(axis=0)
        for part in SETS:
            table = read_split(store, manifest, PAIR, part)
            first, end = (
                to_minute(datetime.fromisoformat(manifest.splits[part][one])) for one in ("from", "to")
            )
            rows = usable & (series.ts >= first) & (series.ts < end)
            ts = table["ts_utc"].to_numpy().astype("datetime64[m]").astype(np.int64)
            _assert_rows(ts, series.ts[rows], f"{dataset_id} {part}")
            ahead = np.array([q[minute + 15] for minute in ts.tolist()])
            wanted = {"base__rate_index": (series.S[rows], 1e-12), "target__w15_h15": (ahead, 1e-9)}
            wanted |= {name: (values[rows], 1e-6) for name, values in features.items()}
            for name, (values, tolerance) in wanted.items():
                _assert_close(table[name].to_numpy(), values, tolerance, f"{dataset_id} {part} {name}")


def _months(minutes: np.ndarray) -> np.ndarray:
    return minutes.astype("datetime64[m]").astype("datetime64[M]")


def _assert_rows(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    lost, more = np.setdiff1d(wanted, found), np.setdiff1d(found, wanted)
    told = [f"{len(some)}, first {to_datetime(int(some[0]))}" for some in (lost, more) if len(some)]
    assert not told, f"{what}: {len(lost)} rows lost, {len(more)} too many: {told}"


def _assert_close(found: np.ndarray, wanted: np.ndarray, tolerance: float, what: str) -> None:
    """Equal relative to the value or to the usual size of the column; NULL in the same rows."""
    found, known = found.astype(np.float64), ~np.isnan(wanted)
    assert np.array_equal(~np.isnan(found), known), f"{what}: NULL in other rows"
    found, wanted = found[known], wanted[known]
    usual = np.sqrt(np.mean(wanted**2)) if len(wanted) else 0.0
    off = np.abs(found - wanted) / np.maximum(np.maximum(np.abs(wanted), usual), 1e-300)
    assert (off <= tolerance).all(), (
        f"{what} does not follow from the bars: off by {off.max():.3g} of its size"
    )


def bars_of(connection: Connection, pair: str) -> Bars:
    """All bars of a pair that are in the database."""
    names = "open, high, low, close, volume, spread_close"
    rows = connection.execute(f"SELECT {_MINUTE}, {names} FROM bqx.m1_{pair} ORDER BY ts_utc").fetchall()
    ts, *columns = np.array(rows, np.float64).reshape(-1, 7).T
    return Bars(ts.astype(np.int64), *map(np.ascontiguousarray, columns))


def all_readable(connection: Connection) -> bool:
    """Whether every bar that is there has a price."""
    pairs = [pair for pair in PAIRS if f"m1_{pair}" in tables_of(connection)]
    return not any(np.isnan(bars_of(connection, pair).close).any() for pair in pairs)


def assert_loaded(connection: Connection, files: Mapping[str, Bars], wanted: LoadRequest) -> None:
    """The bars in the database are those of the files, where these were loaded."""
    for pair in wanted.pairs:
        bars = files[pair]
        first, end = max(int(bars.ts[0]), wanted.limits[0]), int(bars.ts[-1]) + 1
        found, loaded = bars_of(connection, pair).slice(first, end), bars.slice(first, end)
        for name in vars(bars):
            assert np.array_equal(getattr(found, name), getattr(loaded, name)), f"{name} of {pair}"
