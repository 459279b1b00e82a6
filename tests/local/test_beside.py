"""Work beside the start of Airflow is finished, or gone, when its block ends."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.errors import BqxError
from local.beside import Beside, Kernels, Market
from local.options import Options
from local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    return state


def test_a_failure_carries_the_end_of_its_log(tmp_path: Path) -> None:
    work = Beside("include.no_such_module", (), tmp_path / "work.log", {})
    with work, pytest.raises(BqxError, match=r"(?s)work failed.*no_such_module"):
        work.wait()


def test_work_that_takes_too_long_is_said_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.beside.DEADLINE", 0.1)
    work = Beside("http.server", ("0", "--bind", "127.0.0.1"), tmp_path / "work.log", {})
    with work, pytest.raises(BqxError, match="work is not done after 0 s"):
        work.wait()
    assert work._child.poll() is not None


def test_what_is_not_waited_for_is_ended(tmp_path: Path) -> None:
    with Beside("http.server", ("0", "--bind", "127.0.0.1"), tmp_path / "work.log", {}) as work:
        assert work._child.poll() is None
    assert work._child.poll() is not None


def test_a_market_gets_its_name_when_it_is_complete(state: State) -> None:
    options = Options.of({"from": "2024-07-01", "to": "2024-07-03"})
    folder = options.market(state.market)
    with Market(options, state) as market:
        assert not folder.exists()
        market.wait()
    assert len(list(folder.glob("*.parquet"))) == 28
    assert pq.read_metadata(folder / "eurusd.parquet").num_rows > 1_000


def test_an_interrupted_market_is_no_market(state: State) -> None:
    options = Options.of({"from": "2024-07-01", "to": "2024-07-03"})
    with Market(options, state):
        pass
    assert not options.market(state.market).exists()


def test_kernels_end_up_in_the_cache_of_the_state_folder(state: State) -> None:
    with Kernels(state) as kernels:
        kernels.wait()
    assert list(state.numba.rglob("*.nbi"))
