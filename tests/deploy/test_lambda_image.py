"""What the image of the Lambda function is built of, and that a start in it compiles nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_requirements import environment, pins

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "lambda" / "Dockerfile"
START = """
import json, os, sys, time
begin = time.perf_counter()
import entry
loaded = time.perf_counter()
from include.build.kernels import compile_all
compile_all()
compiled = time.perf_counter()
told = entry.answer(json.loads(sys.argv[1]), None)
answered = time.perf_counter()
print("RESULT", json.dumps([loaded - begin, compiled - loaded, answered - compiled, told["statusCode"]]))
"""
EVENT = {
    "rawPath": "/predict",
    "headers": {},
    "body": '{"pair": "eurusd"}',
    "requestContext": {
        "stage": "$default",
        "http": {"method": "POST"},
        "authorizer": {"iam": {"userArn": "arn:aws:iam::111122223333:role/reader"}},
    },
}


def variables() -> dict[str, str]:
    """What the Dockerfile sets."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    lines = [line.removeprefix("ENV ") for line in text.splitlines() if line.startswith("ENV ")]
    return dict(word.split("=", 1) for line in lines for word in line.split())


def test_what_is_copied_exists_and_is_not_kept_out() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE.read_text(), re.MULTILINE)
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(name.startswith(each) for each in let_in), name


def test_its_pins_are_those_of_a_deployment() -> None:
    base = (ROOT / "requirements.txt").read_text()
    for package, version in pins("requirements-api.txt").items():
        assert re.search(rf"^{package}==" + re.escape(version) + r"( ;.*)?$", base, re.MULTILINE), package


def test_it_needs_nothing_but_its_pins() -> None:
    """Every module that the function loads comes from a package of the list, or from the standard library."""
    script = (
        "import sys, importlib.metadata as m\n"
        "import include.serving.api.aws_lambda, include.serving.api.assembly, include.serving.online, boto3\n"
        "print(*sorted(x for x, d in m.packages_distributions().items() if x in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.split())
    assert {"numba", "psycopg", "pydantic"} <= loaded
    assert not loaded & {"airflow", "fastapi", "uvicorn", "pandas", "pyarrow", "xgboost", "sklearn"}


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_start_in_a_read_only_image_compiles_nothing(tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "requirements-api.txt", "3.12")
    task = tmp_path / "task"
    shutil.copytree(ROOT / "include", task / "include", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "deploy" / "lambda" / "entry.py", task)
    kernels, used = tmp_path / "kernels", tmp_path / "tmp" / "kernels"
    told = variables() | {"BQX_KERNELS": str(kernels), "PYTHONPATH": str(task), "PATH": os.environ["PATH"]}
    building = told | {"NUMBA_CACHE_DIR": str(kernels)}
    subprocess.run([python, "-m", "include.build.kernels"], env=building, cwd=task, check=True, timeout=900)
    subprocess.run([python, "-m", "compileall", "-q", "."], env=building, cwd=task, check=True)
    for path in (*task.rglob("*"), *kernels.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    before = sorted(path.name for path in kernels.rglob("*") if path.is_file())
    running = told | {
        "NUMBA_CACHE_DIR": str(used), "BQX_S3_BUCKET": "bqx", "AWS_DEFAULT_REGION": "us-east-1",
        "BQX_DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }  # fmt: skip
    done = subprocess.run(
        [python, "-c", START, json.dumps(EVENT)],
        env=running,
        cwd=task,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    loading, computing, answering, status = json.loads(line.removeprefix("RESULT"))
    assert status == 503  # nothing is reached from here
    assert sorted(path.name for path in used.rglob("*") if path.is_file()) == before
    assert loading < 10, "longer than Lambda gives a start for nothing"
    assert computing < 10
    assert answering < 2
