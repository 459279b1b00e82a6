"""Questions whose right answers are known: an archive's own models are asked in process, then the endpoint.

The rows are drawn, with a seed, not taken from a market: what is compared is whether the endpoint serves that
very model, not how good it is.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from include.errors import QualityError
from include.objects import ObjectStore
from include.serving import archives
from include.serving.container import inference, wire
from include.serving.routing import Target

__all__ = ["MISMATCH", "Ask", "Probe", "Reply", "asker", "probes"]

EACH = 4  # probes of a target
SEED = 20240701
FIRST_MINUTE = 28_640_000  # of the drawn rows; any would do
CLOSE = 1e-9  # relative: the same bytes of a model give the same numbers, JSON keeps all digits
MISMATCH = "mismatch"  # a problem that begins so is never an accident


class Probe(NamedTuple):
    """A question with its right answer.

    Attributes:
        pair: it is about.
        target: who is asked.
        body: of the request.
        answer: that is right.
    """

    pair: str
    target: Target
    body: bytes
    answer: wire.Answer


class Reply(NamedTuple):
    """How a question was answered.

    Attributes:
        seconds: until the answer was read.
        problem: empty if the answer is right; `MISMATCH` and what differs, or the code of an error.
    """

    seconds: float
    problem: str


Ask = Callable[[Probe], Reply]


def probes(bucket: ObjectStore, targets: Iterable[tuple[str, Target]], each: int = EACH) -> list[Probe]:
    """Questions to targets, of all pairs in turn.

    Args:
        bucket: the whole bucket.
        targets: pair and target.
        each: how many for each of them.

    Raises:
        MissingInput: an archive is gone.
        QualityError: an archive cannot be loaded.
    """
    by_target = [_of(bucket, pair, target, each) for pair, target in targets]
    return [some[number] for number in range(each) for some in by_target]


def asker(runtime: Any, endpoint: str) -> Ask:
    """A function that puts a probe to an endpoint and judges the answer.

    Args:
        runtime: boto3 client of sagemaker-runtime, which tries once.
        endpoint: name of the endpoint.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    def ask(probe: Probe) -> Reply:
        begin = time.perf_counter()
        try:
            told = runtime.invoke_endpoint(
                EndpointName=endpoint,
                TargetModel=probe.target.target,
                ContentType=wire.CONTENT_TYPE,
                Accept=wire.CONTENT_TYPE,
                Body=probe.body,
            )
            body = told["Body"].read()
        except ClientError as error:
            return Reply(time.perf_counter() - begin, _problem(error.response))
        except (BotoCoreError, OSError) as error:
            return Reply(time.perf_counter() - begin, type(error).__name__)
        seconds = time.perf_counter() - begin
        return Reply(seconds, _judged(body, probe.answer))

    return ask


def _of(bucket: ObjectStore, pair: str, target: Target, each: int) -> list[Probe]:
    files = archives.opened(bucket, target.target)
    about = json.loads(files[archives.DESCRIPTION])
    if (about["pair"], about["version"], about["feature_hash"]) != (
        pair,
        target.version,
        target.feature_hash,
    ):
        raise QualityError(
            f"{bucket.uri(archives.key_of(target.target))} is not version {target.version} of {pair}."
        )
    with tempfile.TemporaryDirectory(prefix="bqx-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        try:
            loaded = inference.load(Path(folder))
        except wire.Refused as refused:
            raise QualityError(f"The archive {target.target} cannot be served: {refused}") from refused
    out = []
    for number in range(each):
        rows = _rows(loaded.windows, len(loaded.columns), number)
        body = wire.request(target.version, target.feature_hash, rows)
        out.append(Probe(pair, target, body, inference.answer(loaded, wire.read_request(body))))
    return out


def _rows(windows: Mapping[int, int], columns: int, number: int) -> wire.Rows:
    """One row with everything that a model may need."""
    random = np.random.default_rng([SEED, number])
    shorter = {window - minutes for minutes, window in windows.items() if minutes < window}
    return wire.Rows(
        ts=np.array([FIRST_MINUTE + number], np.int64),
        features=random.normal(size=(1, columns)),
        q={window: random.normal(size=1) for window in sorted({*windows.values(), *shorter})},
        s={window: random.uniform(0.5, 2.0, size=1) for window in sorted(set(windows.values()))},
    )


def _judged(body: bytes, right: wire.Answer) -> str:
    """What is wrong with an answer; empty if nothing is."""
    try:
        told = wire.read_answer(body)
    except wire.Refused as refused:
        return f"{MISMATCH}: {refused.message}"
    for name in ("pair", "version", "feature_hash"):
        if getattr(told, name) != getattr(right, name):
            return f"{MISMATCH}: {name} is {getattr(told, name)}, not {getattr(right, name)}"
    if told.ts.tolist() != right.ts.tolist():
        return f"{MISMATCH}: other rows"
    if [(each.minutes, each.window) for each in told.horizons] != [
        (each.minutes, each.window) for each in right.horizons
    ]:
        return f"{MISMATCH}: other horizons"
    for one, other in zip(told.horizons, right.horizons, strict=True):
        for values, wanted in ((one.raw, other.raw), (one.scaled, other.scaled)):
            if not np.allclose(np.array(values), np.array(wanted), rtol=CLOSE, atol=CLOSE, equal_nan=True):
                return f"{MISMATCH}: forecast of {one.minutes} minutes"
    return ""


def _problem(response: Mapping[str, Any]) -> str:
    """Code of an error of AWS; of a model's own refusal the code that the model gives."""
    refused = wire.read_error(str(response.get("OriginalMessage", "")))
    code = str(response["Error"].get("Code", "unknown"))
    if refused is None:
        return code
    wrong_model = refused.code in (wire.VERSION, wire.FEATURES, wire.CORRUPT)
    return f"{MISMATCH}: {refused}" if wrong_model else f"{code}: {refused.code}"
