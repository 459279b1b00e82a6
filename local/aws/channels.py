"""Input of a job: what its channels name in S3, and how that appears below ``input/data``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local.aws.errors import invalid
from local.aws.storage import Place, Storage


class InputError(Exception):
    """Input that cannot be had; the text is the FailureReason."""


class Source(NamedTuple):
    """One object of a channel.

    Attributes:
        place: where it is.
        path: where it goes to, relative to the channel's folder.
    """

    place: Place
    path: str


def check(job: Mapping[str, Any], storage: Storage) -> None:
    """Refuse a job whose channels this stand-in does not know, or whose prefix or manifest is not there.

    Raises:
        ServiceError: ValidationException, as AWS does when the job is created.
    """
    for channel in job.get("InputDataConfig", ()):
        name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
        mode = channel.get("InputMode") or job["AlgorithmSpecification"]["TrainingInputMode"]
        if source is None or mode != "File" or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise invalid(
                f"The stand-in knows channels of S3Prefix and ManifestFile in File mode; channel {name} is "
                "another one."
            )
        if not storage.list(Place.of(source["S3Uri"])):
            raise invalid(_nothing(source["S3Uri"], job))


def download(job: Mapping[str, Any], storage: Storage, folder: Path) -> Iterator[None]:
    """Write every channel's objects below a folder; yields after each, so that the caller may end it.

    Raises:
        InputError: an object is not there, or a manifest is none.
    """
    for channel in job.get("InputDataConfig", ()):
        root = folder / channel["ChannelName"]
        root.mkdir(parents=True, exist_ok=True)
        source = channel["DataSource"]["S3DataSource"]
        for one in sources(source, storage):
            path = root / one.path
            if not path.resolve().is_relative_to(root.resolve()):
                raise InputError(f"ClientError: Data download failed: {one.place} lies outside its channel")
            if not storage.fetch(one.place, path):
                raise InputError(
                    f"ClientError: Data download failed: NoSuchKey (404): {one.place} of channel "
                    f"{channel['ChannelName']} does not exist"
                )
            yield


def sources(source: Mapping[str, str], storage: Storage) -> list[Source]:
    """The objects of an S3DataSource."""
    place = Place.of(source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        return _listed(place, storage)
    return [
        Source(Place(place.bucket, key), _relative(key, place.key))
        for key in storage.list(place)
        if not key.endswith("/")
    ]


def _relative(key: str, prefix: str) -> str:
    if prefix and (prefix.endswith("/") or key.startswith(f"{prefix}/")):
        return key.removeprefix(prefix).lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def _listed(manifest: Place, storage: Storage) -> list[Source]:
    text = storage.read(manifest)
    if text is None:
        raise InputError(f"ClientError: Data download failed: the manifest {manifest} does not exist")
    try:
        first, *names = json.loads(text)
        prefix = Place.of(first["prefix"])
        return [Source(Place(prefix.bucket, prefix.key + str(name)), str(name)) for name in names]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"ClientError: Data download failed: {manifest} is no manifest, a list that begins with "
            '{"prefix": "s3://..."} and goes on with keys below it'
        ) from error


def _nothing(uri: str, job: Mapping[str, Any]) -> str:
    bucket = Place.of(uri).bucket
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
        f"exists in the selected region ({job['region']}), that objects exist under that S3 prefix, and that "
        f'the role "{job["RoleArn"]}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def names(job: Mapping[str, Any]) -> Sequence[str]:
    """Names of the channels, sorted."""
    return sorted(channel["ChannelName"] for channel in job.get("InputDataConfig", ()))
