"""What is said to a model at the endpoint and what it answers: JSON in both directions.

The endpoint and everybody who asks it use these functions, so the form is written down once. This module
needs numpy and the standard library alone. All values are float64 here; NaN is what is not known.

A request names the model version and the columns (by their hash) that it was made for, so that rows are never
given to a model that was trained on others. Features travel with nine significant digits: that is exactly the
single precision in which models read them. q and s travel exactly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_ROWS = 2000
LARGEST = 6_291_456  # bytes of a request or an answer, SageMaker's limit
CONTENT_TYPE = "application/json"
# Codes of refusals.
VERSION, FEATURES, MISSING = "version_mismatch", "feature_hash_mismatch", "missing_value"
BAD, CORRUPT = "bad_request", "corrupt_archive"

_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z")
_WINDOW = re.compile(r"[1-9][0-9]{0,5}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]


class Refused(Exception):
    """There is no forecast. Nothing is ever guessed in place of what is missing.

    Args:
        code: one of the codes above.
        message: what is wrong, for a person.
        status: of HTTP.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code, self.message, self.status = code, message, status

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class Rows(NamedTuple):
    """Rows to forecast.

    Attributes:
        ts: epoch minutes, (rows,).
        features: in the order of the model's columns, (rows, columns).
        q: BQX of the minute by window, (rows,) each, in BQX units: w of every horizon, and w - h where h < w.
        s: its volatility by window, likewise.
    """

    ts: Minutes
    features: Floats
    q: Mapping[int, Floats]
    s: Mapping[int, Floats]


class Request(NamedTuple):
    """What the endpoint is asked.

    Attributes:
        version: of the model, 16 hexadecimal digits.
        feature_hash: SHA-256 of the list of columns.
        rows: to forecast.
    """

    version: str
    feature_hash: str
    rows: Rows


class Values(NamedTuple):
    """A forecast and its interval, (rows,) each; NaN where a model has no interval."""

    value: Floats
    low: Floats
    high: Floats


class Horizon(NamedTuple):
    """Forecasts of one horizon.

    Attributes:
        minutes: ahead.
        window: of the BQX that is forecast.
        raw: in BQX units.
        scaled: the same as (x - q) / s.
    """

    minutes: int
    window: int
    raw: Values
    scaled: Values


class Answer(NamedTuple):
    """What the endpoint answers.

    Attributes:
        pair, version, feature_hash: of the model that answered.
        ts: epoch minutes of the rows, as they were asked.
        horizons: ascending.
    """

    pair: str
    version: str
    feature_hash: str
    ts: Minutes
    horizons: tuple[Horizon, ...]


def request(version: str, feature_hash: str, rows: Rows) -> bytes:
    """The body of a request. What is NaN is sent as null, and the endpoint refuses it by name.

    Raises:
        Refused: there are too many rows, or too many bytes.
    """
    _check_count(len(rows.ts))
    features = [_numbers(row, ".9g") for row in rows.features]
    by_window = {
        name: {str(window): _plain(values) for window, values in known.items()}
        for name, known in (("q", rows.q), ("s", rows.s))
    }
    listed = [
        {
            "timestamp": text_of(int(minute)),
            "features": features[number],
            **{
                name: {window: values[number] for window, values in known.items()}
                for name, known in by_window.items()
            },
        }
        for number, minute in enumerate(rows.ts)
    ]
    return _body({"version": version, "feature_hash": feature_hash, "rows": listed})


def read_request(body: bytes | str) -> Request:
    """Read the body of a request; null in it becomes NaN.

    Raises:
        Refused: it is no request; names the first thing that is wrong.
    """
    told = _document(body)
    for name in ("version", "feature_hash"):
        if not isinstance(told.get(name), str):
            raise Refused(BAD, f"The request needs {name}, a text.")
    rows = told.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused(BAD, "The request needs rows, a list of objects.")
    _check_count(len(rows))
    ts = np.array([_minute(row.get("timestamp"), number) for number, row in enumerate(rows)], np.int64)
    features = _matrix([_list(row, number) for number, row in enumerate(rows)], "features")
    q, s = (_windows(rows, name) for name in ("q", "s"))
    return Request(told["version"], told["feature_hash"], Rows(ts, features, q, s))


def answer(told: Answer) -> bytes:
    """The body of an answer; NaN becomes null.

    Raises:
        Refused: it has too many bytes.
    """
    parts = [
        (each.minutes, each.window, [_plain(v) for v in each.raw], [_plain(v) for v in each.scaled])
        for each in told.horizons
    ]
    rows = [
        {
            "timestamp": text_of(int(minute)),
            "horizons": [
                {
                    "minutes": minutes,
                    "window": window,
                    **_named(raw, number),
                    "scaled": _named(scaled, number),
                }
                for minutes, window, raw, scaled in parts
            ],
        }
        for number, minute in enumerate(told.ts)
    ]
    about = {"pair": told.pair, "version": told.version, "feature_hash": told.feature_hash}
    return _body({**about, "rows": rows})


def read_answer(body: bytes | str) -> Answer:
    """Read the body of an answer.

    Raises:
        Refused: it is none.
    """
    told = _document(body)
    try:
        rows = told["rows"]
        ts = np.array([minute_of(row["timestamp"]) for row in rows], np.int64)
        first = [(int(each["minutes"]), int(each["window"])) for each in rows[0]["horizons"]]
        horizons = []
        for place, (minutes, window) in enumerate(first):
            column = [row["horizons"][place] for row in rows]
            if any((each["minutes"], each["window"]) != (minutes, window) for each in column):
                raise Refused(BAD, "The rows of the answer differ in their horizons.")
            scaled = _values([each["scaled"] for each in column])
            horizons.append(Horizon(minutes, window, _values(column), scaled))
        pair, version, feature_hash = (str(told[name]) for name in ("pair", "version", "feature_hash"))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Refused(BAD, f"That is no answer of a model ({type(error).__name__}: {error}).") from error
    return Answer(pair, version, feature_hash, ts, tuple(horizons))


def error(refused: Refused) -> bytes:
    """The body that tells a refusal."""
    return json.dumps({"error": refused.code, "message": refused.message}).encode()


def read_error(body: bytes | str, status: int = 400) -> Refused | None:
    """The refusal that a body tells; None if it tells none.

    Only the first line is read: AWS's toolkit writes a traceback below.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        told = json.loads(text.partition("\n")[0])
        return Refused(str(told["error"]), str(told["message"]), status)
    except (ValueError, KeyError, TypeError):
        return None


def minute_of(timestamp: str) -> int:
    """Epoch minutes of ``2024-07-26T12:34:00Z``.

    Raises:
        ValueError: it is not of that form.
    """
    if not _MINUTE.fullmatch(timestamp):
        raise ValueError(f"{timestamp!r} is not of the form 2024-07-26T12:34:00Z")
    return int((datetime.fromisoformat(timestamp) - _EPOCH).total_seconds()) // 60


def text_of(minute: int) -> str:
    """The timestamp of an epoch minute."""
    return datetime.fromtimestamp(60 * minute, UTC).strftime("%Y-%m-%dT%H:%M:00Z")


def _check_count(rows: int) -> None:
    if not 1 <= rows <= MOST_ROWS:
        raise Refused(BAD, f"A request has 1 to {MOST_ROWS} rows; this one has {rows}.")


def _body(told: dict[str, Any]) -> bytes:
    body = json.dumps(told, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > LARGEST:
        raise Refused(
            BAD,
            f"{len(body):,} bytes are more than the {LARGEST:,} that SageMaker takes; ask for fewer rows.",
        )
    return body


def _document(body: bytes | str) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Refused(BAD, f"The body is no JSON: {problem}") from problem
    if not isinstance(told, dict):
        raise Refused(BAD, "The body is no JSON object.")
    return told


def _plain(values: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in np.asarray(values, np.float64).tolist()]


def _numbers(values: Floats, form: str) -> list[float | None]:
    return [None if value is None else float(format(value, form)) for value in _plain(values)]


def _named(values: Sequence[Sequence[float | None]], row: int) -> dict[str, float | None]:
    return {name: known[row] for name, known in zip(Values._fields, values, strict=True)}


def _values(told: Iterable[Mapping[str, Any]]) -> Values:
    listed = list(told)
    return Values(*(np.array([each[name] for each in listed], np.float64) for name in Values._fields))


def _minute(told: object, row: int) -> int:
    try:
        return minute_of(str(told))
    except ValueError as problem:
        raise Refused(BAD, f"Row {row}: timestamp {problem}.") from problem


def _list(row: Mapping[str, Any], number: int) -> list[Any]:
    found = row.get("features")
    if not isinstance(found, list):
        raise Refused(BAD, f"Row {number} needs features, a list of numbers.")
    return found


def _matrix(rows: Sequence[Sequence[Any]], what: str) -> Floats:
    """Numbers of all rows; null becomes NaN. Text and true or false are no numbers."""
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise Refused(BAD, f"Row {number} has {len(row)} {what}, the first one {width}.")
        if wrong := [each for each in row if type(each) not in (float, int, type(None))]:
            raise Refused(BAD, f"Row {number}: {str(wrong[0])[:40]!r} among {what} is no number.")
    try:
        return np.array(rows, np.float64).reshape(len(rows), width)
    except OverflowError as problem:
        raise Refused(BAD, f"A number among {what} is too large.") from problem


def _windows(rows: Sequence[Mapping[str, Any]], name: str) -> dict[int, Floats]:
    """The q or s of all rows by window. A window that one row has and another lacks is NaN there."""
    for number, row in enumerate(rows):
        known = row.get(name)
        if not isinstance(known, dict) or not all(_WINDOW.fullmatch(window) for window in known):
            raise Refused(BAD, f"Row {number} needs {name}, numbers by window in minutes.")
    windows = sorted({window for row in rows for window in row[name]}, key=int)
    matrix = _matrix([[row[name].get(window) for window in windows] for row in rows], name)
    return {int(window): matrix[:, place] for place, window in enumerate(windows)}
