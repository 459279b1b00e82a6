"""A database as the origin left it: the legacy feature tables that the migration renames, simulated.

Seven families per pair with their legacy columns, types, months and secondary indexes; objects that
depend on them; decoys whose names only look alike. Values come from a hash of the minute, so the same
seed gives the same rows. Nothing of it is market data.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from psycopg import sql

from include.errors import BadParameter
from include.names import Month, partition, table, to_datetime
from include.pairs import PAIRS
from include.storage.connection import Connection, connect, qualified

DOUBLE, SMALLINT, NUMERIC = "DOUBLE PRECISION", "SMALLINT", "NUMERIC"
STAMP = "TIMESTAMPTZ DEFAULT now()"
LOADED_AT = "2025-10-28 06:00:00+00"  # what created_at says in every row
WORKERS = 2  # pairs at a time: the server computes, one core each

REG_WINDOWS = (60, 90, 150, 240, 390, 630)
REG_NAMES = ("a_coef", "b_coef", "c_coef", "a_term", "b_term", "r2", "rmse", "yhat_end", "resid_end")
CLASHING_REG_BQX = 3  # so many pairs have a reg_bqx table, with names that the catalogue uses too
INDEXED = ("reg", "statistics_features")  # families with a secondary index


class Column(NamedTuple):
    """A legacy column: its SQL type and ``middle + scale * sin(...)``, NULL for the first `warm` minutes.

    `warm` None stands for a column that the origin never filled.
    """

    sql_type: str = DOUBLE
    middle: float = 0.0
    scale: float = 1.0
    warm: int | None = 60


SQL = Path(__file__).with_name("sql")


def _statement(name: str, /, **parts: sql.Composable) -> sql.Composed:
    """The statement of ``local/sql/{name}.sql`` with its placeholders composed safely."""
    return sql.SQL((SQL / f"{name}.sql").read_text(encoding="utf-8")).format(**parts)


def _columns(names: str, column: Column = Column()) -> dict[str, Column]:  # noqa: B008  (immutable)
    return dict.fromkeys(names.split(), column)


_FLAG, _SIGN, _NEVER = Column(SMALLINT, 0.5, 0.5), Column(SMALLINT), Column(warm=None)
_PRICE, _SHARE, _POSITIVE = Column(middle=1.1, scale=0.05), Column(middle=0.5, scale=0.5), Column(middle=2.0)

_FITS = {f"w{w}_{name}": Column(middle=0.3, scale=0.3, warm=w) for w in REG_WINDOWS for name in REG_NAMES}

FAMILIES: dict[str, dict[str, Column]] = {
    "reg": {"rate_index": Column(NUMERIC, 100.0, 2.0, 0)} | _FITS | {"created_at": Column(STAMP)},
    "statistics_features": _columns(
        "skewness_60min kurtosis_60min median_absolute_deviation_60min entropy_60min autocorrelation_lag1"
    ),
    "bollinger_features": _columns(
        "bollinger_upper_20 bollinger_middle_20 bollinger_lower_20 bollinger_width_20", _PRICE
    )
    | _columns("bollinger_percent_b", _SHARE),
    "fibonacci_features": _columns(
        "fib_retracement_236 fib_retracement_382 fib_retracement_500 fib_retracement_618 fib_retracement_786 "
        "fib_extension_1618 fib_extension_2618 fib_extension_4236 fib_fan_upper fib_fan_middle fib_fan_lower "
        "fib_arc_radius",
        _PRICE,
    ),
    "volume_features": _columns("w15_volume_ratio w30_volume_ratio w60_volume_ratio", _POSITIVE)
    | _columns("volume_spike", _FLAG)
    | _columns("volume_trend_slope")
    | _columns("cumulative_volume_60min", Column(middle=5000.0, scale=4000.0))
    | _columns("volume_weighted_return volume_price_correlation_60min")
    | _columns("relative_volume_position volume_volatility_60min", _SHARE),
    "spread_features": _columns("spread_mean_60min spread_volatility_60min spread_pct_of_rate", _POSITIVE)
    | _columns("spread_trend_slope")
    | _columns("spread_spike", _FLAG)
    | _columns("bid_ask_imbalance")
    | _columns("effective_spread quoted_spread realized_spread price_impact roll_cost", _POSITIVE)
    | _columns("bid_depth ask_depth depth_imbalance", _NEVER)
    | _columns("spread_range_60min spread_percentile_60min mid_price_volatility", _SHARE)
    | _columns("tick_direction tick_rule", _SIGN)
    | _columns("order_flow_toxicity", _SHARE),
    "correlation_features": _columns(
        "corr_base_pairs_15min corr_base_pairs_60min corr_quote_pairs_15min corr_quote_pairs_60min "
        "relative_strength_vs_base_pairs relative_strength_vs_quote_pairs base_pair_divergence "
        "quote_pair_divergence triangular_arb_divergence cross_pair_momentum_divergence "
        "correlation_stability lead_lag_indicator cointegration_residual pair_spread_z_score "
        "cross_pair_volatility_ratio"
    ),
}
EMPTY = "correlation_features"  # the origin made its tables and never filled them
REG_BQX = _FITS | {"created_at": Column(STAMP)}
DECOYS: dict[str, dict[str, Column]] = {
    "regime": _columns("regime_id", _FLAG) | _columns("w60_r2", _SHARE),
    "time_features": _columns("minute_sin minute_cos"),
    "technical_features": _columns("rsi_14 macd_line"),
    "correlation": _columns("corr_eurusd corr_gbpusd"),
}


def build_legacy(
    url: str,
    *,
    pairs: Sequence[str] = PAIRS,
    months: Sequence[Month],
    step_minutes: int = 15,
    reg_extra_months: int = 0,
    seed: int = 7,
    decoys: bool = True,
) -> dict[str, int]:
    """Make the legacy tables of pairs that have none: one transaction per pair, safe to run again.

    Args:
        url: libpq connection string.
        pairs: the currency pairs.
        months: months of every family, in order.
        step_minutes: a row every so many minutes, while the market is open.
        reg_extra_months: further months, after the last one, that only reg has.
        seed: another seed gives other values.
        decoys: also make what must not be renamed, and what depends on the tables of the first pair.

    Returns:
        How many pairs, parents, partitions and rows were made; all 0 if everything was there, also under
        its new names.

    Raises:
        BadParameter: no month was given.
    """
    if not months:
        raise BadParameter("A legacy database needs at least one month.")
    simulation = _Simulation(tuple(months), step_minutes, reg_extra_months, seed)
    with connect(url) as connection:
        connection.execute(_statement("create_marker"))
        missing = [pair for pair in pairs if not _is_there(connection, pair)]

    def work(pair: str) -> _Made:
        with connect(url) as session, session.transaction():
            made = simulation.make_pair(session, pair, reg_bqx=pair in pairs[:CLASHING_REG_BQX])
            if decoys and pair == pairs[0]:
                simulation.make_decoys(session, pair)
            mark = "INSERT INTO bqx.legacy_fixture (pair, row_count) VALUES (%s, %s)"
            session.execute(mark, [pair, made.rows])
        return made

    with ThreadPoolExecutor(WORKERS) as pool:
        made = list(pool.map(work, missing))
    return {
        "pairs": len(made),
        "parents": sum(one.parents for one in made),
        "partitions": sum(one.partitions for one in made),
        "rows": sum(one.rows for one in made),
    }


def _is_there(connection: Connection, pair: str) -> bool:
    """The pair was made by us, perhaps renamed since, or it has real tables."""
    query = """
        SELECT EXISTS (SELECT 1 FROM bqx.legacy_fixture WHERE pair = %s)
        OR to_regclass(%s) IS NOT NULL OR to_regclass(%s) IS NOT NULL
    """
    row = connection.execute(query, [pair, f"bqx.reg_{pair}", f"bqx.reg_idx_{pair}"]).fetchone()
    return row is not None and bool(row[0])


class _Made(NamedTuple):
    parents: int
    partitions: int
    rows: int


class _Simulation(NamedTuple):
    months: tuple[Month, ...]
    step: int
    reg_extra_months: int
    seed: int

    def make_pair(self, connection: Connection, pair: str, *, reg_bqx: bool) -> _Made:
        """The seven families of a pair, and its reg_bqx table if it has one."""
        made = []
        for family, columns in FAMILIES.items():
            months = self._longer() if family == "reg" else self.months
            made.append(self._make_table(connection, table(family, pair), columns, months))
        if reg_bqx:
            made.append(self._make_table(connection, table("reg_bqx", pair), REG_BQX, self.months))
        return _Made(*(sum(numbers) for numbers in zip(*made, strict=True)))

    def make_decoys(self, connection: Connection, pair: str) -> None:
        """What looks like a legacy table and is none, and what depends on those of one pair."""
        for family, columns in DECOYS.items():
            self._make_table(connection, table(family, pair), columns, self.months[:1])
        connection.execute(_statement("create_decoys", bqx_columns=_declared(_origin_bqx())))
        connection.execute(_dependents(pair))

    def _longer(self) -> tuple[Month, ...]:
        months = list(self.months)
        for _ in range(self.reg_extra_months):
            months.append(months[-1].next)
        return tuple(months)

    def _make_table(
        self, connection: Connection, name: str, columns: dict[str, Column], months: Sequence[Month]
    ) -> _Made:
        connection.execute(_statement("create_parent", table=qualified(name), columns=_declared(columns)))
        family = name.rpartition("_")[0]
        if family in INDEXED:
            index = sql.SQL("CREATE INDEX {} ON {} (ts_utc DESC)")
            connection.execute(index.format(sql.Identifier(f"idx_{name}_ts"), qualified(name)))
        rows = 0
        for month in months:
            connection.execute(_partition(name, month))
            if family != EMPTY:
                rows += connection.execute(self._filled(name, month, columns)).rowcount
        return _Made(1, len(months), rows)

    def _filled(self, name: str, month: Month, columns: dict[str, Column]) -> sql.Composed:
        filled = {column: spec for column, spec in columns.items() if spec.warm is not None}
        return _statement(
            "fill_month",
            partition=qualified(partition(name, month)),
            columns=sql.SQL(", ").join(map(sql.Identifier, filled)),
            formulas=sql.SQL(",\n    ").join(_formula(spec, 1 + i) for i, spec in enumerate(filled.values())),
            since=sql.Literal(_start(self.months[0])),
            first=sql.Literal(_start(month)),
            last=sql.Literal(to_datetime(month.end_minute - 1).isoformat()),
            step=sql.Literal(self.step),
            label=sql.Literal(name),
            seed=sql.Literal(self.seed),
        )


def _declared(columns: dict[str, Column]) -> sql.Composable:
    lines = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(spec.sql_type))
        for name, spec in columns.items()
    ]
    return sql.SQL(",\n    ").join(lines)


def _formula(spec: Column, place: int) -> sql.Composable:
    """The value of a column in ``fill_month.sql``; `place` makes columns of a row differ."""
    if spec.sql_type == STAMP:
        return sql.SQL("{}::TIMESTAMPTZ").format(sql.Literal(LOADED_AT))
    value = sql.SQL("CASE WHEN age >= {warm} THEN ({middle} + {scale} * sin(angle * {place}))::{kind} END")
    return value.format(
        warm=sql.Literal(spec.warm),
        middle=sql.Literal(spec.middle),
        scale=sql.Literal(spec.scale),
        place=sql.Literal(place),
        kind=sql.SQL(spec.sql_type),
    )


def _partition(name: str, month: Month) -> sql.Composed:
    return _statement(
        "create_partition",
        partition=qualified(partition(name, month)),
        table=qualified(name),
        first=sql.Literal(_start(month)),
        end=sql.Literal(_start(month.next)),
    )


def _start(month: Month) -> str:
    return f"{month}-01 00:00:00+00"


def _origin_bqx() -> dict[str, Column]:
    """The columns of the origin's bqx tables besides ``rate_index``."""
    windowed = ("return", "max_index", "min_index", "avg_index", "stdev_index")
    names = [f"w{w}_bqx_{name}" for w in (15, 30, 45, 60, 75) for name in (*windowed, "endpoint")]
    names += [f"agg_bqx_{name}" for name in (*windowed, "range", "volatility")]
    return dict.fromkeys(names, Column(NUMERIC))


def _dependents(pair: str) -> sql.Composed:
    reg, statistics, volume = (
        table(name, pair) for name in ("reg", "statistics_features", "volume_features")
    )
    body = f"BEGIN RETURN (SELECT rate_index FROM bqx.{reg} ORDER BY ts_utc DESC LIMIT 1); END"  # noqa: S608
    return _statement(
        "create_dependents",
        reg=qualified(reg),
        statistics=qualified(statistics),
        volume=qualified(volume),
        filtered=sql.Identifier("bqx_features", f"usable_statistics_{pair}"),
        joined=qualified(f"training_{pair}"),
        latest=qualified("latest_rate_index"),
        sequence=qualified(f"{volume}_batch_seq"),
        body=sql.Literal(body),
    )
