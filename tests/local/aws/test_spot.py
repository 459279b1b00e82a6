"""Spot jobs: interrupted on demand, continued from their checkpoints, bounded by MaxWaitTimeInSeconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.errors import BqxError
from tests.local.aws.test_run import SLEEP, output, states
from tests.sagemaker import Aws, served, spot, wait_for

# Counts to a number, one step a file; waits after each until the test lets it go on.
STEPS = """
import os, pathlib, sys, time
room, last = pathlib.Path(sys.argv[4]), int(sys.argv[2])
checkpoints = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
done = len(list(checkpoints.glob("*/step-*")))
print("from step", done)
for step in range(done, last):
    (checkpoints / "deep").mkdir(exist_ok=True)
    new = checkpoints / "new"
    new.write_text(str(step))
    new.rename(checkpoints / "deep" / f"step-{step}")
    while not (room / f"go-{step}").exists():
        time.sleep(0.01)
pathlib.Path(os.environ["SM_MODEL_DIR"], "steps").write_text(
    "".join(path.read_text() for path in sorted(checkpoints.glob("*/step-*")))
)
"""


def test_an_interrupted_job_goes_on_from_its_checkpoints(aws: Aws, tmp_path: Path) -> None:
    aws.submit("job-1", STEPS, parameters={"last": "3", "room": str(tmp_path)}, **spot("job-1"))
    for step in range(2):
        _wait_for_key(aws, f"checkpoints/job-1/deep/step-{step}")
        aws.trouble.interrupt("job-1")
        (tmp_path / f"go-{step}").touch()
        _wait_for_training(aws, "job-1", step + 2)
    (tmp_path / "go-2").touch()
    job = aws.wait("job-1", "Completed")
    again = ["Interrupted", "Restarting", "Downloading", "Training"]
    assert states(job) == ["Starting", "Downloading", "Training", *again, *again, "Uploading", "Completed"]
    assert aws.files(f"{output('job-1')}/model.tar.gz") == {"steps": b"012"}
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]
    logs = sorted((aws.folder / "logs").glob("*/job-1/*.log"))
    begun = [line.split("\t")[1] for path in logs for line in path.read_text().splitlines()]
    assert begun == ["from step 0", "from step 1", "from step 2"]


def test_a_new_instance_has_nothing_but_the_checkpoints(aws: Aws) -> None:
    script = """
import os, pathlib, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
(base / "model" / str(os.getpid())).touch()
print(len(list((base / "model").iterdir())), "of", os.environ["TRAINING_JOB_NAME"], flush=True)
if (base / "checkpoints" / "one").exists():
    raise SystemExit
(base / "checkpoints" / "one").touch()
time.sleep(600)
"""
    aws.submit("job-1", script, **spot("job-1"))
    aws.wait("job-1", "Training")
    _wait_for_key(aws, "checkpoints/job-1/one")
    aws.trouble.interrupt("job-1")
    aws.wait("job-1", "Completed")
    assert len(aws.files(f"{output('job-1')}/model.tar.gz")) == 1


def test_the_wait_for_spot_instances_has_an_end(tmp_path: Path) -> None:
    with served(tmp_path, slots=1, grace=0.1) as aws:
        aws.submit("first", SLEEP)
        aws.wait("first", "Training")
        aws.submit("second", SLEEP, **spot("second", 1, 1))
        job = aws.wait("second")
        assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
        assert states(job)[-1] == "MaxWaitTimeExceeded"


def test_an_interrupted_job_still_ends_after_its_longest_runtime(aws: Aws) -> None:
    aws.submit("job-1", SLEEP, **spot("job-1", 3, 600))
    aws.wait("job-1", "Training")
    aws.trouble.interrupt("job-1")
    job = aws.wait("job-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "Interrupted" in states(job)


def test_a_job_that_does_not_run_cannot_be_interrupted(aws: Aws) -> None:
    with pytest.raises(BqxError, match="job nobody did not run"):
        aws.trouble.interrupt("nobody", 0.05)
    assert list((aws.folder / "interrupts").iterdir()) == []


def _wait_for_key(aws: Aws, key: str) -> None:
    wait_for(lambda: key in aws.keys("checkpoints/"))


def _wait_for_training(aws: Aws, name: str, times: int) -> None:
    wait_for(lambda: states(aws.describe(name)).count("Training") == times)
