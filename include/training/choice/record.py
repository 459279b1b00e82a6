"""Decision records: what was chosen for a pair and why, written once and never changed.

A record is an object ``decisions/{pair}/{beginning of its SHA-256}.json``. It names the record before it, so
the records of a pair are a chain. It holds no time of writing: the same evidence gives the same record.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from include.errors import QualityError
from include.objects import ObjectStore

__all__ = ["FOLDER", "FORMAT", "Decision", "current", "decisions", "deployable", "read", "rounded", "write"]

FORMAT = 1
FOLDER = "decisions"  # in the bucket
DIGITS = 16  # of the hash in the key
PRECISION = 8  # significant digits of a number: what computers of different kinds agree on


class Decision(NamedTuple):
    """A decision record.

    Attributes:
        key: of the object.
        hash: SHA-256 of its bytes.
        content: what it says.
    """

    key: str
    hash: str
    content: dict[str, Any]

    @property
    def incumbent(self) -> dict[str, Any] | None:
        """The newest model up to this decision that may be deployed; None if there is none."""
        if not self.content["deployable"]:
            known: dict[str, Any] | None = self.content["incumbent"]
            return known
        chosen = self.content["chosen"]
        kept = {name: self.content[name] for name in ("dataset_id", "content_hash", "windows")}
        return {
            "hash": self.hash,
            "model": chosen,
            **kept,
            "r2": self.content["scores"][chosen]["val"]["r2"]["model"],
        }


def write(bucket: ObjectStore, pair: str, decide: Callable[[Decision | None], dict[str, Any]]) -> Decision:
    """Write the decision about a pair, unless it is the current one already.

    Args:
        bucket: the whole bucket.
        pair: for example ``eurusd``.
        decide: gives the content of the record, from the record before it; None if it is the first.

    Returns:
        The record that is the current one now.
    """
    newest = current(bucket, pair)
    if newest is not None:
        before = newest.content["previous"]
        again = _decision(pair, decide(None if before is None else _of_hash(bucket, pair, before)))
        if again == newest:  # the task ran before, and was perhaps killed later
            return newest
    decision = _decision(pair, decide(newest))
    bucket.put_once(decision.key, _bytes(decision.content))
    return decision


def current(bucket: ObjectStore, pair: str) -> Decision | None:
    """The newest decision about a pair; None if there is none."""
    found = list(bucket.list(f"{FOLDER}/{pair}/"))
    if not found:
        return None
    last = max(each.modified for each in found)
    records = [read(bucket, each.key) for each in found if each.modified == last]
    earlier = {record.content["previous"] for record in records}  # several may be of the same second
    return next(record for record in records if record.hash not in earlier)


def deployable(bucket: ObjectStore, pair: str) -> Decision | None:
    """The newest decision about a pair whose model may be deployed; None if there is none."""
    newest = current(bucket, pair)
    if newest is None or newest.content["deployable"]:
        return newest
    incumbent = newest.incumbent
    return None if incumbent is None else _of_hash(bucket, pair, incumbent["hash"])


def read(bucket: ObjectStore, key: str) -> Decision:
    """A decision record.

    Args:
        bucket: the whole bucket.
        key: of the object, as the task `choose` returns it.

    Raises:
        QualityError: it is gone, or was changed.
    """
    body = bucket.get(key)
    digest = hashlib.sha256(body or b"").hexdigest()
    if body is None or not key.endswith(f"/{digest[:DIGITS]}.json"):
        what = "is gone" if body is None else "was changed after it was written"
        raise QualityError(
            f"Decision record {bucket.uri(key)} {what}; nothing is chosen or deployed by it. Restore it from "
            "a backup or an earlier version of the object, or clear the task choose: it decides again."
        )
    return Decision(key, digest, json.loads(body))


def decisions(bucket: ObjectStore) -> dict[str, Decision]:
    """The current decision about every pair that has one."""
    pairs = sorted({found.key.split("/")[1] for found in bucket.list(f"{FOLDER}/")})
    return {pair: found for pair in pairs if (found := current(bucket, pair)) is not None}


def rounded(value: float) -> float:
    """A number as it stands in a record; decisions are made from such numbers."""
    return float(f"{value:.{PRECISION}g}")


def _decision(pair: str, content: dict[str, Any]) -> Decision:
    body = _bytes(content)
    digest = hashlib.sha256(body).hexdigest()
    return Decision(_key(pair, digest), digest, json.loads(body))


def _of_hash(bucket: ObjectStore, pair: str, digest: str) -> Decision:
    return read(bucket, _key(pair, digest))


def _key(pair: str, digest: str) -> str:
    return f"{FOLDER}/{pair}/{digest[:DIGITS]}.json"


def _bytes(content: dict[str, Any]) -> bytes:
    """Canonical JSON: sorted names, no spaces, rounded numbers."""
    text = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _plain(value: Any) -> Any:
    """Plain values; None for a number that is not defined."""
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    return value
