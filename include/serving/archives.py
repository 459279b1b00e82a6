"""Versioned archives: what the endpoint loads for a pair, made from a decision record and never changed.

A version is the beginning of the SHA-256 of the decision record. Its archive holds the models that the
record chose, unpacked, each in a folder of its own, and `DESCRIPTION`, which says what they are. A model gets
into an archive only if it is byte for byte the one that was scored, and of the data set and windows that the
record names.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any, NamedTuple

from include.errors import DeployRefused, MissingInput, QualityError
from include.objects import ObjectStore
from include.training.archive import pack_files
from include.training.choice.record import DIGITS, Decision
from include.training.container.inference import FORMAT as MODEL_FORMAT
from include.training.container.inference import MODEL, columns_hash
from include.training.container.models import TREES

__all__ = ["DESCRIPTION", "FOLDER", "FORMAT", "Version", "described", "ensure", "kept", "key_of", "opened"]

FOLDER = "serving/models"  # in the bucket; the endpoint's model may load whatever lies below it
DESCRIPTION = "serving.json"
FORMAT = 1

Plain = Mapping[str, Any]
Files = dict[str, bytes]


class Version(NamedTuple):
    """A model version of a pair.

    Attributes:
        pair: for example ``eurusd``.
        version: 16 hexadecimal digits, the beginning of the hash of the decision record.
        decision: key of that record.
        feature_hash: of the columns.
        columns: features in the order of the model.
        windows: window of the target by horizon, minutes.
    """

    pair: str
    version: str
    decision: str
    feature_hash: str
    columns: tuple[str, ...]
    windows: dict[str, int]

    @property
    def target(self) -> str:
        """Name of the archive for the endpoint: TargetModel of a request."""
        return f"{self.pair}/{self.version}.tar.gz"

    @property
    def key(self) -> str:
        """Key of the archive."""
        return key_of(self.target)


def key_of(target: str) -> str:
    """Key of the archive that the endpoint knows as `target`."""
    return f"{FOLDER}/{target}"


def kept(bucket: ObjectStore, target: str) -> bool:
    """Whether the archive of a target is there."""
    return any(found.key == key_of(target) for found in bucket.list(key_of(target)))


def ensure(bucket: ObjectStore, decision: Decision) -> Version:
    """Make sure that the archive of a decision is there, and is right.

    Args:
        bucket: the whole bucket.
        decision: the record.

    Raises:
        DeployRefused: it chose nothing that can be served.
        MissingInput: a model that it names is gone.
        QualityError: a model is not the one that it names, or an archive of this version has another content.
    """
    files = _files(bucket, decision)
    made = _version(json.loads(files[DESCRIPTION]))
    if not bucket.put_once(made.key, pack_files(files)):
        there = opened(bucket, made.target)
        if there != files:  # the content is compared, not the bytes: compression may differ
            raise QualityError(
                f"{bucket.uri(made.key)} exists and is not what decision {decision.key} says. Nothing was "
                "overwritten: find out who wrote it, remove it if nobody serves it, and deploy again."
            )
    return made


def described(bucket: ObjectStore, target: str) -> Version:
    """The version that an archive holds.

    Raises:
        MissingInput: it is gone.
        QualityError: it cannot be read, or a file is not the one that its description names.
    """
    return _version(json.loads(opened(bucket, target)[DESCRIPTION]))


def opened(bucket: ObjectStore, target: str) -> Files:
    """The files of a versioned archive, by name.

    Raises:
        MissingInput: it is gone.
        QualityError: it cannot be read, or a file is not the one that its description names.
    """
    key = key_of(target)
    body = bucket.get(key)
    if body is None:
        raise MissingInput(
            f"{bucket.uri(key)} is gone: archives are kept as long as one of the last states of the routing "
            "table names them. Deploy the decision of that pair again: it makes the same archive."
        )
    try:
        files = unpacked(body)
        wanted = json.loads(files[DESCRIPTION])["files"]
    except (ValueError, KeyError, OSError, EOFError, tarfile.TarError) as error:
        raise QualityError(f"{bucket.uri(key)} cannot be read ({type(error).__name__}: {error}).") from error
    if wanted != {name: _sha256(body) for name, body in files.items() if name != DESCRIPTION}:
        raise QualityError(f"{bucket.uri(key)} was changed: its files are not those that it describes.")
    return files


def unpacked(body: bytes) -> Files:
    """The files of a ``.tar.gz`` by their names, without a leading ``./``."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                files[member.name.removeprefix("./")] = stream.read()
    return files


def _files(bucket: ObjectStore, decision: Decision) -> Files:
    """What the archive of a decision holds."""
    record = decision.content
    archives = record["archives"]
    if not record["deployable"] or not archives:
        raise DeployRefused(
            f"Decision {decision.key} may not be deployed: {record['why_not'] or 'it chose no model'}"
        )
    if others := sorted({each["model"] for each in archives} - set(TREES)):
        raise DeployRefused(
            f"Decision {decision.key} needs {', '.join(others)}. The endpoint serves trees only "
            f"({', '.join(TREES)}): let bqx_train decide without networks, or wait for their image."
        )
    members = {each["model"]: _member(bucket, decision, each) for each in archives}
    abouts = {model: json.loads(files[MODEL]) for model, files in members.items()}
    first = next(iter(abouts.values()))
    if any(about["columns"] != first["columns"] for about in abouts.values()):
        raise QualityError(f"The models of decision {decision.key} read different columns.")
    files = {f"{model}/{name}": body for model, own in members.items() for name, body in own.items()}
    description = {
        "format": FORMAT,
        "pair": record["pair"],
        "version": decision.hash[:DIGITS],
        "decision": decision.key,
        "decision_hash": decision.hash,
        "feature_hash": first["columns_hash"],
        "columns": first["columns"],
        "windows": _windows(first),
        "members": [
            {
                "folder": each["model"],
                "model": each["model"],
                "weight": each["weight"],
                "archive_sha256": each["sha256"],
            }
            for each in archives
        ],
        "files": {name: _sha256(body) for name, body in sorted(files.items())},
    }
    return files | {DESCRIPTION: json.dumps(description, indent=1, sort_keys=True).encode()}


def _member(bucket: ObjectStore, decision: Decision, archive: Plain) -> Files:
    """The files of one model of a decision, checked."""
    body = bucket.get(archive["key"])
    where = bucket.uri(archive["key"])
    if body is None:
        raise MissingInput(f"{where}, which decision {decision.key} names, is gone. Run bqx_train again.")
    if _sha256(body) != archive["sha256"]:
        raise QualityError(
            f"{where} is not the model that decision {decision.key} names: its SHA-256 is {_sha256(body)}, "
            f"not {archive['sha256']}. Nothing was deployed. Restore the object, or run bqx_train again."
        )
    files = unpacked(body)
    if MODEL not in files:
        raise QualityError(f"{where} has no {MODEL}: it is no model of bqx_train.")
    wrong = _differences(json.loads(files[MODEL]), decision.content, archive, files)
    if wrong:
        raise QualityError(f"{where} does not fit decision {decision.key}: {'; '.join(wrong)}.")
    return files


def _differences(about: Plain, record: Plain, archive: Plain, files: Files) -> list[str]:
    """What a model has other than its decision says, in words."""
    compared = {
        "format": (about.get("format"), MODEL_FORMAT),
        "pair": (about.get("pair"), record["pair"]),
        "model": (about.get("model"), archive["model"]),
        "data set": (about.get("content_hash"), record["content_hash"]),
        "feature hash": (about.get("columns_hash"), record["columns_hash"]),
        "windows": (_windows(about), record["windows"]),
        "feature hash of its columns": (columns_hash(about.get("columns", ())), about.get("columns_hash")),
    }
    wrong = [
        f"{name} is {found}, not {wanted}" for name, (found, wanted) in compared.items() if found != wanted
    ]
    return wrong + [
        f"{horizon['file']} is missing or was changed"
        for horizon in about.get("horizons", ())
        if _sha256(files.get(horizon["file"], b"")) != horizon["sha256"]
    ]


def _windows(about: Plain) -> dict[str, int]:
    """Window by horizon, as the decision record has it."""
    return {str(each["minutes"]): int(each["window"]) for each in about.get("horizons", ())}


def _version(description: Plain) -> Version:
    return Version(
        description["pair"],
        description["version"],
        description["decision"],
        description["feature_hash"],
        tuple(description["columns"]),
        dict(description["windows"]),
    )


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
