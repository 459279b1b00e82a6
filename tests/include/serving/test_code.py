"""The archive of the endpoint's code: nothing of ours is missing in it, and it answers alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from include.serving import code
from include.serving.container import wire
from tests.include.training.container.environment import UV, container_python
from tests.versions import rows, version

ASK = """
import json, sys
import inference
from types import SimpleNamespace
status = []
context = SimpleNamespace(set_response_status=lambda code, phrase: status.append(code))
model = inference.model_fn(sys.argv[1])
body, kind = inference.transform_fn(model, sys.stdin.read(), "application/json", "*/*", context)
ours = sorted(name for name in sys.modules if name.split(".")[0] in ("include", "local", "bqx", "airflow"))
print(json.dumps({"body": body.decode(), "kind": kind, "status": status, "ours": ours}))
"""


def names(body: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


def answers_alone(python: str, folder: Path) -> None:
    """Unpack code and model, and ask with nothing of this repository on the path."""
    with tarfile.open(fileobj=io.BytesIO(code.pack())) as archive:
        archive.extractall(folder / "code", filter="data")
    known, asked = version(members=("random_forest", "xgboost")), rows()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-c", ASK, str(known.write(folder / "model"))],
        cwd=folder / "code",
        env=clean,
        input=wire.request(known.name, known.feature_hash, asked).decode(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["kind"], told["status"]) == ("application/json", [])
    inside = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names(code.pack())
    }
    assert set(told["ours"]) <= inside
    expected = known.says(asked)
    for each in wire.read_answer(told["body"]).horizons:
        assert each.raw.value == pytest.approx(expected[each.minutes], rel=1e-9)


def test_it_answers_from_its_archive_alone(tmp_path: Path) -> None:
    answers_alone(sys.executable, tmp_path)


@pytest.mark.skipif(not UV.exists(), reason="the versions of AWS's image are installed by uv")
def test_it_answers_with_the_versions_of_aws(tmp_path: Path) -> None:
    answers_alone(str(container_python()), tmp_path)


def test_it_holds_what_it_needs_and_nothing_else() -> None:
    found = names(code.pack())
    assert {
        "inference.py",
        "include/serving/container/inference.py",
        "include/serving/container/wire.py",
    } < set(found)
    assert "include/training/container/boosters.py" in found
    assert not [name for name in found if "networks" in name or name.endswith(("job.py", "train.py"))]


def test_other_code_has_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code.code_key()
    assert before == code.code_key()
    code.pack.cache_clear()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b"\n" * (self.name == "wire.py"))
    assert code.code_key() != before
    monkeypatch.undo()
    code.pack.cache_clear()
    assert code.code_key() == before
