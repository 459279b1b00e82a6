"""A synthetic market: eight currencies from which all 28 pairs follow, seeded.

Without a signal the log-prices are martingales: no model can have skill on them. With a signal the
next minute repeats a part of the last half hour, which every honest model must find.
docs/synthetic_market.md describes the model.

    python -m include.market.synthetic --out market --from 2024-07-01 --to 2024-09-01 --seed 7
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path as FilePath

import pyarrow as pa
import pyarrow.parquet as pq

from include.errors import BadParameter
from include.features.bars import Bars
from include.market import synthetic_model as model
from include.market.formats.parquet import SCHEMA
from include.market.synthetic_currencies import currency_path, market_volatility
from include.market.synthetic_quotes import pair_bars
from include.names import to_datetime, to_minute
from include.pairs import CURRENCIES, PAIRS, base, quote

STRONGEST_SIGNAL = 0.9
_MICROSECONDS = 60_000_000


def simulate(
    start_minute: int, end_minute: int, seed: int, signal: float = 0.0, pairs: Collection[str] = PAIRS
) -> dict[str, Bars]:
    """Simulate bid bars.

    The same seed, start and signal give the same bars: a pair does not change when fewer pairs are
    asked for, nor a minute when the end moves.

    Args:
        start_minute: first epoch minute; prices begin at the values of `synthetic_model.MODEL` there.
        end_minute: first epoch minute no longer simulated.
        seed: any non-negative integer.
        signal: 0 for a martingale; otherwise the share of the mean one-minute return of the last 30
            trading minutes that the next minute is expected to repeat, -0.9 to 0.9.
        pairs: pairs wanted.

    Returns:
        Bars of each pair, in the order of `PAIRS`, with volume and spread.

    Raises:
        BadParameter: an argument is out of range, or the market never opens in the range.
    """
    return dict(_simulate(start_minute, end_minute, seed, signal, pairs))


def write_market(
    folder: FilePath,
    start_minute: int,
    end_minute: int,
    seed: int,
    signal: float = 0.0,
    pairs: Collection[str] = PAIRS,
) -> list[FilePath]:
    """Write ``{pair}.parquet`` for each pair and ``market.json`` with the parameters.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        start_minute: as for `simulate`, like the rest.
        end_minute: first epoch minute no longer simulated.
        seed: any non-negative integer.
        signal: planted momentum, 0 for a martingale.
        pairs: pairs wanted.

    Returns:
        Paths of the Parquet files.

    Raises:
        BadParameter: as for `simulate`, or the folder holds Parquet files of another market.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{pair}.parquet" for pair in pairs}
    foreign = sorted(path.name for path in folder.glob("*.parquet") if path.name not in wanted)
    if foreign:
        raise BadParameter(
            f"{folder} already holds {foreign[0]}, which would mix two markets: use an empty folder."
        )
    paths = []
    for pair, bars in _simulate(start_minute, end_minute, seed, signal, pairs):
        paths.append(folder / f"{pair}.parquet")
        _write_bars(paths[-1], bars)
    parameters = {
        "model": "bqx-synthetic",
        "version": model.VERSION,
        "from": to_datetime(start_minute).isoformat(),
        "to": to_datetime(end_minute).isoformat(),
        "seed": seed,
        "signal": signal,
        "pairs": [path.stem for path in paths],
        "price_side": "bid",
    }
    (folder / "market.json").write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")
    return paths


def _simulate(
    start: int, end: int, seed: int, signal: float, pairs: Collection[str]
) -> Iterator[tuple[str, Bars]]:
    _check(seed, signal, pairs)
    minutes = model.open_minutes(start, end)
    if not minutes.size:
        raise BadParameter(
            f"The market is closed from {to_datetime(start)} to {to_datetime(end)}: widen the range."
        )
    market = market_volatility(minutes, seed)
    needed = {currency for pair in pairs for currency in (base(pair), quote(pair))}
    paths = {
        currency: currency_path(currency, minutes, seed, signal, market)
        for currency in CURRENCIES
        if currency in needed
    }
    for pair in PAIRS:
        if pair in pairs:
            yield pair, pair_bars(pair, minutes, paths[base(pair)], paths[quote(pair)], seed)


def _check(seed: int, signal: float, pairs: Collection[str]) -> None:
    unknown = [pair for pair in pairs if pair not in PAIRS]
    if unknown or not pairs:
        raise BadParameter(f"Pairs {unknown or 'none'} cannot be simulated: choose from {', '.join(PAIRS)}.")
    if seed < 0:
        raise BadParameter(f"The seed is {seed}: use an integer from 0 on.")
    if not abs(signal) <= STRONGEST_SIGNAL:
        raise BadParameter(
            f"The signal is {signal}: use {-STRONGEST_SIGNAL} to {STRONGEST_SIGNAL}, 0 for none."
        )


def _write_bars(path: FilePath, bars: Bars) -> None:
    times = pa.array(bars.ts * _MICROSECONDS, pa.int64()).cast(SCHEMA.field("ts_utc").type)
    columns = [times, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread]
    unfinished = path.with_suffix(".tmp")
    pq.write_table(pa.table(columns, schema=SCHEMA), unfinished, compression="zstd", write_page_checksum=True)
    os.replace(unfinished, path)


def _minute(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return to_minute(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def main(arguments: list[str] | None = None) -> None:
    """Write a market from the command line."""
    parser = argparse.ArgumentParser(description="Write a synthetic market as one Parquet file per pair.")
    parser.add_argument("--out", type=FilePath, required=True, help="folder to write to")
    parser.add_argument(
        "--from", dest="start", type=_minute, required=True, help="first day, UTC: 2024-07-01"
    )
    parser.add_argument("--to", dest="end", type=_minute, required=True, help="day after the last, UTC")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--signal", type=float, default=0.0, help="planted momentum, 0 for a martingale")
    parser.add_argument("--pairs", default=",".join(PAIRS), help="comma separated, default all 28")
    given = parser.parse_args(arguments)
    try:
        paths = write_market(
            given.out, given.start, given.end, given.seed, given.signal, given.pairs.split(",")
        )
    except BadParameter as error:
        parser.error(str(error))
    print(f"{len(paths)} pairs written to {given.out}")


if __name__ == "__main__":
    main()
