"""A question knows its right answer, and whatever is told instead is never taken for it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError

from include.errors import MissingInput, QualityError
from include.objects import ObjectStore
from include.serving import archives, probes
from include.serving.container import wire
from include.serving.container.wire import Answer, Horizon, Refused, Values
from include.serving.probes import EACH, MISMATCH, Probe, asker
from include.serving.routing import Target
from include.training.archive import pack_files
from tests.serving import decide
from tests.versions import HORIZONS, WINDOWS, version

PAIR, OTHER = "eurusd", "gbpusd"
TARGET = Target("a" * 16, f"{PAIR}/{'a' * 16}.tar.gz", "f" * 64, f"decisions/{PAIR}/a.json", ())
BODY = b"a question"


def deployed(bucket: ObjectStore, pair: str = PAIR, seed: int = 1, **changes: Any) -> Target:
    """The target of a decision whose archive is made."""
    made = archives.ensure(bucket, decide(bucket, pair, seed, **changes))
    return Target(made.version, made.target, made.feature_hash, made.decision, WINDOWS)


# Questions


def test_the_right_answer_is_what_the_models_say(bucket: ObjectStore) -> None:
    members = ("random_forest", "xgboost")
    target = deployed(bucket, members=members)
    asked = probes.probes(bucket, [(PAIR, target)])
    assert len(asked) == EACH
    for each in asked:
        told = wire.read_request(each.body)
        assert (told.version, told.feature_hash) == (target.version, target.feature_hash)
        answer = each.answer
        assert (answer.pair, answer.version, answer.feature_hash) == (
            PAIR, target.version, target.feature_hash,
        )  # fmt: skip
        assert answer.ts.tolist() == told.rows.ts.tolist()
        known = version(PAIR, members=members).says(told.rows)
        assert [each.minutes for each in answer.horizons] == list(HORIZONS)
        for horizon in answer.horizons:  # a record has eight digits of a weight
            np.testing.assert_allclose(horizon.raw.value, known[horizon.minutes], rtol=1e-7)


def test_targets_are_asked_in_turn_so_the_first_ones_are_of_all(bucket: ObjectStore) -> None:
    targets = [(PAIR, deployed(bucket)), (PAIR, deployed(bucket, seed=2)), (OTHER, deployed(bucket, OTHER))]
    asked = probes.probes(bucket, targets, 2)
    assert [(each.pair, each.target) for each in asked] == targets * 2


def test_questions_differ_and_are_the_same_every_time(bucket: ObjectStore) -> None:
    target = deployed(bucket)
    asked = probes.probes(bucket, [(PAIR, target)])
    features = [wire.read_request(each.body).rows.features.tobytes() for each in asked]
    assert len(set(features)) == EACH
    again = probes.probes(bucket, [(PAIR, target)])
    assert [each.body for each in again] == [each.body for each in asked]


def test_the_right_answers_of_two_versions_differ(bucket: ObjectStore) -> None:
    """Otherwise an endpoint that serves the one for the other would not be noticed."""
    asked = probes.probes(bucket, [(PAIR, deployed(bucket, seed=seed)) for seed in (1, 2)], 1)
    one, other = (each.answer.horizons[0].raw.value for each in asked)
    assert not np.allclose(one, other, rtol=1e-6)


def test_a_question_has_what_a_window_longer_than_its_horizon_needs(bucket: ObjectStore) -> None:
    files = version(PAIR).files
    about = json.loads(files["xgboost/model.json"])
    horizons = [each | {"window": 75} for each in about["horizons"]]
    target = deployed(
        bucket, windows={str(h): 75 for h in HORIZONS}, about={"horizons": horizons}
    )  # fmt: skip
    (asked,) = probes.probes(bucket, [(PAIR, target)], 1)
    rows = wire.read_request(asked.body).rows
    assert (sorted(rows.q), sorted(rows.s)) == ([15, 30, 45, 60, 75], [75])
    assert np.isfinite([each.raw.value for each in asked.answer.horizons]).all()


def test_without_targets_there_are_no_questions(bucket: ObjectStore) -> None:
    assert probes.probes(bucket, []) == []
    assert probes.probes(bucket, [(PAIR, deployed(bucket))], 0) == []


def test_an_archive_that_is_gone_is_named(bucket: ObjectStore) -> None:
    with pytest.raises(MissingInput, match=rf"{PAIR}/a+\.tar\.gz is gone"):
        probes.probes(bucket, [(PAIR, TARGET)])


@pytest.mark.parametrize(
    ("pair", "changes"),
    [(OTHER, {}), (PAIR, {"version": "b" * 16}), (PAIR, {"feature_hash": "b" * 64})],
)
def test_an_archive_that_is_not_the_one_that_the_table_names_is_refused(
    bucket: ObjectStore, pair: str, changes: dict[str, str]
) -> None:
    target = deployed(bucket)._replace(**changes)
    with pytest.raises(QualityError, match=f"is not version {target.version} of {pair}"):
        probes.probes(bucket, [(pair, target)])


def test_an_archive_whose_models_cannot_be_loaded_is_refused(bucket: ObjectStore) -> None:
    target = deployed(bucket)
    files = archives.opened(bucket, target.target)
    about = json.loads(files[archives.DESCRIPTION])
    about["members"][0]["weight"] = 0.5
    bucket.put(archives.key_of(target.target), pack_files(files | {
        archives.DESCRIPTION: json.dumps(about).encode()
    }))  # fmt: skip
    with pytest.raises(QualityError, match=rf"{target.target} cannot be served: .*weights sum to 1"):
        probes.probes(bucket, [(PAIR, target)])


# Answers


def values(*numbers: float) -> Values:
    return Values(*(np.array([number]) for number in numbers))


def horizon(minutes: int, **changes: Any) -> Horizon:
    raw, scaled = values(minutes / 7, -1e-3, np.nan), values(-minutes / 7, np.nan, 2.5)
    return Horizon(minutes, minutes, raw, scaled)._replace(**changes)


RIGHT = Answer(
    PAIR, TARGET.version, TARGET.feature_hash, np.array([28_640_000]), (horizon(15), horizon(30))
)  # fmt: skip
PROBE = Probe(PAIR, TARGET, BODY, RIGHT)


class Runtime:
    """A client that answers, or raises, what it is told."""

    def __init__(self, told: bytes | Exception | Any) -> None:
        self._told = told
        self.asked: list[dict[str, Any]] = []

    def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self._told, Exception):
            raise self._told
        return {"Body": io.BytesIO(self._told) if isinstance(self._told, bytes) else self._told}


def problem(told: bytes | Exception | Any) -> str:
    return asker(Runtime(told), "bqx")(PROBE).problem


def test_the_model_is_asked_by_the_name_of_its_archive() -> None:
    runtime = Runtime(wire.answer(RIGHT))
    assert asker(runtime, "bqx")(PROBE).problem == ""
    assert runtime.asked == [
        {
            "EndpointName": "bqx",
            "TargetModel": TARGET.target,
            "ContentType": "application/json",
            "Accept": "application/json",
            "Body": BODY,
        }
    ]


def test_an_answer_is_timed_until_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]
    monkeypatch.setattr(probes, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    class Slow(io.BytesIO):
        def read(self, *size: Any) -> bytes:
            now[0] += 0.25
            return super().read(*size)

    class Stalls(io.BytesIO):
        def read(self, *size: Any) -> bytes:
            now[0] += 10
            raise ReadTimeoutError(endpoint_url="")

    assert asker(Runtime(Slow(wire.answer(RIGHT))), "bqx")(PROBE) == (0.25, "")
    assert asker(Runtime(Stalls()), "bqx")(PROBE) == (10, "ReadTimeoutError")


@pytest.mark.parametrize("factor", [1 + 1e-10, 1 - 1e-10])
def test_what_differs_in_the_last_digits_is_the_same(factor: float) -> None:
    changed = horizon(30, raw=Values(*(factor * each for each in horizon(30).raw)))
    assert problem(wire.answer(RIGHT._replace(horizons=(horizon(15), changed)))) == ""


def other(place: int, part: str, change: Callable[[Any], Any]) -> Answer:
    """The right answer with another number in a horizon."""
    horizons = list(RIGHT.horizons)
    known = getattr(horizons[place], part)
    horizons[place] = horizons[place]._replace(**{part: change(known)})
    return RIGHT._replace(horizons=tuple(horizons))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (RIGHT._replace(pair=OTHER), f"pair is {OTHER}, not {PAIR}"),
        (RIGHT._replace(version="b" * 16), f"version is {'b' * 16}, not {'a' * 16}"),
        (RIGHT._replace(feature_hash="0" * 64), f"feature_hash is {'0' * 64}, not {'f' * 64}"),
        (RIGHT._replace(ts=RIGHT.ts + 1), "other rows"),
        (RIGHT._replace(horizons=RIGHT.horizons[:1]), "other horizons"),
        (RIGHT._replace(horizons=(*RIGHT.horizons, horizon(45))), "other horizons"),
        (RIGHT._replace(horizons=RIGHT.horizons[::-1]), "other horizons"),
        (other(1, "window", lambda _: 75), "other horizons"),
        (other(0, "raw", lambda v: v._replace(value=v.value + 1e-6)), "forecast of 15 minutes"),
        (other(1, "raw", lambda v: v._replace(low=v.low * (1 + 1e-5))), "forecast of 30 minutes"),
        (other(1, "raw", lambda v: v._replace(high=v.low)), "forecast of 30 minutes"),
        (other(0, "scaled", lambda v: v._replace(value=-v.value)), "forecast of 15 minutes"),
        (other(1, "scaled", lambda v: v._replace(high=v.high * np.nan)), "forecast of 30 minutes"),
        (RIGHT._replace(horizons=(horizon(15), horizon(30, raw=values(*[np.nan] * 3)))), "forecast of 30 mi"),
    ],
)
def test_an_answer_of_something_else_is_a_mismatch(told: Answer, said: str) -> None:
    """Also one without a number where there is one, and with a number where there is none."""
    assert problem(wire.answer(told)).startswith(f"{MISMATCH}: {said}")


def test_an_answer_with_more_rows_than_were_asked_is_a_mismatch() -> None:
    doubled = RIGHT._replace(
        ts=np.repeat(RIGHT.ts, 2),
        horizons=tuple(
            each._replace(
                raw=Values(*(np.repeat(v, 2) for v in each.raw)),
                scaled=Values(*(np.repeat(v, 2) for v in each.scaled)),
            )
            for each in RIGHT.horizons
        ),
    )
    assert problem(wire.answer(doubled)) == f"{MISMATCH}: other rows"


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[1]", b"<html>", wire.answer(RIGHT)[:-9]])
def test_what_is_no_answer_is_a_mismatch(body: bytes) -> None:
    assert problem(body).startswith(f"{MISMATCH}: ")


def test_an_answer_that_mixes_two_models_is_a_mismatch() -> None:
    """Its rows are of other horizons, as if two answers had been put together."""
    one, other_order = (
        json.loads(wire.answer(each)) for each in (RIGHT, RIGHT._replace(horizons=RIGHT.horizons[::-1]))
    )
    mixed = one | {"rows": one["rows"] + other_order["rows"]}
    said = problem(json.dumps(mixed).encode())
    assert said == f"{MISMATCH}: The rows of the answer differ in their horizons."


# Errors


def failed(code: str, original: str | None = None) -> ClientError:
    """What the client raises; `original` is what the model itself said."""
    told: Any = {"Error": {"Code": code} if code else {}}
    return ClientError(told if original is None else told | {"OriginalMessage": original}, "InvokeEndpoint")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (failed("ServiceUnavailable"), "ServiceUnavailable"),
        (failed("ModelNotReadyException", ""), "ModelNotReadyException"),
        (failed("ModelError", "Traceback (most recent call last):"), "ModelError"),
        (failed(""), "unknown"),
        (ReadTimeoutError(endpoint_url="https://runtime"), "ReadTimeoutError"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), "IncompleteReadError"),
        (ConnectionResetError("by peer"), "ConnectionResetError"),
    ],
)
def test_an_error_may_pass_and_is_told_by_its_name(error: Exception, said: str) -> None:
    assert problem(error) == said


@pytest.mark.parametrize("code", [wire.VERSION, wire.FEATURES, wire.CORRUPT])
def test_a_model_that_is_another_one_says_so_itself(code: str) -> None:
    told = wire.error(Refused(code, "not mine")).decode() + "\nTraceback"
    assert problem(failed("ModelError", told)) == f"{MISMATCH}: not mine [{code}]"


@pytest.mark.parametrize("code", [wire.MISSING, wire.BAD])
def test_a_refusal_for_another_reason_is_no_mismatch(code: str) -> None:
    told = wire.error(Refused(code, "no such value")).decode()
    assert problem(failed("ModelError", told)) == f"ModelError: {code}"


def test_a_fault_of_ours_is_no_answer() -> None:
    with pytest.raises(KeyError):
        problem(KeyError("a fault"))
