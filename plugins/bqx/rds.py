"""A database on RDS can be saved as a whole before something is changed."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow.sdk import BaseHook

from bqx.aws import client

# name.[cluster-]account.region.rds.amazonaws.com; readers and proxies have other middle parts
_HOST = re.compile(
    r"([a-z][a-z0-9-]*)\.(cluster-)?[a-z0-9]+\.([a-z0-9-]+)\.rds\.amazonaws\.com(\.cn)?", re.IGNORECASE
)


class Rds(NamedTuple):
    """What a snapshot needs to know: ``instance`` or ``cluster``, its identifier, its region."""

    kind: str
    identifier: str
    region: str


def rds_of(conn_id: str) -> Rds | None:
    """The RDS instance or Aurora cluster behind an Airflow connection, None if it is something else."""
    return parse(BaseHook.get_connection(conn_id).host or "")


def parse(host: str) -> Rds | None:
    """Read a host name: ``db1.abc123.eu-west-1.rds.amazonaws.com`` is the instance ``db1``."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    return Rds("cluster" if match[2] else "instance", match[1], match[3])


def ensure_snapshot(database: Rds, wanted: str, *, aws_conn_id: str = "aws_default") -> str:
    """Make a snapshot unless it exists, and wait until it is complete. The provider's operator would
    fail on a second try, after its first made the snapshot and was killed.

    Args:
        database: what to save.
        wanted: name of the snapshot; characters that RDS refuses are replaced.
        aws_conn_id: connection with the credentials.

    Returns:
        The name it has.
    """
    name = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:200]
    rds = client("rds", aws_conn_id, database.region)
    if database.kind == "cluster":
        create, taken = rds.create_db_cluster_snapshot, "DBClusterSnapshotAlreadyExistsFault"
        names = {"DBClusterIdentifier": database.identifier, "DBClusterSnapshotIdentifier": name}
        waiter = "db_cluster_snapshot_available"
    else:
        create, taken = rds.create_db_snapshot, "DBSnapshotAlreadyExistsFault"
        names = {"DBInstanceIdentifier": database.identifier, "DBSnapshotIdentifier": name}
        waiter = "db_snapshot_available"
    try:
        create(**names)
    except getattr(rds.exceptions, taken):
        pass  # an earlier try of this task made it
    rds.get_waiter(waiter).wait(**names)
    return name
