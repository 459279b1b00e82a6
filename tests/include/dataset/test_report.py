"""The page of a data set: what it says, that it says it safely, and that it is the same every time."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.dataset import report
from include.dataset.report import GENERATOR, draw
from include.dataset.split import SETS, Interval
from include.errors import BadParameter
from tests.include.dataset.profiles import Case, case
from tests.reports import in_folder

FIGURES = ["coverage", "missing", "shift", "correlation", "importance", "targets", "timeline", "quotas"]


class Page(HTMLParser):
    """Text, tags, places to go to, and what would be loaded."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(page)
        self.words = re.sub(r"\s+", " ", " ".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            wanted = {"id": self.ids, "href": self.links, "src": self.loaded, "srcset": self.loaded}.get(name)
            if wanted is not None:
                wanted.append(str(value))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def written(folder: Path, *arguments: Any) -> Path:
    """The files of a report in a folder; returns the path of the page."""
    links = in_folder(folder).write("datasets", "one", draw(*arguments))
    return Path(links["index.html"])


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made() -> Case:
    return case(pairs=2, months=6)


@pytest.fixture(scope="module")
def path(made: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("report"), *made.report())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words without the time that drawing takes."""
    monkeypatch.setattr(report, "_drawn", lambda *_: iter(()))


def test_the_summary_names_everything(made: Case, path: Path) -> None:
    words = read(path).words
    for part in (
        made.manifest.dataset_id,
        made.manifest.content_hash,
        made.manifest.catalogue_hash,
        "2 pairs, 2018-01-01 00:00 to 2018-07-01 00:00 UTC. Of 730 columns",
        f"730 → {len(made.selection.columns)}",
        "Rows, train 300,000 Rows, validation 64,000 Rows, test 66,000",
        "Stability 71% target 60%",
        "at most 60 sampled rows per pair and set, 100 trees per pair",
        "AUDCAD, AUDCHF",
        f"{made.frame.split.train} 360,000 300,000",
        "0.1.0+test",
        *(str(getattr(made.frame.split, name)) for name in SETS),
        *(f"{fold.number}: learns {fold.train}, test {fold.test}" for fold in made.frame.folds),
        "volume_idx: all 15 columns are never known in 2 of 2 pairs (no input).",
    ):
        assert part in words, part


def test_every_column_is_told_with_its_reason(made: Case, path: Path) -> None:
    words = read(path).words
    assert set(made.selection.columns) | set(made.selection.dropped) == set(made.selection.importance)
    for name in made.selection.importance:
        assert f"{name} " in words
    for name, why in made.selection.dropped.items():
        assert f"{name} {made.selection.importance[name]:.6f} {why}" in words


def test_the_most_important_column_comes_first(made: Case, path: Path) -> None:
    words = read(path).words
    first = max(made.selection.columns, key=lambda name: made.selection.importance[name])
    assert re.search(rf"Shift, test 1 {first} [\w -]+ {made.selection.importance[first]:.5f}", words)


def test_the_page_carries_its_figures_and_loads_nothing(path: Path) -> None:
    page = read(path)
    files = [path.parent / f"{number}_{name}.png" for number, name in enumerate(FIGURES, 1)]
    assert sorted(path.parent.iterdir()) == sorted([*files, path])
    start = "data:image/png;base64,"
    assert all(source.startswith(start) for source in page.loaded)
    assert [base64.b64decode(one.removeprefix(start)) for one in page.loaded] == [
        one.read_bytes() for one in files
    ]
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert [link[1:] for link in page.links][: len(FIGURES)] == FIGURES
    text = path.read_text(encoding="utf-8")
    assert "url(" not in text
    assert "script" not in page.tags
    assert f'<meta name="generator" content="{GENERATOR}">' in text
    assert path.stat().st_size < 4e6


def test_the_same_input_gives_the_same_bytes(made: Case, path: Path) -> None:
    assert draw(*made.report()) == {one.name: one.read_bytes() for one in path.parent.iterdir()}


def test_no_folds_and_no_values_print_no_nan(tmp_path: Path) -> None:
    short = case()
    empty = np.full((0, 5), np.nan)
    short.profiles = [
        replace(one, shift=np.full_like(one.shift, np.nan), targets=dict.fromkeys(SETS, empty))
        for one in short.profiles
    ]
    short.rho[3, :] = short.rho[:, 3] = np.nan
    words = read(written(tmp_path, *short.report())).words
    assert "Stability not measured: period shorter than a fold" in words
    assert "Stability – target 60%" in words
    assert "Rolling folds none" in words
    assert not re.search(r"\b(nan|NaN|None|inf)\b", words)


@pytest.mark.usefixtures("quick")
def test_hostile_text_stays_text(made: Case, tmp_path: Path) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=alert(2)>'
    name = next(iter(made.selection.dropped))
    selection = replace(made.selection, note=evil, dropped=made.selection.dropped | {name: evil})
    manifest = replace(made.manifest, code_version=evil, catalogue_hash=evil, dataset_id=evil)
    arguments = (made.frame, made.profiles, selection, made.rho, made.stability, manifest)
    path = written(tmp_path, *arguments)
    page = read(path)
    assert not {"script", "img"} & set(page.tags)
    assert page.words.count('alert("1")') >= 4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("stability", "said"),
    [
        (0.42, "42% of the top 50 in common; 60% or more is the target."),
        (0.6, None),
        (0.999, None),
        (0.0, "0% of the top 50 in common"),
    ],
)
def test_low_stability_is_worth_a_note(
    made: Case, tmp_path: Path, stability: float, said: str | None
) -> None:
    arguments = (made.frame, made.profiles, made.selection, made.rho, stability, made.manifest)
    words = read(written(tmp_path, *arguments)).words
    assert ("in common" in words) == (said is not None)
    assert (said or "") in words


@pytest.mark.usefixtures("quick")
def test_notes_name_shifts_odd_targets_and_what_selection_says(made: Case, tmp_path: Path) -> None:
    column = made.selection.columns[0]
    number = made.profiles[0].columns.index(column)
    profiles = []
    for one in made.profiles:
        shift = one.shift * 0 + 0.01
        shift[1, number] = 0.25  # as the limit itself: marked in the table, so noted
        still = {name: np.full((9, 5), 1.0) for name in SETS}
        profiles.append(replace(one, shift=shift, targets=one.targets | {"test": still["test"]}))
    selection = replace(made.selection, note="only 195 of 999 columns: why")
    by_clock = made.frame.split
    moved = replace(by_clock, train=Interval(by_clock.train.start, by_clock.train.end - 1))
    frame = replace(made.frame, columns="all", target_window="45", split=moved)
    words = read(written(tmp_path, frame, profiles, selection, made.rho, 0.9, made.manifest)).words
    assert f"1 of {len(selection.columns)} selected columns shift by 0.25 or more against train" in words
    assert f"in the median pair: {column}." in words
    assert "Targets of the test set spread unlike no skill: 0.00 instead of 3.21 at 15 minutes" in words
    assert "Only 195 of 999 columns: why." in words
    assert "The files hold every column" in words
    assert "cut by its trading time; by the clock a set would hold no trading day" in words
    assert "of window 45" in words


@pytest.mark.usefixtures("quick")
def test_nothing_to_note_is_said(made: Case, tmp_path: Path) -> None:
    def calm(values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(values, nan=0.0) * 0

    scale = np.array([3.21, 4.51, 5.51, 6.35, 7.09])
    values = {name: np.array([[-1.0], [1.0]]) * scale for name in SETS}
    profiles = [
        replace(one, low=calm(one.low), shift=calm(one.shift), targets=values) for one in made.profiles
    ]
    path = written(tmp_path, made.frame, profiles, made.selection, made.rho, 0.9, made.manifest)
    words = read(path).words
    assert "nothing unusual" in words
    assert "Worth knowing" not in words


def test_correlations_of_other_columns_are_refused(made: Case) -> None:
    arguments = (made.frame, made.profiles, made.selection, np.ones((3, 3)), None, made.manifest)
    with pytest.raises(BadParameter, match=r"\(3, 3\) do not fit"):
        draw(*arguments)
