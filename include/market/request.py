"""What a run was asked to load, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from include.errors import BadParameter
from include.names import to_minute
from include.pairs import PAIRS

PRICE_SIDES = ("bid", "mid", "ask", "unknown")
BEGINNING, END = to_minute(datetime(1970, 1, 1, tzinfo=UTC)), to_minute(datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class LoadRequest:
    """Which bars to load from where.

    Attributes:
        source: folder or ``s3://bucket/prefix`` with the files of each pair, or None: register the bars
            already in the database.
        pairs: pairs wanted. If these are all 28, those the source has are taken; otherwise each of them must
            be there, or be derivable.
        first_day: bars before this UTC day are not loaded (``yyyy-mm-dd``), or None.
        end_day: bars from this UTC day on are not loaded, or None.
        crosses: "none", or "derive": crosses without a file come from their two dollar legs.
        price_side: which price the bars record: bid, mid, ask or unknown; ``bars.yaml`` may say another for
            single files.
        timezone: clock of the files that do not say it themselves.
        rebuild: write months again that are already right.
    """

    source: str | None
    pairs: tuple[str, ...] = PAIRS
    first_day: str | None = None
    end_day: str | None = None
    crosses: str = "none"
    price_side: str = "unknown"
    timezone: str | None = None
    rebuild: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.pairs) - set(PAIRS))
        if unknown or not self.pairs:
            raise BadParameter(
                f"pairs has {', '.join(unknown) or 'no entry'}: choose from {', '.join(PAIRS)}."
            )
        if self.crosses not in ("none", "derive"):
            raise BadParameter(f"crosses is {self.crosses!r}; write 'none' or 'derive'.")
        if self.price_side not in PRICE_SIDES:
            raise BadParameter(f"price_side is {self.price_side!r}; write one of {', '.join(PRICE_SIDES)}.")
        first, end = self.limits
        if first >= end:
            raise BadParameter(
                f"No minute lies from {self.first_day} up to {self.end_day}: the end day itself is not "
                "loaded, choose a later one."
            )

    @property
    def takes_all(self) -> bool:
        """Whether no pair was chosen: whatever the source has is wanted."""
        return set(self.pairs) == set(PAIRS)

    @property
    def limits(self) -> tuple[int, int]:
        """Half-open range of epoch minutes to load."""
        return (
            BEGINNING if self.first_day is None else _minute("first_day", self.first_day),
            END if self.end_day is None else _minute("end_day", self.end_day),
        )

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> LoadRequest:
        """From the params of a DAG run."""
        names = ("source", "first_day", "end_day", "crosses", "price_side", "timezone", "rebuild")
        return cls(pairs=tuple(params["pairs"]), **{name: params[name] for name in names})


def _minute(name: str, day: str) -> int:
    try:
        return to_minute(datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=UTC))
    except ValueError as error:
        raise BadParameter(
            f"{name} is {day!r}; write a day as yyyy-mm-dd, for example 2018-11-01."
        ) from error
