"""Reports for people: in which place they lie, what their files are called, and which of them are removed."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from include.objects import Found, Store
from include.pages import file_name

log = logging.getLogger(__name__)

FOLDER = "reports"  # in the bucket
INDEX = "index.html"

# The kinds of reports, each with the names that its files have. What is called otherwise is not ours.
_PART = r"\..*\.part"  # a killed process left it in a folder
KINDS = {
    "quality": re.compile(rf"[\w+=@-]+_[a-z]{{6}}\.html|{_PART}"),
    "datasets": re.compile(rf"index\.html|\d+_\w+\.png|{_PART}"),
    "migration": re.compile(rf"plan\.(txt|md|json)|(manifest|counts)\.csv|tables\.md|{_PART}"),
    "training": re.compile(rf"index\.html|scores\.json|leaderboard\.csv|\d+_\w+\.png|{_PART}"),
    "decisions": re.compile(rf"index\.html|gate\.html|[a-z]{{6}}\.html|{_PART}"),
    "monitoring": re.compile(rf"index\.html|\w+\.png|{_PART}"),
    "review": re.compile(rf"index\.html|{_PART}"),
    "retraining": re.compile(rf"index\.html|{_PART}"),
    "experiments": re.compile(rf"index\.html|{_PART}"),
    "plan": re.compile(rf"plan\.(html|md)|\w+\.png|{_PART}"),
}


class Removed(NamedTuple):
    """What a clean-up did, or would do.

    Attributes:
        kept: how many runs of ours stay.
        runs: the runs whose reports go, ``kind/run``.
        bytes: their size.
        not_ours: runs that stay because something in them is no report of ours.
    """

    kept: int
    runs: list[str]
    bytes: int
    not_ours: list[str]


class Reports(NamedTuple):
    """All reports of a deployment: ``{kind}/{run}/{file}``.

    Attributes:
        store: where they are: the folder `FOLDER` of the bucket, or a folder of the file system.

    Example:
        >>> reports = Reports(ObjectStore(client, "bqx", FOLDER))
        >>> reports.write("quality", "manual__1", {"1-6-10_eurusd.html": page})["1-6-10_eurusd.html"]
        'http://127.0.0.1:9000/bqx/reports/quality/manual__1/1-6-10_eurusd.html'
    """

    store: Store

    def key(self, kind: str, run: str, name: str = "") -> str:
        """Key of a file of a run."""
        return self.store.key(kind, file_name(run), name)

    def link(self, kind: str, run: str, name: str) -> str:
        """The address under which a person opens a report."""
        return self.store.link(self.key(kind, run, name))

    def write(self, kind: str, run: str, files: Mapping[str, str | bytes]) -> dict[str, str]:
        """Write the files of a run; each of them is there as a whole or not at all.

        Args:
            kind: one of `KINDS`.
            run: label of the run, or id of the data set.
            files: content by name; text goes as UTF-8.

        Returns:
            The link of each file by its name. The first one is also written to the log.

        Raises:
            AssertionError: the kind has no file of such a name.
        """
        for name, content in files.items():
            assert KINDS[kind].fullmatch(name), f"{kind} has no report {name}"
            self.store.put(
                self.key(kind, run, name), content.encode() if isinstance(content, str) else content
            )
        links = {name: self.link(kind, run, name) for name in files}
        if links:
            log.info("Report: %s", next(iter(links.values())))
        return links

    def read(self, kind: str, run: str, name: str) -> bytes | None:
        """A file of a run, None if it is not there."""
        return self.store.get(self.key(kind, run, name))

    def names(self, kind: str, run: str) -> set[str]:
        """The files of a run that are there."""
        prefix = f"{self.key(kind, run).rstrip('/')}/"
        return {found.key.removeprefix(prefix) for found in self.store.list(prefix)}

    def newest(self, kind: str) -> str | None:
        """The label of the newest run of a kind; None if there is none."""
        runs = self._files(kind)
        return max(runs, key=lambda run: (_written(runs[run]), run), default=None)

    def remove(self, kind: str, run: str) -> None:
        """Remove the reports of a run; what else lies there stays."""
        self.store.delete(
            [found.key for found in self._files(kind).get(file_name(run), ()) if _ours(kind, found)]
        )

    def remove_old(
        self, kind: str, keep: int, *, needed: Collection[str] = (), dry_run: bool = False
    ) -> Removed:
        """Remove the reports of all but the newest runs of a kind.

        Args:
            kind: one of `KINDS`.
            keep: how many runs stay, at least 0.
            needed: labels of runs that stay too.
            dry_run: say what would be removed, remove nothing.

        Raises:
            ValueError: `keep` is negative.
        """
        if keep < 0:
            raise ValueError(f"{keep} runs cannot be kept; the number is at least 0")
        runs = self._files(kind)
        ours = {run: files for run, files in runs.items() if all(_ours(kind, found) for found in files)}
        newest = sorted(ours, key=lambda run: (_written(ours[run]), run), reverse=True)
        stay = {file_name(run) for run in needed}
        old = [run for run in newest[keep:] if run not in stay]
        if not dry_run:
            self.store.delete([found.key for run in old for found in ours[run]])
        return Removed(
            kept=len(newest) - len(old),
            runs=[f"{kind}/{run}" for run in old],
            bytes=sum(found.bytes for run in old for found in ours[run]),
            not_ours=[f"{kind}/{run}" for run in runs if run not in ours],
        )

    def _files(self, kind: str) -> dict[str, list[Found]]:
        """The files of every run of a kind."""
        runs: dict[str, list[Found]] = {}
        for run, found in self._all(kind):
            runs.setdefault(run, []).append(found)
        return runs

    def _all(self, kind: str) -> Iterator[tuple[str, Found]]:
        prefix = self.store.key(kind, "")
        prefix = prefix if prefix.endswith("/") else f"{prefix}/"
        for found in self.store.list(prefix):
            run, slash, _ = found.key.removeprefix(prefix).partition("/")
            if slash:
                yield run, found


def _ours(kind: str, found: Found) -> bool:
    return KINDS[kind].fullmatch(found.key.rpartition("/")[2]) is not None


def _written(files: list[Found]) -> datetime:
    """When the newest file of a run was written."""
    return max(found.modified for found in files)
