"""What a person may ask of `make run`, checked before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.text import Text

from include import forms
from include.errors import BadParameter
from include.market.crosses import missing
from include.market.file_source import FileSource
from include.market.folder import look
from include.market.request import PRICE_SIDES, LoadRequest
from include.names import Month, to_datetime
from include.objects import ObjectStore, bucket_and_prefix
from include.pairs import PAIRS

CROSSES = ("none", "derive")
LEGACY = ("none", "demo")
CODE = "$%"  # in a path of Airflow's configuration: a variable, an interpolation
SEED = 7
FEWEST_DAYS = 2  # of bars, from which a training set can be cut into three


@dataclass(frozen=True)
class Profile:
    """Sizes of a run; shown beside its results.

    Attributes:
        first_day: first UTC day of the simulated market, used when no DATA is given.
        end_day: the day after its last one.
        sizes: params of data set and models by name; what is not named has its default.
    """

    first_day: date
    end_day: date
    sizes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sampled(self) -> str:
        """From how much the columns of the data set are chosen, and how large the models are."""
        params = forms.DATASET_PARAMS | forms.TRAINING_PARAMS
        sizes = {name: schema["default"] for name, schema in params.items()} | dict(self.sizes)
        return (
            f"samples of {sizes['sample_rows']:,} rows, {sizes['trees']} trees; models of "
            f"{sizes['forest_trees']} trees and {sizes['rounds']} rounds, every {sizes['train_stride']}th row"
        )


# Of every run: jobs and the endpoint share the cores of this machine with everything else.
_HERE = {"threads": 1, "poll_seconds": 5, "instances": 1, "p99_ms": 2000}
_SMALL: dict[str, Any] = {
    "sample_rows": 1500,
    "trees": 10,
    "max_folds": 3,
    "fold_train_days": 8,
    "fold_test_days": 4,
    "fold_step_days": 3,
    "forest_trees": 10,
    "rounds": 15,
    "backtest_pairs": ["eurusd"],
    "epochs": 2,
    "hidden_size": 8,
    "encoder_length": 6,
    "load_seconds": 10,
    "quiet_seconds": 10,
    "bake_seconds": 10,
}
PROFILES = {
    "demo": Profile(date(2024, 7, 1), date(2024, 8, 1), _HERE | _SMALL),
    "full": Profile(date(2023, 10, 1), date(2024, 7, 1), _HERE),
}


class Glance(NamedTuple):
    """What a look at the bars found.

    Attributes:
        first_day: day of the first bar; None if the bars were not looked at.
        left_out: files that name a pair and will not be read, with why.
    """

    first_day: date | None = None
    left_out: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Options:
    """A checked request.

    Attributes:
        state: folder for everything the run writes, absolute.
        data: folder of bar files, an address ``s3://bucket/folder``, or None for the simulated market.
        pairs: pairs wanted, in the order of `PAIRS`; all that the bars give if none were named. What a bucket
            gives is known once the stack is up, see `located`.
        named: whether the pairs were named.
        first_day: bars before it are not loaded; None takes all.
        end_day: bars from this day on are not loaded; None takes all.
        crosses: "derive" computes pairs without a file from their two dollar legs.
        price_side: which price the bars record.
        timezone: clock of the files, for formats that do not say it.
        legacy: "demo" makes simulated legacy tables, to be migrated; "none" does not.
        profile: "demo" or "full".
        workers: table builds at the same time.
        port: port of the user interface, None for the first free one from 8080.
    """

    state: Path
    data: Path | str | None
    pairs: tuple[str, ...]
    named: bool
    first_day: date | None
    end_day: date | None
    crosses: str
    price_side: str
    timezone: str | None
    legacy: str
    profile: str
    workers: int
    port: int | None

    @classmethod
    def of(cls, given: dict[str, str | None]) -> Options:
        """Check what was given on the command line; empty means not given.

        Raises:
            BadParameter: something makes no sense; names the option and what it may be.
            BadInput: the folder of bars holds no file of a pair.
        """
        text = {name: value.strip() for name, value in given.items() if value and value.strip()}
        crosses = _one_of("CROSSES", text.get("crosses", "none"), CROSSES)
        profile = _one_of("PROFILE", text.get("profile", "demo"), tuple(PROFILES))
        data = _place(text.get("data"))
        first_day, end_day = _day("FROM", text.get("from")), _day("TO", text.get("to"))
        if data is None:
            first_day, end_day = (
                first_day or PROFILES[profile].first_day,
                end_day or PROFILES[profile].end_day,
            )
        if first_day and end_day and first_day >= end_day:
            raise BadParameter(
                f"FROM={first_day} is not before TO={end_day}. The day TO itself is not loaded."
            )
        if first_day and end_day and (end_day - first_day).days < FEWEST_DAYS:
            raise BadParameter(
                f"FROM={first_day} TO={end_day} is {(end_day - first_day).days} day; a training set needs "
                f"{FEWEST_DAYS} or more. The day TO itself is not loaded."
            )
        return cls(
            state=_state(text.get("state", ".local")),
            data=data,
            pairs=_pairs(text.get("pairs"), *_available(data, crosses)),
            named="pairs" in text,
            first_day=first_day,
            end_day=end_day,
            crosses=crosses,
            price_side=_one_of(
                "PRICE_SIDE", text.get("price_side", "unknown" if data else "bid"), PRICE_SIDES
            ),
            timezone=text.get("timezone"),
            legacy=_one_of("LEGACY", text.get("legacy", "none" if data else "demo"), LEGACY),
            profile=profile,
            workers=_number("WORKERS", text.get("workers", "4"), 1, 64),
            port=_number("PORT", text["port"], 1024, 65535) if "port" in text else None,
        )

    def located(self, place: Callable[[str], ObjectStore]) -> Options:
        """The same request with the pairs that the bucket of its bars gives.

        Args:
            place: opens an address of S3.

        Raises:
            BadParameter: a pair that was named is not there.
            BadInput: no file of a pair is there.
        """
        if not isinstance(self.data, str):
            return self
        given = _given_by(place(self.data), self.crosses)
        return replace(self, pairs=_pairs(" ".join(self.pairs) if self.named else None, *given))

    def glance(self, place: Callable[[str], ObjectStore] | None = None) -> Glance:
        """Look at the bars as the load will: at those of a folder before anything is started.

        Args:
            place: opens an address of S3; None before that can be done.

        Raises:
            BadInput: a file is bad; the load would refuse it with the same words.
        """
        if self.data is None or (isinstance(self.data, str) and place is None):
            return Glance()
        stored = place(self.data) if isinstance(self.data, str) and place else None
        source = FileSource(LoadRequest.of(self.conf(self.data) | {"rebuild": False}), stored)
        return Glance(to_datetime(source.glance()).date(), source.left_out)

    @property
    def headline(self) -> Text:
        """What is run, and on what."""
        bars = str(self.data) if self.data else f"simulated market, seed {SEED}"
        text = f"  {self.sizes}\nBars: {bars}, crosses {self.crosses}"
        return Text.assemble(("BQX ML", "bold"), text)

    @property
    def sizes(self) -> str:
        """The sizes of the run, to be shown beside its results."""
        days = f"{self.first_day or 'first bar'} up to {self.end_day or 'last bar'}"
        sampled = PROFILES[self.profile].sampled
        return f"profile {self.profile}, {len(self.pairs)} pairs, {days}, {self.workers} workers, {sampled}"

    def conf(self, source: Path | str) -> dict[str, Any]:
        """The params of `bqx_pipeline` for bars at a place."""
        conf: dict[str, Any] = {
            "source": str(source),
            "pairs": list(self.pairs),
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "end_day": self.end_day.isoformat() if self.end_day else None,
            "crosses": self.crosses,
            "price_side": self.price_side,
            "timezone": self.timezone,
        }
        return conf | dict(PROFILES[self.profile].sizes)

    def legacy_months(self, first_bar: date | None) -> tuple[Month, ...]:
        """Months of the simulated legacy tables, none if they are not wanted.

        Beside simulated bars the first month that is loaded and the one before it; beside bars that
        were given only the first month of them, so that no row lies where they have none.
        """
        if self.legacy == "none":
            return ()
        if self.data is None:
            first = Month.of_day(self.first_day or PROFILES[self.profile].first_day)
            return first.previous, first
        known = [day for day in (self.first_day, first_bar) if day is not None]
        return (Month.of_day(max(known)),) if known else ()

    def market(self, folder: Path) -> Path:
        """Where the simulated market of these days is kept."""
        return folder / f"{self.first_day}_{self.end_day}_{SEED}"


def _available(data: Path | str | None, crosses: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Pairs the bars give: all of a simulated market, and so far of a bucket, else those of the folder."""
    return _given_by(data, crosses) if isinstance(data, Path) else (PAIRS, {})


def _given_by(place: Path | ObjectStore, crosses: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Pairs with a file or two dollar legs; files that name a pair and are not read, with why."""
    folder = look(place)
    derived = missing(folder.files) if crosses == "derive" else ()
    return tuple(pair for pair in PAIRS if pair in folder.files or pair in derived), folder.left_out


def _pairs(text: str | None, available: Sequence[str], left_out: Mapping[str, str]) -> tuple[str, ...]:
    if text is None:
        return tuple(available)
    wanted = [part.lower().replace("/", "") for part in text.replace(",", " ").split()]
    unknown = [pair for pair in wanted if pair not in PAIRS]
    if unknown or not wanted:
        raise BadParameter(
            f"PAIRS={text}: {', '.join(unknown) or 'nothing'} is not among {', '.join(PAIRS)}."
        )
    absent = [pair for pair in wanted if pair not in available]
    if absent:
        unread = "".join(f" {name} is not read: {why}." for name, why in left_out.items())
        raise BadParameter(
            f"DATA gives no bars of {', '.join(absent)}, only of {', '.join(available)}.{unread} Leave them "
            "out, add their files, or compute crosses from dollar legs with CROSSES=derive."
        )
    return tuple(pair for pair in PAIRS if pair in wanted)


def _place(text: str | None) -> Path | str | None:
    if text is None:
        return None
    if bucket_and_prefix(text):
        return text
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise BadParameter(f"DATA={text} is not a folder. It holds one Parquet or CSV file per pair.")
    return folder


def _state(text: str) -> Path:
    """The folder of a run; what Airflow would read as code in a path is refused."""
    folder = Path(text).expanduser().absolute()
    if code := sorted({one for one in str(folder) if one in CODE or not one.isprintable()}):
        raise BadParameter(
            f"STATE={folder} holds {' '.join(map(repr, code))}, which Airflow's configuration reads as more "
            "than a name and cannot be told not to. Choose another folder: make run STATE=..."
        )
    return folder


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadParameter(
            f"{name}={text} is not a day; write it as yyyy-mm-dd: {name}=2018-11-01."
        ) from error


def _one_of(name: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise BadParameter(f"{name}={text}: choose {' or '.join(allowed)}.")
    return text


def _number(name: str, text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise BadParameter(f"{name}={text}: give a whole number from {low} to {high}.")
    return int(text)
