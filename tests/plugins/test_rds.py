"""Snapshots of a database on RDS, against a stand-in that speaks RDS's protocol over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from bqx.rds import Rds, ensure_snapshot, parse

from tests.aws import Service, connected

pytestmark = pytest.mark.filterwarnings("default")  # Airflow's hooks warn about themselves

XML = '<{0}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><{0}Result>{1}</{0}Result></{0}Response>'
FAULT = "<ErrorResponse><Error><Code>{}</Code><Message>no</Message></Error></ErrorResponse>"


class Snapshots(Service):
    """Keeps snapshots; each becomes available when it was asked for the second time.

    Attributes:
        snapshots: how often the state of each was asked, by (kind, name).
        created: names in the order of creation.
    """

    content_type = "text/xml"

    def __init__(self) -> None:
        super().__init__()
        self.snapshots: dict[tuple[str, str], int] = {}
        self.created: list[str] = []

    def answer(self, target: str, body: str) -> tuple[int, str]:
        form = {key: values[0] for key, values in parse_qs(body).items()}
        action = form["Action"]
        kind = "DBCluster" if "Cluster" in action else "DB"
        name = form.get(f"{kind}SnapshotIdentifier", "")
        if action.startswith("Create"):
            if (kind, name) in self.snapshots:
                return 400, FAULT.format(
                    "DBClusterSnapshotAlreadyExistsFault"
                    if kind == "DBCluster"
                    else "DBSnapshotAlreadyExists"
                )
            self.snapshots[kind, name] = 0
            self.created.append(name)
            return 200, XML.format(action, "")
        self.snapshots[kind, name] += 1
        state = "available" if self.snapshots[kind, name] > 1 else "creating"
        one = f"<{kind}Snapshot><Status>{state}</Status></{kind}Snapshot>"
        return 200, XML.format(action, f"<{kind}Snapshots>{one}</{kind}Snapshots>")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshots]:
    """A stand-in that the connection aws_default leads to, and no waiting between questions."""
    monkeypatch.setattr("botocore.waiter.time.sleep", lambda _seconds: None)
    with connected(Snapshots(), monkeypatch) as snapshots:
        yield snapshots


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("db1.abc123.eu-west-1.rds.amazonaws.com", Rds("instance", "db1", "eu-west-1")),
        ("main.cluster-abc123.us-east-1.rds.amazonaws.com", Rds("cluster", "main", "us-east-1")),
        ("main.cluster-ro-abc123.us-east-1.rds.amazonaws.com", None),
        ("127.0.0.1", None),
        ("rds.amazonaws.com.example.org", None),
        ("", None),
    ],
)
def test_what_a_host_name_says(host: str, found: Rds | None) -> None:
    assert parse(host) == found


@pytest.mark.parametrize("kind", ["instance", "cluster"])
def test_a_snapshot_is_made_once_and_waited_for(aws: Snapshots, kind: str) -> None:
    database = Rds(kind, "main", "eu-west-1")
    name = ensure_snapshot(database, "bqx-before-manual__2026-11-22T15:58:53+00:00")
    assert name == "bqx-before-manual-2026-11-22t15-58-53-00-00"
    assert list(aws.snapshots.values()) == [2], "asked until it is available"
    assert ensure_snapshot(database, "bqx-before-manual__2026-11-22T15:58:53+00:00") == name
    assert aws.created == [name], "a second try adopts the first one's snapshot"
