"""What a version answers is what its boosters say, and what cannot be answered is refused by name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.serving.container import inference, wire
from include.serving.container.wire import Refused, Request, Rows
from tests import versions
from tests.versions import HALF_WIDTH, HORIZONS, Version, rows, version

MIXED = ("random_forest", "xgboost")


@dataclass
class Context:
    """What a model server hands to a script."""

    status: list[tuple[int, str]] = field(default_factory=list)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self.status.append((code, phrase))


def request(known: Version, asked: Rows, **changes: Any) -> Request:
    return Request(known.name, known.feature_hash, asked)._replace(**changes)


@pytest.mark.parametrize("members", [("xgboost",), MIXED])
def test_it_answers_what_the_boosters_say(members: tuple[str, ...], tmp_path: Path) -> None:
    known, asked = version(members=members), rows()
    found = inference.forecast(inference.load(known.write(tmp_path)), asked)
    expected = known.says(asked)
    assert [each.minutes for each in found] == list(HORIZONS)
    for each in found:
        q, s = asked.q[each.window], asked.s[each.window]
        np.testing.assert_allclose(each.raw.value, expected[each.minutes], rtol=1e-12, atol=1e-18)
        np.testing.assert_allclose(each.raw.high, each.raw.value + HALF_WIDTH * s)
        np.testing.assert_allclose(each.raw.low, each.raw.value - HALF_WIDTH * s)
        for raw, scaled in zip(each.raw, each.scaled, strict=True):
            np.testing.assert_allclose(q + s * scaled, raw, rtol=1e-12)


def test_members_weigh_what_they_are_told(tmp_path: Path) -> None:
    asked = rows()
    both = inference.forecast(inference.load(version(members=MIXED).write(tmp_path / "a")), asked)
    alone = inference.forecast(inference.load(version().write(tmp_path / "b")), asked)
    assert (both[0].raw.value != alone[0].raw.value).all()


def test_a_row_is_answered_as_it_is_alone(tmp_path: Path) -> None:
    loaded, asked = inference.load(version().write(tmp_path)), rows(7)
    together = inference.forecast(loaded, asked)
    for row in range(7):
        one = slice(row, row + 1)
        alone = Rows(
            asked.ts[one],
            asked.features[one],
            {w: v[one] for w, v in asked.q.items()},
            {w: v[one] for w, v in asked.s.items()},
        )
        for a, b in zip(inference.forecast(loaded, alone), together, strict=True):
            assert a.raw.value[0] == b.raw.value[row]


def test_another_version_and_other_columns_are_refused(tmp_path: Path) -> None:
    known = version()
    loaded = inference.load(known.write(tmp_path))
    assert inference.answer(loaded, request(known, rows())).version == known.name
    for change, code in (({"version": "0" * 16}, wire.VERSION), ({"feature_hash": "0"}, wire.FEATURES)):
        with pytest.raises(Refused) as caught:
            inference.answer(loaded, request(known, rows(), **change))
        assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        inference.answer(loaded, request(known, rows(columns=5)))
    assert caught.value.code == wire.BAD


def without(asked: Rows, what: str) -> Rows:
    """Rows in which something is not known."""
    if what == "feature":
        asked.features[2, 3] = np.nan
    elif what == "infinite":
        asked.features[2, 3] = np.inf
    elif what == "flat":
        asked.s[30][1] = 0.0
    elif what in ("no q", "no s"):
        del getattr(asked, what[-1])[45]
    else:
        getattr(asked, what)[60][1] = np.nan
    return asked


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("feature", "table__column_3 is not known at 2024-07-26T13:22:00Z"),
        ("infinite", "table__column_3 is not known at"),
        ("q", "q of window 60 is not known at"),
        ("s", "s of window 60 is not known at"),
        ("no q", "lacks q of window 45"),
        ("no s", "lacks s of window 45"),
        ("flat", "s of window 30 is 0.0 at"),
    ],
)
def test_what_is_missing_is_named(what: str, told: str, tmp_path: Path) -> None:
    known = version()
    with pytest.raises(Refused) as caught:
        inference.answer(inference.load(known.write(tmp_path)), request(known, without(rows(), what)))
    assert caught.value.code == wire.MISSING
    assert told in caught.value.message


def changed(known: Version, name: str, body: bytes | None = None, **about: Any) -> Version:
    """A version with a file removed or replaced, or another serving.json."""
    files = {each: content for each, content in known.files.items() if each != name or body is not None}
    if body is not None:
        files[name] = body
    if about:
        files["serving.json"] = json.dumps(json.loads(files["serving.json"]) | about).encode()
    return known._replace(files=files)


KNOWN = version()
OTHER = version(seed=50)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (changed(KNOWN, "serving.json"), "no complete archive"),
        (changed(KNOWN, "serving.json", b"{"), "no complete archive"),
        (changed(KNOWN, "serving.json", b"[]"), "no complete archive"),
        (changed(KNOWN, "", format=2), "format 2"),
        (changed(KNOWN, "xgboost/h30.ubj"), "no complete archive"),
        (
            changed(KNOWN, "xgboost/h30.ubj", OTHER.files["xgboost/h30.ubj"]),
            "xgboost/h30.ubj is not the file",
        ),
        (changed(KNOWN, "xgboost/model.json", OTHER.files["xgboost/model.json"]), "is not the file"),
        (changed(KNOWN, "", columns=list(reversed(KNOWN.columns))), "does not fit its hash"),
        (changed(KNOWN, "", members=[]), "sum to 1"),
        (changed(KNOWN, "", windows={"15": 30}), "other columns or windows"),
        (changed(KNOWN, "", windows=None), "no complete archive"),
    ],
)
def test_an_archive_that_was_changed_is_not_loaded(broken: Version, told: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        inference.load(broken.write(tmp_path))
    assert (caught.value.code, caught.value.status) == (wire.CORRUPT, 500)
    assert told in caught.value.message
    with pytest.raises(RuntimeError) as failed:
        inference.model_fn(str(tmp_path))
    refused = wire.read_error(str(failed.value))
    assert refused is not None
    assert refused.code == wire.CORRUPT


def test_a_member_has_the_columns_of_the_archive(tmp_path: Path) -> None:
    other = version(columns=5)
    body = other.files["xgboost/model.json"]
    files = KNOWN.files | {name: other.files[name] for name in other.files if name.startswith("xgboost/")}
    hashes = {name: hashlib.sha256(b).hexdigest() for name, b in files.items() if name != "serving.json"}
    broken = changed(KNOWN._replace(files=files), "xgboost/model.json", body, files=hashes)
    with pytest.raises(Refused, match="other columns or windows"):
        inference.load(broken.write(tmp_path))


def test_the_script_answers_and_tells_the_status_of_a_refusal(tmp_path: Path) -> None:
    loaded, context = inference.model_fn(str(KNOWN.write(tmp_path))), Context()
    body = wire.request(KNOWN.name, KNOWN.feature_hash, rows())
    told, kind = inference.transform_fn(
        loaded, body.decode(), "application/json; charset=utf-8", "*/*", context
    )
    assert (kind, context.status) == ("application/json", [])
    assert wire.read_answer(told).horizons[0].raw.value == pytest.approx(KNOWN.says(rows())[15], rel=1e-9)
    for sent, content_type, code in (
        (wire.request("0" * 16, KNOWN.feature_hash, rows()), "application/json", wire.VERSION),
        (
            wire.request(KNOWN.name, KNOWN.feature_hash, without(rows(), "q")),
            "application/json",
            wire.MISSING,
        ),
        (body, "text/csv", wire.BAD),
        (b"", "application/json", wire.BAD),
    ):
        refusal, _ = inference.transform_fn(loaded, sent, content_type, "*/*", context)
        refused = wire.read_error(refusal)
        assert refused is not None
        assert refused.code == code
        assert context.status.pop() == (400, code)


def test_a_tiny_version_is_the_same_each_time() -> None:
    again = versions.version.__wrapped__()
    assert again.archive == KNOWN.archive != OTHER.archive
