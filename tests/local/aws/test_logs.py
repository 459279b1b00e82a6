"""Output of the jobs: in CloudWatch Logs while they run, and its end again after a start of the server."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

from local.aws import logs as module
from local.aws.logs import LogBook, Output
from local.aws.small import GROUP, Line
from tests.sagemaker import Aws, served, wait_for

TALK = """
import sys, time
print("to stdout")
print("to stderr", file=sys.stderr)
print()
print("é" * 10, end="", flush=True)
time.sleep(600)
"""


def read(aws: Aws, job: str) -> list[str]:
    """The messages of the newest stream of a job."""
    client = aws.client("logs")
    try:
        streams = client.describe_log_streams(
            logGroupName=GROUP, logStreamNamePrefix=f"{job}/", orderBy="LogStreamName", limit=1
        )["logStreams"]
        found = client.get_log_events(
            logGroupName=GROUP, logStreamName=streams[-1]["logStreamName"], startFromHead=True
        )
        return [one["message"] for one in found["events"]]
    except (client.exceptions.ResourceNotFoundException, IndexError):
        return []
    finally:
        client.close()


def test_output_is_read_while_the_job_runs(aws: Aws) -> None:
    aws.submit("job-1", TALK)
    wait_for(lambda: read(aws, "job-1") == ["to stdout", "to stderr"])
    aws.sagemaker.stop_training_job(TrainingJobName="job-1")
    aws.wait("job-1", "Stopped")
    assert read(aws, "job-1") == ["to stdout", "to stderr", "é" * 10]


def test_streams_have_the_names_of_aws(aws: Aws) -> None:
    begun = int(time.time())
    aws.submit("job-1", "print('a')")
    aws.wait("job-1")
    (path,) = (aws.folder / "logs").glob("us-east-1/job-1/*.log")
    name, _, epoch = path.stem.rpartition("-")
    assert (name, begun <= int(epoch) <= time.time()) == ("algo-1", True)


def test_the_log_is_there_after_a_start(tmp_path: Path) -> None:
    with served(tmp_path) as aws:
        aws.submit("job-1", "for i in range(3): print('line', i)")
        aws.wait("job-1")
        before = read(aws, "job-1")
    with served(tmp_path) as aws:
        assert read(aws, "job-1") == before == ["line 0", "line 1", "line 2"]


class Services:
    """Takes what CloudWatch would be given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def put_log(self, region: str, stream: str, lines: list[Line]) -> None:
        self.lines += [f"{region} {stream} {line.text}" for line in lines]


def test_what_is_kept_of_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    book = LogBook(tmp_path)
    for number in range(300):
        book.write("r", "job/algo-1-5", [Line(1_000_000 + number, f"line {number}")])
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*")) < 2100
    again: Any = Services()
    LogBook(tmp_path)._replay(again)
    assert again.lines[-1] == "r job/algo-1-5 line 299"
    numbers = [int(line.split()[-1]) for line in again.lines]
    assert numbers == list(range(numbers[0], 300))
    assert len(numbers) > 50


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    book = LogBook(tmp_path)
    book.write("r", "job/algo-1-5", [Line(1, "whole")])
    with (tmp_path / "r" / "job" / "algo-1-5.log").open("a") as file:
        file.write("no number")
    services: Any = Services()
    book._replay(services)
    assert services.lines == ["r job/algo-1-5 whole"]


def test_lines_are_given_on_in_their_order() -> None:
    told: list[str] = []
    seen: list[str] = []
    output = Output(
        io.BytesIO(b"one\r\n\n10%\r20%\nno end"),
        lambda lines: told.extend(one.text for one in lines),
        seen.append,
    )
    output.finish()
    assert told == seen == ["one", "10% 20%", "no end"]
