"""From the times of a file to UTC: what it states, what ``bars.yaml`` says of it, what the load declares."""

from __future__ import annotations

from typing import NamedTuple

from include.features.arrays import Minutes
from include.market.checks import MINUTE, STATED, USUAL_SERVER
from include.market.declared import Declaration
from include.market.formats.clock import Clock
from include.market.problems import bad
from include.market.timezones import to_utc


class Stated(NamedTuple):
    """What a file says of its clock.

    Attributes:
        name: provider and variant, for messages.
        is_utc: its format, the name of its column or the type says UTC.
        may_be_server: a known provider's tables call the clock of its server UTC.
    """

    name: str
    is_utc: bool
    may_be_server: bool = False


def resolve(
    times: Clock, stated: Stated, declaration: Declaration, timezone: str | None, source: str
) -> tuple[Minutes, str]:
    """Milliseconds in UTC, and which clock was taken, for people.

    The declaration of a file decides; then what the file states; then the clock declared for the load,
    which is for files that state none. Seconds under a name that says UTC are doubted if another clock is
    declared: MetaTrader counts seconds, on its server's clock.

    Args:
        times: times of the file, shape (n,).
        stated: what the file says of its clock.
        declaration: what ``bars.yaml`` says of the file.
        timezone: clock declared for the load, or None.
        source: file to blame.

    Raises:
        BadInput: ``timezone-undeclared``, ``timezone-doubtful``, ``timezone-contradicted``, or a local time
            that cannot be converted.
    """
    is_stated = times.is_utc or stated.is_utc
    if declaration.clock is not None:
        if times.is_offset:
            text = f"rows state their offset from UTC, {declaration.clock!r} is said in {declaration.where}"
            raise bad("timezone-contradicted", source, text)
        return _local(times, declaration.clock, source), f"{declaration.clock} by {declaration.where}"
    if not is_stated:
        if timezone is None:
            raise bad("timezone-undeclared", source, f"{stated.name} does not say which clock its times show")
        return _local(times, timezone, source), timezone
    may_be_server = stated.may_be_server or (times.is_seconds and timezone is not None)
    if may_be_server and not times.is_offset and timezone not in ("utc", "UTC"):
        text = f"the times of {stated.name} say UTC, and MetaTrader counts on its server's clock"
        raise bad("timezone-doubtful", source, text, line=f"clock: {timezone or USUAL_SERVER}")
    return times.ms, STATED


def _local(times: Clock, name: str, source: str) -> Minutes:
    local = times.ms // MINUTE
    return times.ms + (to_utc(local, name, source) - local) * MINUTE
