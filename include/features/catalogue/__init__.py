"""The catalogue of all columns: what each is, where it comes from, how far back it reads.

DDL, quality suites and docs/features.md are made from it. It imports only the standard library, so
that a DAG file may import it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from include.errors import BadParameter
from include.features.catalogue.averages import MA
from include.features.catalogue.bollinger import BOLLINGER_BQX, BOLLINGER_IDX
from include.features.catalogue.calendar import TIME
from include.features.catalogue.correlation import CORRELATION_IDX
from include.features.catalogue.correlation_bqx import CORRELATION_BQX
from include.features.catalogue.cross_pair import XPAIR
from include.features.catalogue.dual import DUAL
from include.features.catalogue.events import EVENT
from include.features.catalogue.fibonacci import FIBONACCI_BQX, FIBONACCI_IDX
from include.features.catalogue.lags import LAG
from include.features.catalogue.microstructure import SPREAD_IDX, VOLUME_BQX, VOLUME_IDX
from include.features.catalogue.model import BARS_BEFORE, Family, Feature
from include.features.catalogue.moments import STATISTICS_BQX, STATISTICS_IDX
from include.features.catalogue.multires import MRES
from include.features.catalogue.regression import REG_BQX, REG_IDX
from include.features.catalogue.technical import TECHNICAL_BQX, TECHNICAL_IDX

__all__ = [
    "BARS_BEFORE",
    "CATALOGUE",
    "FAMILIES",
    "STORED",
    "Family",
    "Feature",
    "catalogue_hash",
    "family",
]

CATALOGUE: tuple[Family, ...] = (
    REG_IDX, REG_BQX,
    STATISTICS_IDX, STATISTICS_BQX,
    BOLLINGER_IDX, BOLLINGER_BQX,
    TECHNICAL_IDX, TECHNICAL_BQX,
    FIBONACCI_IDX, FIBONACCI_BQX,
    LAG,
    MA,
    XPAIR,
    DUAL,
    TIME,
    SPREAD_IDX, VOLUME_IDX, VOLUME_BQX,
    EVENT,
    MRES,
    CORRELATION_IDX, CORRELATION_BQX,
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in CATALOGUE}

STORED: tuple[str, ...] = tuple(family.name for family in CATALOGUE if family.stored)


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        BadParameter: there is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise BadParameter(f"There is no feature family {name!r}. Choose one of: {known}.") from None


def catalogue_hash() -> str:
    """SHA-256 of the content: every field of every column, in order."""
    content = [asdict(column) for family in CATALOGUE for column in family.columns]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
