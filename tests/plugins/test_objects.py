"""The object store of a task is the one that the Airflow connection and Variable name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bqx.objects import object_store, place_of, reports

from include.errors import BadParameter, BqxError, MissingInput
from include.objects import FolderStore, ObjectStore
from local import services
from local.s3.server import Server
from local.state import State
from tests.s3 import connect, know, served

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    know(state)
    return state


def known(state: State, server: Server) -> dict[str, str]:
    """What the stack tells Airflow of a server."""
    return services.settings(state, dict.fromkeys(("s3", "aws", "airtable", "smtp"), server.server_port))


@pytest.fixture
def server(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A stand-in that Airflow knows just as it does in the stack."""
    with served(tmp_path / "objects") as server:
        for name, value in known(state, server).items():
            monkeypatch.setenv(name, value)
        yield server


def test_the_bucket_is_created_once_and_then_used(server: Server) -> None:
    store = object_store()
    assert isinstance(store, ObjectStore)
    assert (store.bucket, store.prefix) == (services.BUCKET, "datasets")
    assert store.put_once(store.key("a", "manifest.json"), b"{}")
    again = object_store("plan")
    assert again.prefix == "plan"
    assert not again.put_once("datasets/a/manifest.json", b"other")
    buckets = connect(server.server_port).list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == [services.BUCKET]


def test_buckets_are_parts_of_the_path_also_under_a_name(
    server: Server, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(known(state, server)["AIRFLOW_CONN_AWS_DEFAULT"])
    connection["extra"]["service_config"]["s3"]["endpoint_url"] = f"http://localhost:{server.server_port}"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    client = object_store().client
    assert client.meta.config.s3["addressing_style"] == "path", "the connection's config_kwargs count"
    url = client.generate_presigned_url("get_object", {"Bucket": "bqx", "Key": "k"})
    assert url.startswith(f"http://localhost:{server.server_port}/bqx/k?")


def test_the_callers_own_account_is_not_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPRODUCTION")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert list(object_store().list("")) == []


def test_without_the_variable_it_says_what_to_set(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_BQX_BUCKET", "")
    with pytest.raises(MissingInput, match="Airflow Variable bqx_bucket is not set"):
        object_store()


def test_a_bucket_that_may_not_be_used_is_named(
    server: Server, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(known(state, server)["AIRFLOW_CONN_AWS_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection | {"login": "somebody"}))
    with pytest.raises(BqxError, match="Bucket bqx cannot be used"):
        object_store()


def test_reports_go_to_the_bucket_and_open_from_their_link(server: Server) -> None:
    link = reports().write("plan", "run", {"plan.html": "<p>"})["plan.html"]
    assert link == f"http://127.0.0.1:{server.server_port}/bqx/reports/plan/run/plan.html"
    assert [one.key for one in object_store("reports").list("")] == ["reports/plan/run/plan.html"]


def test_without_a_bucket_reports_go_to_the_folder_of_the_variable(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_BQX_BUCKET", "")
    monkeypatch.setenv("AIRFLOW_VAR_BQX_REPORTS", str(tmp_path / "here"))
    assert reports().store == FolderStore(tmp_path / "here")
    monkeypatch.setenv("AIRFLOW_VAR_BQX_REPORTS", "")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert reports().store == FolderStore(tmp_path / "bqx_reports")


def test_a_source_on_s3_is_opened_by_the_connection_and_never_created(server: Server) -> None:
    place = place_of("s3://other-bucket/bars/")
    assert (place.bucket, place.prefix) == ("other-bucket", "bars")
    assert connect(server.server_port).list_buckets()["Buckets"] == []
    assert place_of("/data/bars") is place_of(None) is None
    with pytest.raises(BadParameter, match="names no bucket"):
        place_of("s3:///bars")
