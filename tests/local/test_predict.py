"""`make predict`: the promised form and nothing else, or a sentence saying why not."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from include.errors import StaleInput
from local import predict
from local.airflow import ROOT
from local.state import State
from tests.include.serving.api.fakes import TOKEN, World, raising, served


def state(folder: Path, url: str, token: str = TOKEN) -> Path:
    """A state folder whose stack is found at an address."""
    state = State(folder / "state")
    state.create()
    state.write_env({"AWS_REGION": "us-east-1", "BQX_API_URL": url, "BQX_API_TOKEN": token})
    return state.root


def called(folder: Path, pair: str = "eurusd") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.predict", "--state", str(folder), "--pair", pair]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_it_prints_the_promised_form(tmp_path: Path) -> None:
    with served(World()) as url:
        done = called(state(tmp_path, url))
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert list(told) == ["pair", "timestamp", "horizons", "model_version", "feature_hash"]
    assert [list(horizon) for horizon in told["horizons"]] == [["minutes", "value", "low", "high"]] * 5
    assert told["pair"] == "eurusd"


def test_the_summary_says_who_has_a_forecast_and_why_others_have_none(tmp_path: Path) -> None:
    with served(World()) as url:
        known = predict.exports(state(tmp_path, url) / "env")
        said = predict.summary(known, ["gbpaud", "eurusd", "gbpusd"]).splitlines()
    assert said[0] == "Forecasts served by the API: 2 of 3 pairs"
    assert said[1].startswith("  eurusd at 2024-07-26T")
    assert said[1].count(" to ") == 5
    assert said[2].startswith("  gbpaud: No forecast (404 not_served)")
    assert len(said) == 3


@pytest.mark.parametrize(
    ("pair", "said"),
    [("xxxyyy", "No forecast (404 unknown_pair)"), ("gbpaud", "No forecast (404 not_served)")],
)
def test_it_says_why_there_is_no_forecast(tmp_path: Path, pair: str, said: str) -> None:
    with served(World()) as url:
        done = called(state(tmp_path, url), pair)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


def test_stale_data_and_a_wrong_token_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(features=raising(StaleInput("The newest row is that of Friday.")))
    with served(world) as url:
        root = state(tmp_path, url)
        assert predict.main(["--state", str(root), "--pair", "eurusd"]) == 1
        assert capsys.readouterr().err == "No forecast (409 stale_data): The newest row is that of Friday.\n"
        state(tmp_path, url, "another-token-altogether")
        assert predict.main(["--state", str(root), "--pair", "eurusd"]) == 1
        assert "401 unauthorized" in capsys.readouterr().err


def test_without_a_stack_or_without_its_api_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main(["--state", str(tmp_path), "--pair", "eurusd"]) == 1
    assert "make run" in capsys.readouterr().err
    (tmp_path / "env").write_text("export AWS_REGION=x\n")
    assert predict.main(["--state", str(tmp_path), "--pair", "eurusd"]) == 1
    assert "names no API" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    root = state(tmp_path, f"http://127.0.0.1:{port}")
    assert predict.main(["--state", str(root), "--pair", "eurusd"]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.parse(Path(predict.__file__).read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {str(name).split(".")[0] for name in names} <= sys.stdlib_module_names
