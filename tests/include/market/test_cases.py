"""Small files that people really have, loaded as they would load them: the right bars or the right words."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from include.errors import BadInput
from include.market.file_source import FileSource
from include.market.request import LoadRequest
from include.names import to_datetime
from tests.include.market.cases import CASES, FOLDER, NO_CASES, Case

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not (FOLDER / "index.json").is_file(), reason=NO_CASES),
]


def load(folder: Path, case: Case) -> FileSource:
    """The folder, read and checked as `bqx_load` does it."""
    source = FileSource(LoadRequest(str(folder), pairs=case.pairs, timezone=case.timezone))
    source.check()
    return source


def check(source: FileSource, case: Case) -> None:
    assert source.pairs == list(case.pairs)
    for pair in case.pairs:
        bars = source.everything(pair)
        assert len(bars) == case.rows
        assert to_datetime(int(bars.ts[0])) == case.first
        if case.spread is None:
            assert np.isnan(bars.spread).all()
        else:
            assert bars.spread[0] == pytest.approx(case.spread, rel=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id} {case.timezone or ''}".strip())
def test_every_case_is_read_right_or_refused_in_the_right_words(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    shutil.copytree(FOLDER / case.id, folder)
    if not case.code:
        source = load(folder, case)
        check(source, case)
        assert case.says in json.dumps([source.read, source.left_out], ensure_ascii=False)
        return
    with pytest.raises(BadInput) as refusal:
        load(folder, case)
    assert refusal.value.code == case.code, refusal.value
    assert case.says in str(refusal.value)
    if case.line:
        found = re.search(r'A line of bars\.yaml for it: (".*": \{.*\})', str(refusal.value))
        assert found, refusal.value
        (folder / "bars.yaml").write_text(f"{found[1]}\n", encoding="utf-8")
        check(load(folder, case), case)


def test_every_case_of_the_index_has_its_test() -> None:
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    assert {entry["id"] for entry in index} == {case.id for case in CASES}
