"""The form of requests and answers: what is written is what is read, and what is no request is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from include.serving.container import wire
from include.serving.container.wire import Answer, Horizon, Refused, Rows, Values

VERSION, HASH = "0123456789abcdef", "f" * 64


def rows(count: int = 3, columns: int = 5) -> Rows:
    draws = np.random.default_rng(1)
    by_window = {window: draws.normal(size=count) * 1e-3 for window in (15, 30)}
    return Rows(np.arange(count) + 28_700_000, draws.normal(size=(count, columns)), by_window, by_window)


def told(**changes: Any) -> dict[str, Any]:
    """A request of one row as a document, and what is changed in that row or beside it."""
    document: dict[str, Any] = json.loads(wire.request(VERSION, HASH, rows(1)))
    for name, value in changes.items():
        (document if name in document else document["rows"][0])[name] = value
    return document


def code(body: bytes | str) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        wire.read_request(body)
    return caught.value.code, caught.value.message


def test_a_request_is_read_as_it_was_written() -> None:
    sent = rows()
    found = wire.read_request(wire.request(VERSION, HASH, sent))
    assert (found.version, found.feature_hash) == (VERSION, HASH)
    assert found.rows.ts.tolist() == sent.ts.tolist()
    assert found.rows.features.astype(np.float32).tolist() == sent.features.astype(np.float32).tolist()
    for name in ("q", "s"):
        was, now = getattr(sent, name), getattr(found.rows, name)
        assert {w: v.tolist() for w, v in now.items()} == {w: v.tolist() for w, v in was.items()}


def test_nine_digits_are_single_precision() -> None:
    draws = np.random.default_rng(2).integers(0, 1 << 32, 200_000, np.uint32).view(np.float32)
    known = draws[np.isfinite(draws)].astype(np.float64)
    texts = [float(format(value, ".9g")) for value in known]
    assert np.array_equal(np.array(texts).astype(np.float32), known.astype(np.float32))


def test_what_is_not_known_is_null_and_never_a_number() -> None:
    sent = rows(2)
    sent.features[1, 3], sent.q[15][0] = np.nan, np.inf
    body = wire.request(VERSION, HASH, sent)
    assert json.loads(body)["rows"][1]["features"][3] is None
    found = wire.read_request(body).rows
    assert np.isnan(found.features).tolist() == [[False] * 5, [False, False, False, True, False]]
    assert np.isnan(found.q[15]).tolist() == [True, False]


def test_a_window_that_one_row_lacks_is_not_known_there() -> None:
    document = json.loads(wire.request(VERSION, HASH, rows(2)))
    del document["rows"][1]["s"]["30"]
    assert np.isnan(wire.read_request(json.dumps(document)).rows.s[30]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "needs version"),
        (json.dumps(told(feature_hash=7)), "needs feature_hash"),
        (json.dumps(told(rows={})), "needs rows"),
        (json.dumps(told(rows=[])), "has 0"),
        (json.dumps(told(rows=[1])), "needs rows"),
        (json.dumps(told(rows=told()["rows"] * 2001)), "has 2001"),
        (json.dumps(told(timestamp="2024-07-26 12:34")), "Row 0: timestamp '2024-07-26 12:34'"),
        (json.dumps(told(timestamp="2024-13-26T12:34:00Z")), "Row 0: timestamp"),
        (json.dumps(told(timestamp="2024-07-26T12:34:30Z")), "Row 0: timestamp"),
        (json.dumps(told(features=None)), "Row 0 needs features"),
        (json.dumps(told(features=[1, "2"])), "'2' among features is no number"),
        (json.dumps(told(features=[1, False])), "'False' among features is no number"),
        (json.dumps(told(features=[[1]])), "'[1]' among features is no number"),
        (json.dumps(told(features=[10**400])), "too large"),
        (json.dumps(told(q=[1])), "Row 0 needs q"),
        (json.dumps(told(s={"x": 1})), "Row 0 needs s"),
        (json.dumps(told(s={"15": ""})), "'' among s is no number"),
        (json.dumps(told(rows=[*told()["rows"], told(features=[1])["rows"][0]])), "Row 1 has 1 features"),
    ],
)
def test_what_is_no_request_is_refused(body: str, what: str) -> None:
    refused = code(body)
    assert refused[0] == wire.BAD
    assert what in refused[1]


def test_the_largest_request_fits_and_a_larger_one_is_refused() -> None:
    assert len(wire.request(VERSION, HASH, rows(wire.MOST_ROWS, 195))) < wire.LARGEST
    for many in (rows(wire.MOST_ROWS + 1), rows(wire.MOST_ROWS, 400)):
        with pytest.raises(Refused):
            wire.request(VERSION, HASH, many)


def test_an_answer_is_read_as_it_was_written() -> None:
    known = Values(*np.random.default_rng(3).normal(size=(3, 4)))
    none = np.full(4, np.nan)
    horizons = (Horizon(15, 45, known, known), Horizon(30, 45, known._replace(low=none, high=none), known))
    sent = Answer("eurusd", VERSION, HASH, np.arange(4) + 28_700_000, horizons)
    body = wire.answer(sent)
    first = json.loads(body)["rows"][0]["horizons"][0]
    assert list(first) == ["minutes", "window", "value", "low", "high", "scaled"]
    found = wire.read_answer(body)
    assert (found.pair, found.version, found.feature_hash) == ("eurusd", VERSION, HASH)
    assert found.ts.tolist() == sent.ts.tolist()
    for was, now in zip(horizons, found.horizons, strict=True):
        assert (now.minutes, now.window) == (was.minutes, was.window)
        assert np.array_equal(now.raw, was.raw, equal_nan=True)
        assert np.array_equal(now.scaled, was.scaled, equal_nan=True)


@pytest.mark.parametrize("body", ["{}", '{"rows": []}', '{"rows": [{"timestamp": "now"}]}', "<html>"])
def test_what_is_no_answer_is_refused(body: str) -> None:
    with pytest.raises(Refused):
        wire.read_answer(body)


def test_rows_of_an_answer_have_the_same_horizons() -> None:
    known = Values(*np.zeros((3, 2)))
    body = wire.answer(Answer("eurusd", VERSION, HASH, np.arange(2), (Horizon(15, 15, known, known),)))
    document = json.loads(body)
    document["rows"][1]["horizons"][0]["minutes"] = 30
    with pytest.raises(Refused, match="differ in their horizons"):
        wire.read_answer(json.dumps(document))


def test_a_refusal_is_read_as_it_was_told() -> None:
    body = wire.error(Refused(wire.MISSING, "column x is missing"))
    found = wire.read_error(body + b"\nTraceback (most recent call last)", 400)
    assert found is not None
    assert (found.code, found.message, found.status) == (wire.MISSING, "column x is missing", 400)
    assert str(found) == "column x is missing [missing_value]"
    for other in (b"<html>", b"{}", b"[]", b"null", b"\xff"):
        assert wire.read_error(other) is None


def test_minutes_have_one_form() -> None:
    assert wire.text_of(wire.minute_of("2024-07-26T12:34:00Z")) == "2024-07-26T12:34:00Z"
    assert wire.minute_of("1970-01-02T00:01:00Z") == 1441
