"""A server that ends takes its jobs with it, and runs them again at its next start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from local.processes import Identity, wait_gone
from tests.local.aws.test_run import STUBBORN, output, states
from tests.local.aws.test_spot import STEPS
from tests.s3 import process as s3_process
from tests.s3 import served as s3_served
from tests.sagemaker import process, spot, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_goes_on_after_the_server_has_ended(tmp_path: Path, number: signal.Signals) -> None:
    room = tmp_path / "room"
    room.mkdir()
    with s3_served(tmp_path / "s3") as store:
        with process(tmp_path / "aws", store.server_port) as (server, aws):
            aws.submit("done", "")
            done = aws.wait("done", "Completed")
            arn = aws.submit("job-1", STEPS, parameters={"last": "2", "room": str(room)}, **spot("job-1"))
            aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
            wait_for(lambda: "checkpoints/job-1/deep/step-0" in aws.keys("checkpoints/"))
            (child,) = _started_by(server.pid)
            server.send_signal(number)
            assert server.wait(20) == (0 if number == signal.SIGTERM else -number)
            if number == signal.SIGTERM:
                assert not child.alive
        (room / "go-0").touch()
        (room / "go-1").touch()
        with process(tmp_path / "aws", store.server_port) as (_, aws):
            assert not child.alive
            job = aws.wait("job-1", "Completed")
            assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
            assert aws.files(f"{output('job-1')}/model.tar.gz") == {"steps": b"01"}
            kept = aws.describe("done")
        again = ["Interrupted", "Restarting", "Downloading", "Training"]
        assert states(job) == ["Starting", "Downloading", "Training", *again, "Uploading", "Completed"]
        assert kept | {"ResponseMetadata": 0} == done | {"ResponseMetadata": 0}


def test_no_process_of_a_job_outlives_the_server(tmp_path: Path) -> None:
    with s3_served(tmp_path / "s3") as store, process(tmp_path / "aws", store.server_port) as (server, aws):
        for name in ("a", "b"):
            aws.submit(name, STUBBORN)
            aws.wait(name, "Training")
        wait_for(lambda: len(_started_by(server.pid)) == 4)
        started = _started_by(server.pid)
        assert {os.getsid(one.pid) for one in started} == {server.pid}, "what make stop looks for"
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        assert wait_gone(started, 10) == []


def test_a_job_that_was_being_stopped_is_stopped_after_the_start(tmp_path: Path) -> None:
    with s3_served(tmp_path / "s3") as store:
        with process(tmp_path / "aws", store.server_port) as (server, aws):
            aws.submit("job-1", STUBBORN)
            wait_for(lambda: any((tmp_path / "aws" / "roots").glob("*/*/model/pids.txt")))
            aws.sagemaker.stop_training_job(TrainingJobName="job-1")
            aws.wait("job-1", "Stopping")
            server.send_signal(signal.SIGKILL)
            server.wait(20)
        with process(tmp_path / "aws", store.server_port) as (_, aws):
            job = aws.wait("job-1", "Stopped")
            assert states(job) == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
            assert "pids.txt" in aws.files(f"{output('job-1')}/model.tar.gz")


def test_s3_that_ends_first_fails_no_job(tmp_path: Path) -> None:
    """`make stop` ends both stand-ins at once: a job that has to upload then is run again."""
    (tmp_path / "room").mkdir()
    script = """
import os, pathlib, sys, time
pathlib.Path(os.environ["SM_MODEL_DIR"], "model").touch()
pathlib.Path(sys.argv[2], "ready").touch()
while not pathlib.Path(sys.argv[2], "go").exists():
    time.sleep(0.01)
"""
    with s3_process(tmp_path / "s3") as (store, client):
        port = int(client.meta.endpoint_url.rpartition(":")[2])
        with process(tmp_path / "aws", port) as (server, aws):
            aws.submit("job-1", script, parameters={"room": str(tmp_path / "room")})
            wait_for((tmp_path / "room" / "ready").exists)
            store.terminate()
            store.wait(20)
            (tmp_path / "room" / "go").touch()
            assert aws.wait("job-1", "Uploading")["TrainingJobStatus"] == "InProgress"
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
    with s3_served(tmp_path / "s3") as again, process(tmp_path / "aws", again.server_port) as (_, aws):
        aws.wait("job-1", "Completed")
        assert list(aws.files(f"{output('job-1')}/model.tar.gz")) == ["model"]


def _started_by(pid: int) -> list[Identity]:
    return [Identity.of(child.pid) for child in psutil.Process(pid).children(recursive=True)]
