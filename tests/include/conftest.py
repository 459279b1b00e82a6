"""A store of MLflow in a database of the session's PostgreSQL."""

from __future__ import annotations

import os
from typing import Any

import pytest

from local.postgres import Postgres


@pytest.fixture(scope="session")
def store_uri(postgres: Postgres) -> str:
    """Address of a store that the tests of a process share: making its tables takes seconds."""
    name = f"mlflow_{os.getpid()}"
    postgres.create_database(name)
    return postgres.url(name)


@pytest.fixture
def mlflow_runs(store_uri: str) -> Any:
    """Function that gives the runs of the store whose key has a beginning."""

    def found(key: str) -> list[Any]:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=store_uri)
        experiment = client.get_experiment_by_name("bqx")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id], f"tags.`bqx.key` LIKE '{key}%'"))

    return found
