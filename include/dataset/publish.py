"""The last step: from the pieces of all pairs to a data set that anybody can read, or to none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from include.build.code import code_version
from include.dataset.assemble import Exported, features_of
from include.dataset.evidence import FEATURES
from include.dataset.export import finish, open_manifest, read_document, write_document
from include.dataset.frame import Frame, fresh_inputs
from include.dataset.manifest import Manifest
from include.dataset.matrix import changed_since_plan
from include.dataset.profile import PairProfile
from include.dataset.select import Selection, bucket
from include.dataset.split import GAP, SETS, Interval
from include.dataset.targets import TARGETS
from include.dataset.work import Work, arrays_bytes, json_bytes
from include.errors import MissingInput
from include.features.arrays import Floats
from include.features.catalogue import catalogue_hash
from include.names import to_datetime
from include.objects import ObjectStore
from include.reports import INDEX, Reports
from include.storage.connection import connect
from include.storage.stage_order import refuse_unmigrated

__all__ = ["DOCUMENTS", "Choice", "publish"]

DOCUMENTS = {
    "selection": "selection.json",
    "scalers": "scalers.json",
    "features": "features.json",
    "profile": "profile.npz",
    "report": "report.html",
}
KIND = "datasets"  # of the reports, see `include.reports.KINDS`


class Choice(NamedTuple):
    """What was chosen from the evidence of all pairs.

    Attributes:
        selection: the columns.
        stability: overlap of the rankings of rolling folds, None without two of them.
        rho: absolute correlation of the selected columns with each other, mean over pairs.
    """

    selection: Selection
    stability: float | None
    rho: Floats

    def save(self, work: Work) -> None:
        """Keep it; the part that others wait for comes last."""
        work.put("likeness.npz", arrays_bytes({"rho": self.rho}))
        work.put("choice.json", json_bytes(self.to_dict()))

    @classmethod
    def load(cls, work: Work) -> Choice:
        """What `save` kept.

        Raises:
            MissingInput: nothing was chosen yet.
        """
        found = work.get_json("choice.json", "choose")
        rho = work.get_arrays("likeness.npz", "choose")["rho"]
        return cls(Selection.of(found["selection"]), found["stability"], rho)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the correlations."""
        return {"selection": self.selection.to_dict(), "stability": self.stability}

    @property
    def fingerprint(self) -> str:
        """Hash of the selected columns: files of another selection are not published with this one."""
        return hashlib.sha256("\n".join(self.selection.columns).encode()).hexdigest()


class _Pieces(NamedTuple):
    """What the tasks left: by pair, in the order of the frame."""

    choice: Choice
    profiles: tuple[PairProfile, ...]
    exported: dict[str, Exported]


def publish(url: str, store: ObjectStore, frame: Frame, reports: Reports) -> dict[str, Any]:
    """Write the documents, then the manifest; from then on the data set is there and never changes.

    Before that everything it was made from is compared once more with what the run was planned on. Killed at
    any point it can be run again. Once the manifest is there it writes nothing more and only clears away
    what is left of the work.

    Args:
        url: libpq connection string.
        store: where the files are.
        frame: what the data set is to be.
        reports: where the report goes.

    Returns:
        dataset_id, content_hash, rows, files, selected, the link of the report, and a summary for people.

    Raises:
        MissingInput: a piece is not there; pair and step are named.
        Incomplete: bars, tables or code changed since the plan; nothing was published.
        MigrationDue: a pair has to be migrated (again) first; nothing was published.
        DatasetConflict: a data set of this id is there and has other content.
    """
    work = Work(store, frame)
    written = _written(store, frame)
    if written is not None and written.extra.get("frame") == frame.fingerprint:
        manifest = written  # an earlier try published it
    else:
        pieces = _collect(work)
        manifest = _manifest(frame, pieces, _unchanged_inputs(url, frame))
        if written is None:
            documents = _documents(frame, pieces, manifest, reports)
            manifest = replace(
                manifest,
                documents={
                    what: write_document(store, frame.dataset_id, DOCUMENTS[what], body)
                    for what, body in documents.items()
                },
            )
        finish(store, manifest)
        manifest = open_manifest(store, frame.dataset_id)
    report = _keep_report(store, manifest, reports)
    work.clear()
    return {
        "dataset_id": manifest.dataset_id,
        "content_hash": manifest.content_hash,
        "rows": sum(part.rows for part in manifest.files),
        "files": len(manifest.files),
        "selected": manifest.extra["selected"],
        "report": report,
        "summary": _summary(store, manifest, report),
    }


def _unchanged_inputs(url: str, frame: Frame) -> dict[str, dict[str, str]]:
    """What the stored tables were made from, if nothing changed since the plan."""
    with connect(url) as connection:
        refuse_unmigrated(connection, frame.pairs)
    found = fresh_inputs(url, frame.pairs, frame.months)
    for pair in frame.pairs:
        for month in frame.months:
            if found.inputs[pair][month] != frame.inputs[pair][month]:
                raise changed_since_plan(pair, month)
    return found.fingerprints


def _summary(store: ObjectStore, manifest: Manifest, report: str) -> str:
    stability = manifest.extra["stability"]
    overlap = "not measured, too short for two folds" if stability is None else f"{stability:.2f}"
    rows = ", ".join(f"{each['rows']:,} {name}" for name, each in manifest.splits.items())
    return (
        f"Training set s3://{store.bucket}/{store.key(manifest.dataset_id)}\n"
        f"  {len(manifest.extra['pairs'])} pairs, {rows} rows; {manifest.columns_total} columns checked, "
        f"{manifest.extra['selected']} selected\n"
        f"  content {manifest.content_hash}, stability of the ranking {overlap}\n"
        f"  report {report}"
    )


def _written(store: ObjectStore, frame: Frame) -> Manifest | None:
    try:
        return open_manifest(store, frame.dataset_id)
    except MissingInput:
        return None


def _collect(work: Work) -> _Pieces:
    choice = Choice.load(work)
    profiles, exported = [], {}
    for pair in work.frame.pairs:
        profiles.append(PairProfile.of(work.get_arrays(f"profile/{pair}.npz", f"examine of {pair}")))
        found = work.get_json(f"exported/{pair}.json", f"export of {pair}")
        if found.pop("choice") != choice.fingerprint:
            raise MissingInput(
                f"Data set {work.frame.dataset_id}: {pair} was exported with another selection of columns "
                "than was chosen last. Clear its task export; what is right is not sent again."
            )
        exported[pair] = Exported.of(found)
    return _Pieces(choice, tuple(profiles), exported)


def _manifest(frame: Frame, pieces: _Pieces, inputs: Mapping[str, Mapping[str, str]]) -> Manifest:
    files = tuple(part for exported in pieces.exported.values() for part in exported.files)
    rows = {name: sum(part.rows for part in files if part.split == name) for name in SETS}
    whole = Interval(frame.start, frame.end)
    return Manifest(
        dataset_id=frame.dataset_id,
        catalogue_hash=catalogue_hash(),
        columns_total=len(FEATURES),
        columns_selected=features_of(frame, pieces.choice.selection),
        targets=TARGETS,
        splits={name: _range(getattr(frame.split, name)) | {"rows": rows[name]} for name in SETS},
        files=files,
        source=_range(whole),
        code_version=code_version(),
        inputs=inputs,
        extra={
            "named": frame.named,
            "pairs": list(frame.pairs),
            "selected": len(pieces.choice.selection.columns),
            "stability": pieces.choice.stability,
            "target_window": frame.target_window,
            "gap_minutes": GAP,
            "sizes": {"sample_rows": frame.rows, "trees": frame.trees, "folds": len(frame.folds)},
            "frame": frame.fingerprint,
            # said only where it is so: other data sets keep their manifests
            **({"boundaries": "trading time"} if frame.is_cut_in_trading_time else {}),
        },
    )


def _range(part: Interval) -> dict[str, Any]:
    """Half open, as ISO times in UTC."""
    return {"from": to_datetime(part.start).isoformat(), "to": to_datetime(part.end).isoformat()}


def _documents(frame: Frame, pieces: _Pieces, manifest: Manifest, reports: Reports) -> dict[str, bytes]:
    """What lies beside the manifest, by the names of `DOCUMENTS`; the pictures go to the reports."""
    from include.dataset import report  # draws: nobody else needs to load matplotlib

    choice = pieces.choice
    files = report.draw(frame, pieces.profiles, choice.selection, choice.rho, choice.stability, manifest)
    reports.write(KIND, frame.dataset_id, files)
    return {
        "selection": json_bytes(choice.to_dict()),
        "scalers": json_bytes({pair: one.scaler.to_dict() for pair, one in pieces.exported.items()}),
        "features": json_bytes(_features(choice.selection, manifest.columns_selected)),
        "profile": arrays_bytes(_profile_arrays(pieces.profiles)),
        "report": files[INDEX],
    }


def _features(selection: Selection, columns: Sequence[str]) -> dict[str, Any]:
    """What each feature column is, in the order of the files."""
    facts = ("name", "domain", "kind", "dtype", "min", "warm", "counts", "unit", "range", "formula")
    told = []
    for name in columns:
        feature = FEATURES[name]
        told.append(
            {fact: getattr(feature, fact) for fact in facts}
            | {
                "name": name,
                "bucket": bucket(feature),
                "importance": selection.importance[name],
                "selected": name in selection.columns,
            }
        )
    return {"catalogue_hash": catalogue_hash(), "columns": told}


def _profile_arrays(profiles: Sequence[PairProfile]) -> dict[str, Any]:
    """All profiles in one file, ``{pair}/{array}``; the sampled targets can be read from the files."""
    bare = (replace(each, targets={name: each.targets[name][:0] for name in SETS}) for each in profiles)
    return {f"{each.pair}/{name}": values for each in bare for name, values in each.arrays().items()}


def _keep_report(store: ObjectStore, manifest: Manifest, reports: Reports) -> str:
    """Make the report that of the data set: an earlier try may have drawn it; returns its link."""
    body = read_document(store, manifest, "report")
    if reports.read(KIND, manifest.dataset_id, INDEX) != body:
        reports.write(KIND, manifest.dataset_id, {INDEX: body})
    return reports.link(KIND, manifest.dataset_id, INDEX)
