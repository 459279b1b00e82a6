"""Training jobs really run, and go through the states of SageMaker."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.sagemaker import Aws, served, wait_for

WRITE = """
import os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("model")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "deep").mkdir()
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "deep", "p.txt").write_text("predictions")
print("val_rmse_h15=0.75;")
print("val_rmse_h15=0.5;")
"""
SLEEP = """
import time
print("begun", flush=True)
time.sleep(600)
"""
# Saves what it has when it is asked to end, as jobs at AWS may.
POLITE = """
import os, pathlib, signal, sys, time

def save(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("half")
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
print("begun", flush=True)
time.sleep(600)
"""
# Does not end when it is asked to, and starts a child that does not either.
STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "pids.txt").write_text(f"{os.getpid()} {child.pid}")
print("begun", flush=True)
time.sleep(600)
"""  # noqa: E501


def states(job: dict[str, Any]) -> list[str]:
    return [one["Status"] for one in job["SecondaryStatusTransitions"]]


def output(name: str) -> str:
    return f"training/{name}/output"


def test_a_job_completes_and_leaves_its_archives(aws: Aws) -> None:
    metrics = [{"Name": "rmse:h15", "Regex": r"val_rmse_h15=([0-9.]+);"}]
    algorithm = {"TrainingInputMode": "File", "MetricDefinitions": metrics}
    arn = aws.submit("job-1", WRITE, AlgorithmSpecification=_image(aws, algorithm))
    job = aws.wait("job-1")
    assert arn == job["TrainingJobArn"] == "arn:aws:sagemaker:us-east-1:123456789012:training-job/job-1"
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert states(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://bqx/{output('job-1')}/model.tar.gz"}
    assert aws.files(f"{output('job-1')}/model.tar.gz") == {"model.txt": b"model"}
    assert aws.files(f"{output('job-1')}/output.tar.gz") == {"deep/p.txt": b"predictions"}
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("rmse:h15", 0.5)
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    wait_for(lambda: not list((aws.folder / "roots").iterdir()))


def _image(aws: Aws, algorithm: dict[str, Any]) -> dict[str, Any]:
    from tests.sagemaker import IMAGE

    return {"TrainingImage": IMAGE} | algorithm


def test_times_follow_each_other_without_a_gap(aws: Aws) -> None:
    aws.submit("job-1", "")
    job = aws.wait("job-1")
    transitions = job["SecondaryStatusTransitions"]
    assert [one["EndTime"] for one in transitions[:-1]] == [one["StartTime"] for one in transitions[1:]]
    assert job["CreationTime"] <= transitions[0]["StartTime"]
    assert job["TrainingStartTime"] == transitions[2]["StartTime"]
    assert transitions[-1]["EndTime"] == job["TrainingEndTime"] == job["LastModifiedTime"]
    assert all(one["StatusMessage"] for one in transitions)


def test_equal_content_gives_equal_archives(aws: Aws) -> None:
    for name in ("job-1", "job-2"):
        aws.submit(name, WRITE)
    for name in ("job-1", "job-2"):
        aws.wait(name, "Completed")
    for archive in ("model", "output"):
        first, second = (
            hashlib.sha256(aws.get(f"{output(name)}/{archive}.tar.gz")).hexdigest()
            for name in ("job-1", "job-2")
        )
        assert first == second


def test_a_job_without_a_model_has_no_archive(aws: Aws) -> None:
    aws.submit("job-1", "")
    aws.wait("job-1", "Completed")
    assert aws.keys("training/") == []


def test_a_failure_file_is_the_reason(aws: Aws) -> None:
    script = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("The hash of part 3 is wrong")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "log.txt").write_text("kept")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("not whole")
sys.exit(2)
"""
    aws.submit("job-1", script)
    job = aws.wait("job-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "AlgorithmError: The hash of part 3 is wrong, exit code: 1"
    assert states(job)[-2:] == ["Uploading", "Failed"]
    assert aws.keys("training/") == [f"{output('job-1')}/output.tar.gz"]
    assert "ModelArtifacts" not in job


def test_without_a_failure_file_the_end_of_the_output_is_the_reason(aws: Aws) -> None:
    aws.submit("job-1", "raise ValueError('no such column')", parameters={"pair": "eurusd"})
    reason = aws.wait("job-1", "Failed")["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage")
    assert "ValueError: no such column" in reason
    assert reason.endswith('Command "python3 train.py --pair eurusd", exit code: 1')


def test_a_long_failure_is_cut_where_aws_cuts_it(aws: Aws) -> None:
    script = (
        "import os, sys; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('x' * 5000); sys.exit(1)"
    )
    aws.submit("job-1", script)
    assert len(aws.wait("job-1", "Failed")["FailureReason"]) <= 1024


def test_a_job_that_is_killed_from_outside_has_failed(aws: Aws) -> None:
    aws.submit("job-1", "import os; os.kill(os.getpid(), 9)")
    assert "ExitCode -9" in aws.wait("job-1", "Failed")["FailureReason"]


def test_a_stopped_job_may_save_what_it_has(aws: Aws) -> None:
    aws.submit("job-1", POLITE)
    _wait_for_line(aws, "job-1", "begun")
    aws.sagemaker.stop_training_job(TrainingJobName="job-1")
    assert aws.describe("job-1")["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = aws.wait("job-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert states(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert aws.files(f"{output('job-1')}/model.tar.gz") == {"model.txt": b"half"}
    assert "FailureReason" not in job


def test_who_does_not_stop_is_killed_with_all_it_started(aws: Aws) -> None:
    aws.submit("job-1", STUBBORN)
    _wait_for_line(aws, "job-1", "begun")
    aws.sagemaker.stop_training_job(TrainingJobName="job-1")
    assert aws.wait("job-1")["TrainingJobStatus"] == "Stopped"
    pids = aws.files(f"{output('job-1')}/model.tar.gz")["pids.txt"].split()
    wait_for(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids))


def test_a_job_is_stopped_before_its_code_runs(tmp_path: Path) -> None:
    with served(tmp_path, slots=1) as aws:
        aws.submit("first", SLEEP)
        aws.wait("first", "Training")
        aws.submit("second", SLEEP)
        assert aws.describe("second")["SecondaryStatus"] == "Starting"
        aws.sagemaker.stop_training_job(TrainingJobName="second")
        job = aws.wait("second")
        assert states(job) == ["Starting", "Stopping", "Stopped"]
        assert "TrainingTimeInSeconds" not in job


def test_a_job_ends_after_its_longest_runtime(aws: Aws) -> None:
    aws.submit("job-1", POLITE, StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = aws.wait("job-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert states(job)[-3:] == ["Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert aws.keys("training/") == [f"{output('job-1')}/model.tar.gz"]


def test_jobs_run_side_by_side_and_wait_for_a_slot(tmp_path: Path) -> None:
    """Three of four jobs fill the slots at the same time; the fourth runs when one has ended."""
    script = f"""
import pathlib, sys, time
room = pathlib.Path({str(tmp_path)!r})
(room / sys.argv[2]).touch()
while not (room / "go").exists():
    time.sleep(0.01)
"""
    names = ["a", "b", "c", "d"]
    with served(tmp_path / "aws", slots=3) as aws:
        for name in names:
            aws.submit(name, script, parameters={"name": f"{name}.mark"})
        wait_for(lambda: len(list(tmp_path.glob("*.mark"))) == 3)
        waiting = [name for name in names if not (tmp_path / f"{name}.mark").exists()]
        assert [aws.describe(name)["SecondaryStatus"] for name in waiting] == ["Starting"]
        (tmp_path / "go").touch()
        for name in names:
            aws.wait(name, "Completed")


def test_an_output_bucket_that_is_not_there_fails_the_job(aws: Aws) -> None:
    aws.submit("job-1", WRITE, OutputDataConfig={"S3OutputPath": "s3://nobody/training"})
    assert "ClientError: Artifact upload failed" in aws.wait("job-1", "Failed")["FailureReason"]


def test_code_that_is_not_there_fails_the_job(aws: Aws) -> None:
    aws.submit("job-1", "", parameters={"sagemaker_submit_directory": "s3://bqx/code/none.tar.gz"})
    assert "code 's3://bqx/code/none.tar.gz'" in aws.wait("job-1", "Failed")["FailureReason"]
    aws.submit("job-2", "", parameters={"sagemaker_program": ""})
    assert "sagemaker_program" in aws.wait("job-2", "Failed")["FailureReason"]
    aws.put("code/text", "no archive")
    aws.submit("job-3", "", parameters={"sagemaker_submit_directory": "s3://bqx/code/text"})
    assert "cannot be unpacked" in aws.wait("job-3", "Failed")["FailureReason"]


def test_many_jobs_at_once_all_end(aws: Aws) -> None:
    """Eight clients create jobs at the same time; each job is run once."""
    names = [f"job-{number}" for number in range(8)]
    threads = [threading.Thread(target=aws.submit, args=(name, WRITE)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        assert states(aws.wait(name, "Completed")).count("Training") == 1


def _wait_for_line(aws: Aws, name: str, text: str) -> None:
    logs = aws.folder / "logs"
    wait_for(lambda: any(text in path.read_text() for path in logs.glob(f"*/{name}/*.log")))


def test_no_variable_of_the_stack_reaches_a_job(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AIRFLOW_HOME",
        "AIRFLOW__CORE__FERNET_KEY",
        "BQX_DATABASE_URL",
        "AIRTABLE_TOKEN",
    ):
        monkeypatch.setitem(os.environ, name, "of the stack alone")
    script = "import os; open(os.environ['SM_MODEL_DIR'] + '/e', 'w').write(repr(dict(os.environ)))"
    aws.submit("job-1", script, Environment={"OMP_NUM_THREADS": "1"})
    aws.wait("job-1", "Completed")
    seen = aws.files(f"{output('job-1')}/model.tar.gz")["e"].decode()
    assert "of the stack alone" not in seen
    assert "'OMP_NUM_THREADS': '1'" in seen
