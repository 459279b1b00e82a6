"""Two workers without a shared disk: each has its own home and folder, both one database and one bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.forms import DATASET_PARAMS, DRY_RUN, FEATURE_PARAMS, LOAD_PARAMS
from include.objects import ObjectStore
from include.reports import FOLDER
from local.services import BUCKET, settings
from local.state import State
from tests.dags.conftest import ROOT
from tests.include.dataset.worlds import PAIRS, SMALL, market
from tests.include.market.bar_files import write
from tests.s3 import connect, know, served

PARAMS = {"bqx_load": LOAD_PARAMS, "bqx_features": FEATURE_PARAMS, "bqx_dataset": DATASET_PARAMS}


class Worker:
    """A machine of its own, as far as files go.

    Args:
        folder: everything that it can call its own.
        shared: variables by which it finds what all workers share.
    """

    def __init__(self, folder: Path, shared: dict[str, str]) -> None:
        self.folder = folder
        for name in ("home", "work", "airflow", "tmp"):
            (folder / name).mkdir(parents=True)
        self.variables = shared | {
            "HOME": str(folder / "home"),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "TMPDIR": str(folder / "tmp"),
        }

    def run(self, dag_id: str, **conf: Any) -> dict[str, list[Any]]:
        """Run a DAG to its end; returns what its tasks returned."""
        defaults = {name: schema["default"] for name, schema in PARAMS[dag_id].items()}
        asked = json.dumps(defaults | {"dry_run": DRY_RUN["default"], "pairs": list(PAIRS)} | conf)
        done = subprocess.run(
            [sys.executable, "-m", "tests.dags.worker", dag_id, asked],
            cwd=self.folder / "work", env={**os.environ, **self.variables},
            capture_output=True, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["state"] == "success", done.stdout[-3000:]
        results: dict[str, list[Any]] = told["results"]
        return results

    def reports(self) -> list[Path]:
        """Files of this worker that look like reports."""
        return [path for path in self.folder.rglob("*") if path.suffix in (".html", ".png", ".parquet")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with served(tmp_path / "s3", public=(f"{FOLDER}/",)) as server:
        client = connect(server.server_port)
        store = ObjectStore(client, BUCKET, FOLDER)
        store.ensure_bucket()
        yield store
        client.close()


def opened(link: str) -> str:
    """What a browser gets that has nothing but the link."""
    with urllib.request.urlopen(link, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.timeout(600)
def test_two_workers_find_each_others_reports(
    airflow_database, store: ObjectStore, database_url: str, tmp_path: Path
) -> None:
    state = State(tmp_path / "state")
    state.create()
    know(state)
    port = int(store.client.meta.endpoint_url.rpartition(":")[2])
    shared = settings(state, dict.fromkeys(("s3", "aws", "airtable", "smtp"), port)) | {
        "AIRFLOW_CONN_BQX_POSTGRES": database_url,
        "PYTHONPATH": str(ROOT),
    }
    one, other = (Worker(tmp_path / name, shared) for name in ("one", "other"))

    files = tmp_path / "uploaded"
    files.mkdir()
    for pair, bars in market().items():
        bar_file = write(files, pair, bars)
        store.put(f"bars/{bar_file.name}", bar_file.read_bytes())
    one.run("bqx_load", source=f"s3://{BUCKET}/bars", price_side="bid", pairs=[*PAIRS, "eurgbp"])
    built = other.run("bqx_features")
    gates = [told["gate"]["report"] for told in built["pairs.s1_6_10_technical_idx.build"]]
    assert [f"_{pair}.html" in link for pair, link in zip(PAIRS, gates, strict=True)] == [True, True]
    assert all("1.6.10 Technical IDX build" in opened(link) for link in gates)

    made = one.run("bqx_dataset", dataset_id="one", **SMALL)
    assert "<svg" in (page := opened(made["publish"][0]["report"])) or "<img" in page
    again = one.run("bqx_features", keep_runs=1, rebuild=True)["clean_up"][0]
    (removed,) = again["reports"]
    assert removed.startswith("quality/"), "one worker removes what the other one wrote"
    left = {found.key.split("/")[1] for found in store.list(f"{FOLDER}/")}
    assert left == {"quality", "datasets"}
    assert [*one.reports(), *other.reports()] == []
