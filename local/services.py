"""Stand-ins of what a company rents: small servers beside Airflow that keep what they hold in STATE."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from include import reports
from include.errors import BqxError
from include.objects import ObjectStore, bucket_and_prefix
from local.airflow import HOST, ROOT
from local.airtable import server as airtable
from local.aws.settings import ACCOUNT
from local.postgres import Postgres, is_free
from local.processes import Identity, keep_last, launch, tail, undisturbed, wait_gone
from local.s3 import server as s3
from local.state import State
from tools import networks

PORTS = range(9000, 9100)  # each service takes the first free one
PATIENCE = 60.0  # seconds until a service must listen
TRIES = 3  # another program may take a port between our look and the start
BUCKET = "bqx"
DATABASE = "bqx"
ENDPOINT = "bqx"
MAIL_TO, MAIL_FROM = "forex-ml@example.com", "airflow@example.com"  # nothing leaves this machine
DOCS = (ROOT / "docs").as_uri()
AS_OF = "last_bar"  # what time it is: the data end where their files do, not now
REGION = "us-east-1"
# Of no registry and no account: the stand-in of AWS runs what is in these images with our own interpreter.
SERVING_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bqx-serving:1"
TRAINING_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bqx-training:1"
NETWORKS_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/bqx-networks:1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:bqx-alerts"
TRAINING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/bqx-training"

Addresses = Mapping[str, str]


class Service(NamedTuple):
    """A server: ``python -m module --folder F --port P`` says its address once it listens.

    Attributes:
        name: of the process and its log.
        module: what is run.
        folder: where its content is kept, in the state folder; empty for one that keeps nothing.
        exports: from the state and the addresses of all, the variables by which a client finds it.
        settings: likewise, what Airflow has to know of it.
        arguments: further ones of its command, from the addresses of those that were started before.
        variables: likewise, what is added to its environment.
        sources: folders of the bundle besides its module whose code it runs.
    """

    name: str
    module: str
    folder: str
    exports: Callable[[State, Addresses], dict[str, str]]
    settings: Callable[[State, Addresses], dict[str, str]]
    arguments: Callable[[Addresses], tuple[str, ...]] = lambda addresses: ()
    variables: Callable[[State, Addresses], dict[str, str]] = lambda state, addresses: {}
    sources: tuple[str, ...] = ()


def _s3_exports(state: State, addresses: Addresses) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": addresses["s3"],
        "AWS_ACCESS_KEY_ID": s3.KEY_ID,
        "AWS_SECRET_ACCESS_KEY": state.secret("s3", 30),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "BQX_S3_BUCKET": BUCKET,
    }


def _secret(state: State, addresses: Addresses) -> dict[str, str]:
    return {"AWS_SECRET_ACCESS_KEY": state.secret("s3", 30)}


def _s3_settings(state: State, addresses: Addresses) -> dict[str, str]:
    return {"AIRFLOW_VAR_BQX_BUCKET": BUCKET}


def _aws_exports(state: State, addresses: Addresses) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": addresses["aws"], "BQX_ALERT_TOPIC": TOPIC}


def _aws_settings(state: State, addresses: Addresses) -> dict[str, str]:
    connection = {
        "conn_type": "aws",
        "login": s3.KEY_ID,
        "password": state.secret("s3", 30),
        "extra": {
            "endpoint_url": addresses["aws"],
            "service_config": {"s3": {"endpoint_url": addresses["s3"]}},
            "region_name": REGION,
            "config_kwargs": {"s3": {"addressing_style": "path"}},  # no DNS has names of our buckets
        },
    }
    return {
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_BQX_ALERT_TOPIC": TOPIC,
        "AIRFLOW_VAR_BQX_SERVING_IMAGE": SERVING_IMAGE,
        "AIRFLOW_VAR_BQX_TRAINING_IMAGE": TRAINING_IMAGE,
        "AIRFLOW_VAR_BQX_NETWORKS_IMAGE": NETWORKS_IMAGE,
        "AIRFLOW_VAR_BQX_SAGEMAKER_ROLE": TRAINING_ROLE,
        # The caller's own accounts must be out of reach, whatever a client is made from.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _aws_arguments(addresses: Addresses) -> tuple[str, ...]:
    images = dict.fromkeys((TRAINING_IMAGE, SERVING_IMAGE), Path(sys.executable))
    images[NETWORKS_IMAGE] = networks.FOLDER / "bin" / "python"  # of `make tft`
    told = [argument for image, python in images.items() for argument in ("--image", f"{image}={python}")]
    return "--s3", addresses["s3"], "--topic", TOPIC, *told


def _airtable_token(state: State, addresses: Addresses) -> dict[str, str]:
    return {"AIRTABLE_TOKEN": f"pat{state.secret('airtable', 24)}"}


def _airtable_exports(state: State, addresses: Addresses) -> dict[str, str]:
    return {
        "AIRTABLE_ENDPOINT_URL": addresses["airtable"],
        "AIRTABLE_BASE_ID": airtable.BASE_ID,
    } | _airtable_token(state, addresses)


def _airtable_settings(state: State, addresses: Addresses) -> dict[str, str]:
    connection = {
        "conn_type": "airtable",
        "host": addresses["airtable"],
        "password": _airtable_token(state, addresses)["AIRTABLE_TOKEN"],
        "extra": {"base_id": airtable.BASE_ID},
    }
    return {"AIRFLOW_CONN_BQX_AIRTABLE": json.dumps(connection)}


def _s3_arguments(addresses: Addresses) -> tuple[str, ...]:
    return "--public", f"{reports.FOLDER}/"


def _api_exports(state: State, addresses: Addresses) -> dict[str, str]:
    return {
        "BQX_ENDPOINT_NAME": ENDPOINT,
        "BQX_API_URL": addresses["api"],
        "BQX_API_TOKEN": state.secret("forecasts", 32),
        "BQX_AS_OF": AS_OF,
    }


def _api_settings(state: State, addresses: Addresses) -> dict[str, str]:
    return {"AIRFLOW_VAR_BQX_AS_OF": AS_OF}


def _api_variables(state: State, addresses: Addresses) -> dict[str, str]:
    """What the API of the product is told; it does not know that AWS is a stand-in."""
    return {
        **_s3_exports(state, addresses),
        **_aws_exports(state, addresses),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "BQX_DATABASE_URL": Postgres(state.postgres).url(DATABASE),
        "BQX_ENDPOINT_NAME": ENDPOINT,
        "BQX_API_TOKEN": state.secret("forecasts", 32),
        "BQX_AS_OF": AS_OF,
        "NUMBA_CACHE_DIR": str(state.numba),
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    }


def _mail_exports(state: State, addresses: Addresses) -> dict[str, str]:
    return {
        "BQX_SMTP_URL": f"{addresses['smtp'].replace('http:', 'smtp:')}?starttls=no",
        "BQX_MAIL_TO": MAIL_TO,
        "BQX_MAIL_FROM": MAIL_FROM,
        "BQX_DOCS_URL": DOCS,
    }


def _mail_settings(state: State, addresses: Addresses) -> dict[str, str]:
    host, _, port = addresses["smtp"].removeprefix("http://").partition(":")
    extra = {"disable_ssl": True, "disable_tls": True}
    connection = {"conn_type": "smtp", "host": host, "port": int(port), "extra": extra}
    return {
        "AIRFLOW_CONN_BQX_MAIL": json.dumps(connection),
        "AIRFLOW_VAR_BQX_MAIL_TO": MAIL_TO,
        "AIRFLOW_VAR_BQX_MAIL_FROM": MAIL_FROM,
        "AIRFLOW_VAR_BQX_DOCS": DOCS,
    }


def _nothing(state: State, addresses: Addresses) -> dict[str, str]:
    return {}


SERVICES = (  # in the order they are started: the AWS needs to know where S3 is, the API where both are
    Service("s3", "local.s3", "s3", _s3_exports, _s3_settings, _s3_arguments, _secret),
    Service("aws", "local.aws", "aws", _aws_exports, _aws_settings, _aws_arguments, _secret),
    Service(
        "airtable",
        "local.airtable",
        "airtable",
        _airtable_exports,
        _airtable_settings,
        variables=_airtable_token,
    ),
    Service("smtp", "local.mail.smtp", "mail", _mail_exports, _mail_settings),
    Service("mail", "local.mail", "mail", _nothing, _nothing),
    Service(
        *("api", "include.serving.api", "", _api_exports, _api_settings),
        variables=_api_variables,
        sources=("include/serving", "include/features", "include/storage"),
    ),
)


def exports(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    """Variables by which clients find the services."""
    return {
        name: value
        for service in SERVICES
        for name, value in service.exports(state, _addresses(ports)).items()
    }


def settings(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    """Variables by which Airflow finds them: connections and Variables."""
    return {
        name: value
        for service in SERVICES
        for name, value in service.settings(state, _addresses(ports)).items()
    }


def place_of(state: State, ports: Mapping[str, int], named: str) -> ObjectStore:
    """A place in the stand-in of S3.

    Args:
        state: of the stack.
        ports: of its services.
        named: ``s3://bucket/folder``.
    """
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=address(ports["s3"]),
        aws_access_key_id=s3.KEY_ID,
        aws_secret_access_key=state.secret("s3", 30),
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}),
    )
    found = bucket_and_prefix(named)
    assert found is not None, f"{named} is no address of S3"
    return ObjectStore(client, *found)


def address(port: int) -> str:
    """Where a service answers."""
    return f"http://{HOST}:{port}"


def _addresses(ports: Mapping[str, int]) -> dict[str, str]:
    return {name: address(port) for name, port in ports.items()}


def start(
    service: Service,
    state: State,
    last: int | None,
    environment: Mapping[str, str],
    record: Callable[[str, Identity, int], None],
    ports: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Start a service and wait until it listens.

    Args:
        service: which one.
        state: where its content and its log are.
        last: the port it had before; taken again if it is free.
        environment: all of its environment.
        record: told name, process and port at once, so that they are found again even if we are ended now.
        ports: of the services that were started before.

    Raises:
        BqxError: it did not start, or every port is taken.
    """
    log = state.logs / f"{service.name}.log"
    folder = ("--folder", str(state.root / service.folder)) if service.folder else ()
    for left in reversed(range(TRIES)):
        port = _choose_port(service, last)
        keep_last(log)
        with undisturbed():
            process = launch(
                (
                    *(sys.executable, "-m", service.module, *folder, "--port", str(port)),
                    *service.arguments(_addresses(ports)),
                ),
                log=log,
                environment={**environment, **service.variables(state, _addresses(ports))},
                folder=ROOT,
            )
            record(service.name, process, port)
        if _listens(process, port, log):
            return
        if not left or is_free(port):  # not for want of a port
            raise BqxError(f"The stand-in {service.name} did not start. The end of {log}:\n{tail(log)}")


def _choose_port(service: Service, last: int | None) -> int:
    candidates: list[int] = [*([last] if last else []), *PORTS]
    for port in candidates:
        if is_free(port):
            return port
    raise BqxError(
        f"The stand-in {service.name} finds no free port from {PORTS.start} to {PORTS.stop - 1}. End what "
        "uses them, for example other stacks (make stop STATE=...)."
    )


def _listens(process: Identity, port: int, log: Path) -> bool:
    """True as soon as this very process answers; its word in the log tells it from a stranger's server."""
    deadline = time.monotonic() + PATIENCE
    while process.alive and time.monotonic() < deadline:
        if address(port) in tail(log):
            with suppress(OSError), socket.create_connection((HOST, port), timeout=5):
                return True
        time.sleep(0.05)
    wait_gone([process], 0)
    return False
