"""Stand-ins run beside Airflow, are found by every client, and keep what they hold."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import requests
from botocore.exceptions import ClientError
from pyairtable import Api, Table

from include.errors import BqxError
from local import services
from local.airflow import HOST, ROOT, Component
from local.airtable.server import TOKEN
from local.processes import Identity, send, wait_gone
from local.s3.server import SECRET
from local.stack import Stack
from tests.sagemaker import BUCKET, connect, packed, request, wait_for

NAMES = [service.name for service in services.SERVICES]
CLIENT = """
import os, boto3
s3 = boto3.client("s3")
bucket = os.environ["BQX_S3_BUCKET"]
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="a/b", Body=b"kept")
print(s3.get_object(Bucket=bucket, Key="a/b")["Body"].read().decode(), s3.meta.region_name)
print(boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"])
"""
ELSEWHERE = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAPRODUCTION",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:9",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AIRTABLE_TOKEN": "patREAL",
}


def client(stack: Stack) -> Any:
    known = stack.exports()
    return boto3.client(
        "s3",
        endpoint_url=known["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        region_name=known["AWS_DEFAULT_REGION"],
    )


@pytest.fixture
def bystander() -> Iterator[int]:
    """Port of a program that is not ours."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def test_the_plan_is_kept_from_start_to_start(stack: Stack) -> None:
    def base() -> Table:
        known = stack.exports()
        api = Api(known["AIRTABLE_TOKEN"], endpoint_url=known["AIRTABLE_ENDPOINT_URL"])
        return api.table(known["AIRTABLE_BASE_ID"], "Stages")

    stack.start()
    (record, *_) = base().all()
    base().update(record["id"], {"Notes": "by a person"})
    stack.stop()
    stack.start()
    assert base().get(record["id"])["fields"]["Notes"] == "by a person"
    known = psutil.Process(stack.processes["scheduler"].pid).environ()["AIRFLOW_CONN_BQX_AIRTABLE"]
    assert json.loads(known)["host"] == stack.exports()["AIRTABLE_ENDPOINT_URL"]


def test_what_watches_the_stack_finds_it_as_a_shell_does(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Component("watchdog", ("sleep", "600"), outside=True)
    monkeypatch.setattr("local.stack.components", lambda: (watching,))
    stack.start()
    known = psutil.Process(stack.processes["watchdog"].pid).environ()
    assert stack.exports().items() <= known.items()
    assert known["BQX_SMTP_URL"].startswith(f"smtp://{HOST}:{stack.service_ports['smtp']}")
    assert known["BQX_WATCHDOG_STATE"] == str(stack.state.root / "watchdog.json")
    assert not [name for name in known if name.startswith("AIRFLOW_CONN")]


def test_they_are_started_first_and_ended_by_stop(stack: Stack) -> None:
    stack.start()
    processes = stack.processes
    assert list(processes) == [*NAMES, "api-server", "scheduler", "keeper"]
    assert set(stack.service_ports) == set(NAMES)
    for port in stack.service_ports.values():
        socket.create_connection((HOST, port), timeout=5).close()
    stack.stop()
    assert wait_gone(processes.values(), 5) == []


def test_status_tells_their_ports_and_stop_finds_them(stack: Stack) -> None:
    stack.start()
    processes = stack.processes

    def call(command: str) -> str:
        words = [sys.executable, "-m", "local", command, "--state", str(stack.state.root)]
        return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout

    for name in NAMES:
        assert f"{name}: process {processes[name].pid}, port {stack.service_ports[name]}" in call("status")
    assert "Stopped" in call("stop")
    assert wait_gone(processes.values(), 5) == []


def test_objects_and_ports_survive_a_restart_and_clean_takes_them(stack: Stack) -> None:
    stack.start()
    ports = stack.service_ports
    store = client(stack)
    store.create_bucket(Bucket="bqx")
    store.put_object(Bucket="bqx", Key="datasets/a", Body=b"kept")
    stack.stop()
    assert stack.service_ports == ports
    assert stack.start()
    assert stack.service_ports == ports
    assert client(stack).get_object(Bucket="bqx", Key="datasets/a")["Body"].read() == b"kept"
    stack.stop()
    stack.state.delete()
    stack.state.create()
    stack.start()
    assert client(stack).list_buckets()["Buckets"] == []


def test_a_training_job_runs_on_the_stack_and_ends_with_it(stack: Stack) -> None:
    stack.start()
    client(stack).create_bucket(Bucket=BUCKET)
    aws = sagemaker(stack)
    create_job(stack, aws, "short", "print('done')")
    wait_for(lambda: aws.describe_training_job(TrainingJobName="short")["SecondaryStatus"] == "Completed")
    create_job(stack, aws, "long", "import time; time.sleep(600)")
    wait_for(lambda: aws.describe_training_job(TrainingJobName="long")["SecondaryStatus"] == "Training")
    (job,) = psutil.Process(stack.processes["aws"].pid).children()
    identity = Identity.of(job.pid)
    stack.stop()
    assert not identity.alive
    stack.start()
    again = sagemaker(stack)
    assert again.describe_training_job(TrainingJobName="short")["TrainingJobStatus"] == "Completed"
    again.stop_training_job(TrainingJobName="long")
    wait_for(lambda: again.describe_training_job(TrainingJobName="long")["TrainingJobStatus"] == "Stopped")
    for one in (aws, again):
        one.close()


def sagemaker(stack: Stack) -> Any:
    """A client of SageMaker as the stack's exports lead to it."""
    patient = {"mode": "standard", "total_max_attempts": 10}  # it throttles as the real one does
    known = stack.exports()
    secret = known["AWS_SECRET_ACCESS_KEY"]
    return connect("sagemaker", known["AWS_ENDPOINT_URL"], secret=secret, retries=patient)


def create_job(stack: Stack, aws: Any, name: str, script: str) -> None:
    code = f"code/{name}.tar.gz"
    client(stack).put_object(Bucket=BUCKET, Key=code, Body=packed({"train.py": script}))
    algorithm = {"TrainingImage": services.TRAINING_IMAGE, "TrainingInputMode": "File"}
    asked = request(name, code, AlgorithmSpecification=algorithm, RoleArn=services.TRAINING_ROLE)
    aws.create_training_job(**asked)


@pytest.mark.parametrize("shell", [name for name in ("sh", "bash") if shutil.which(name)])
def test_the_env_file_leads_boto3_to_the_stand_in_whatever_the_caller_has_set(
    stack: Stack, shell: str
) -> None:
    stack.start()
    stack.state.write_env(stack.exports())
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9") | {"no_proxy": "intranet"}
    script = '. "$1"; echo "$NO_PROXY"; exec "$2" -c "$3"'
    kept = {name: value for name, value in os.environ.items() if name.upper() != "NO_PROXY"}
    done = subprocess.run(
        [shell, "-euc", script, shell, str(stack.state.env), sys.executable, CLIENT],
        env=kept | ELSEWHERE | proxies,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["127.0.0.1,localhost,intranet", "kept us-east-1", "[]"]


def test_the_callers_accounts_reach_no_process(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    stack.start()
    for name, process in stack.processes.items():
        variables = psutil.Process(process.pid).environ()
        for foreign, value in ELSEWHERE.items():
            assert variables.get(foreign) != value, name
    component = psutil.Process(stack.processes["scheduler"].pid).environ()
    assert component["AWS_SHARED_CREDENTIALS_FILE"] == component["AWS_CONFIG_FILE"] == os.devnull
    assert component["AIRFLOW_VAR_BQX_BUCKET"] == services.BUCKET
    connection = json.loads(component["AIRFLOW_CONN_AWS_DEFAULT"])
    assert connection["extra"]["endpoint_url"] == services.address(stack.service_ports["aws"])
    s3 = connection["extra"]["service_config"]["s3"]
    assert s3 == {"endpoint_url": services.address(stack.service_ports["s3"])}
    assert component["AIRFLOW_VAR_BQX_TRAINING_IMAGE"] == services.TRAINING_IMAGE
    assert component["AIRFLOW_VAR_BQX_SAGEMAKER_ROLE"].startswith("arn:aws:iam::")


def test_what_stand_ins_of_tests_take_opens_none_of_a_stack(stack: Stack) -> None:
    """Every state folder has secrets of its own."""
    stack.start()
    client(stack).list_buckets()
    known = stack.exports()
    for service, operation in (("s3", "list_buckets"), ("sagemaker", "list_training_jobs")):
        stranger = boto3.client(
            service, endpoint_url=services.address(stack.service_ports["s3" if service == "s3" else "aws"]),
            aws_access_key_id=known["AWS_ACCESS_KEY_ID"], aws_secret_access_key=SECRET,
            region_name=known["AWS_DEFAULT_REGION"],
        )  # fmt: skip
        with pytest.raises(ClientError, match="Signature"):
            getattr(stranger, operation)()
        stranger.close()
    base = Api(TOKEN, endpoint_url=known["AIRTABLE_ENDPOINT_URL"])
    with pytest.raises(requests.HTTPError, match="401"):
        base.table(known["AIRTABLE_BASE_ID"], "Stages").all()


def test_secrets_are_neither_in_the_process_list_nor_in_a_log(stack: Stack) -> None:
    stack.start()
    stack.state.write_env(stack.exports())
    client(stack).list_buckets()
    secrets = {value for name, value in stack.exports().items() if "SECRET" in name or "TOKEN" in name}
    secrets |= {stack.postgres.password, stack.access.password}
    assert len(secrets) == 5
    shown = [" ".join(psutil.Process(process.pid).cmdline()) for process in stack.processes.values()]
    logs = [path.read_text() for path in stack.state.logs.iterdir()]
    assert [text for text in shown + logs for secret in secrets if secret in text] == []
    assert stack.state.env.stat().st_mode & 0o777 == 0o600


def test_a_port_that_somebody_took_meanwhile_is_left_to_him(stack: Stack, bystander: int) -> None:
    stack.start()
    before = stack.service_ports["s3"]
    stack.stop()
    record = json.loads((stack.state.run / "processes.json").read_text())
    record["service_ports"]["s3"] = bystander
    (stack.state.run / "processes.json").write_text(json.dumps(record))
    stack.start()
    assert stack.service_ports["s3"] == before, "the first free one"
    assert client(stack).list_buckets()["Buckets"] == []
    component = psutil.Process(stack.processes["scheduler"].pid).environ()
    assert services.address(before) in component["AIRFLOW_CONN_AWS_DEFAULT"]


def test_a_port_lost_between_look_and_start_is_replaced(
    stack: Stack, bystander: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, looks = services.is_free, iter([True])
    monkeypatch.setattr(services, "is_free", lambda port: next(looks, False) or really(port))
    tried: list[tuple[Identity, int]] = []
    services.start(
        services.SERVICES[0],
        stack.state,
        bystander,
        os.environ,
        lambda name, process, port: tried.append((process, port)),
    )
    (lost, first), (process, port) = tried
    try:
        assert (first, lost.alive, process.alive) == (bystander, False, True)
        assert port in services.PORTS
    finally:
        send(process, signal.SIGKILL)


def test_a_dead_stand_in_ends_the_run_and_is_mended_by_the_next(stack: Stack) -> None:
    stack.start()
    before = stack.processes
    send(before["s3"], signal.SIGKILL)
    assert wait_gone([before["s3"]], 5) == []
    assert not stack.is_up
    stack.check_alive()  # the keeper starts it again
    send(before["keeper"], signal.SIGKILL)
    assert wait_gone([before["keeper"]], 5) == []
    with pytest.raises(BqxError, match="The stand-in s3 has died"):
        stack.check_alive()
    assert stack.start()
    stack.check_alive()


def test_one_that_does_not_start_says_why(stack: Stack) -> None:
    (stack.state.root / "s3").write_text("in the way")
    with pytest.raises(BqxError, match=r"The stand-in s3 did not start(.|\n)*exists"):
        stack.start()
    assert not stack.is_up


def test_without_a_free_port_it_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "is_free", lambda port: False)
    with pytest.raises(BqxError, match=r"s3 finds no free port from 21\d00 to 21\d99.*make stop"):
        stack.start()


@pytest.mark.parametrize(
    "file", ["local/s3/server.py", "local/airtable/page.html.j2", "local/aws/run.py", "local/stand_in.py"]
)
def test_changed_code_of_a_stand_in_needs_a_new_start(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    code = tmp_path / "bundle" / file
    code.parent.mkdir(parents=True)
    code.write_text("1")
    assert stack.start()
    monkeypatch.setattr("local.stack.ROOT", tmp_path / "bundle")
    assert stack.start()
    assert not stack.start()
    code.write_text("2")
    assert stack.start()


def test_a_record_of_a_stack_without_stand_ins_is_understood(stack: Stack) -> None:
    record = {"components": {}, "port": 8_101, "version": "old"}
    (stack.state.run / "processes.json").write_text(json.dumps(record))
    assert stack.service_ports == {}
    stack.start()
    assert stack.is_up
