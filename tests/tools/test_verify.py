"""The record of tested families is about this code, and a stale or false one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.build.code import code_version
from include.features.catalogue import FAMILIES
from include.plan import verified
from include.plan.verified import Score, Verified
from tools import verify
from tools.verify import counted, families_of, problems


def test_the_stored_record_is_about_this_code() -> None:
    assert problems(verified.read()) == [], "features changed: run `make verify` (about two minutes)"


def test_every_family_has_tests() -> None:
    assert list(verified.read().families) == list(FAMILIES)
    assert {name for families in verify.FILES.values() for name in families} == set(FAMILIES)


@pytest.mark.parametrize("name", verify.FILES)
def test_the_files_are_there(name: str) -> None:
    assert (Path(verify.__file__).parents[1] / f"tests/include/features/test_{name}.py").exists()


@pytest.mark.parametrize(
    ("node", "families"),
    [
        ("tests/include/features/test_engine.py::test_x[lag-eurusd]", ("lag",)),
        ("tests/include/features/test_engine.py::test_x[reg_idx-w15_a2_norm]", ("reg_idx",)),
        ("tests/include/features/test_engine.py::test_lag", ()),
        ("tests/include/features/test_volume.py::test_x", ("volume_idx", "volume_bqx")),
        ("tests/include/features/test_volume.py::test_x[volume_bqx-3]", ("volume_bqx",)),
        ("tests/leakage/test_families.py::test_x[dual]", ("dual",)),
        ("tests/leakage/test_volume.py::test_x", ()),
    ],
)
def test_a_test_belongs_to_the_families_it_names(node: str, families: tuple[str, ...]) -> None:
    assert families_of(node) == families


def test_tests_are_counted_by_family() -> None:
    found = counted([("tests/x.py::t[lag]", True), ("tests/x.py::t[lag-2]", False), ("tests/x.py::t", True)])
    assert found["lag"] == Score(2, 1)
    assert found["ma"] == Score(0, 0)


def test_what_does_not_hold_is_told() -> None:
    right = {name: Score(3, 3) for name in FAMILIES}
    code = code_version()
    assert problems(Verified(code, right)) == []
    assert problems(Verified("other", right)) == ["it is about other code than this"]
    assert problems(Verified(code, right | {"lag": Score(3, 2)})) == ["lag: 1 of 3 tests failed"]
    assert problems(Verified(code, right | {"lag": Score(0, 0)})) == ["lag was not tested"]
    assert "lag was not tested" in problems(
        Verified(code, {name: one for name, one in right.items() if name != "lag"})
    )


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Verified("abc", {"lag": Score(3, 2)})
    verify.write(record, tmp_path / "v.json")
    assert verified.read(tmp_path / "v.json") == record
    assert verified.read(tmp_path / "none.json") == Verified("", {})


def test_check_only_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert verify.main(["--check"]) == 0
    stale = {"code": "old", "families": {}}
    (tmp_path / "v.json").write_text(json.dumps(stale))
    monkeypatch.setattr(verify, "read", lambda: verified.read(tmp_path / "v.json"))
    assert verify.main(["--check"]) == 1
    assert "make verify" in capsys.readouterr().err
