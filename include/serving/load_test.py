"""How fast the endpoint answers: models are loaded before anybody waits for them, then comes the load.

A request is due at its time whether or not those before it have been answered, and its latency counts from
then on: a server that stalls cannot hide it by slowing down whoever asks.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from include.errors import DeployFailed
from include.serving.probes import MISMATCH, Ask, Probe, Reply

__all__ = ["Load", "Warmth", "check", "judge", "run", "warm"]

log = logging.getLogger(__name__)

AT_ONCE = 32  # requests under way; later ones wait, and their waiting counts
WARMERS = 4  # requests at once while models are loaded at one instance
QUIET_ROUNDS = 3  # so many rounds in a row without a slow answer: every model is loaded
MOST_ROUNDS = 40
MOST_ERRORS = 0.01  # share of the requests


class Load(NamedTuple):
    """What was measured.

    Attributes:
        requests: how many were asked.
        rate: answers per second.
        p50, p95, p99, slowest: milliseconds, from when a request was due.
        problems: how many answers had each problem.
    """

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float
    slowest: float
    problems: dict[str, int]

    def __str__(self) -> str:
        failed = f", {sum(self.problems.values())} failed" if self.problems else ""
        return (
            f"{self.requests} requests at {self.rate:.0f}/s: P50 {self.p50:.0f}, P95 {self.p95:.0f}, "
            f"P99 {self.p99:.0f} ms{failed}"
        )


class Warmth(NamedTuple):
    """How models were loaded.

    Attributes:
        rounds: how often each was asked until no answer was slow.
        slowest: by round, milliseconds.
    """

    rounds: int
    slowest: list[float]


def warm(
    ask: Ask, probes: Sequence[Probe], limit_ms: float, copies: int = 1, quiet_rounds: int = QUIET_ROUNDS
) -> Warmth:
    """Ask for every model until all are loaded: until no answer was slow, several rounds in a row.

    An answer that takes longer than the limit had to wait for its model. SageMaker counts that waiting too,
    in metrics of whole minutes that arrive minutes later; what the client sees is known at once.

    Args:
        ask: puts a probe to the endpoint.
        probes: at least one for each model.
        limit_ms: above which an answer is slow, milliseconds.
        copies: of each probe in a round, asked at once: SageMaker sends requests for a model to the instance
            that has it, and to a further instance only while that one is busy.
        quiet_rounds: how many rounds in a row must be without a slow answer.

    Raises:
        DeployFailed: an answer is wrong, or the endpoint does not come to rest.
    """
    slowest: list[float] = []
    quiet = 0
    asked = [probe for probe in probes for _ in range(copies)]
    with ThreadPoolExecutor(max(WARMERS, copies)) as pool:
        while quiet < quiet_rounds:
            replies = list(pool.map(ask, asked))
            _refuse_mismatch(replies)
            slowest.append(max(1000 * reply.seconds for reply in replies))
            problems = Counter(reply.problem for reply in replies if reply.problem)
            quiet = 0 if problems or slowest[-1] > limit_ms else quiet + 1
            log.info("Round %d: slowest answer %.0f ms, %s", len(slowest), slowest[-1], dict(problems))
            if len(slowest) == MOST_ROUNDS and quiet < quiet_rounds:
                raise DeployFailed(
                    f"After {MOST_ROUNDS} rounds of questions to {len(probes)} models some answers still "
                    f"take longer than {limit_ms:.0f} ms (the slowest of the last round "
                    f"{slowest[-1]:.0f} ms) or fail ({dict(problems) or 'none failed'}). The models may not "
                    "fit into the memory of an instance: take a larger instance_type. Traffic was not moved."
                )
    return Warmth(len(slowest), slowest)


def check(
    ask: Ask,
    probes: Sequence[Probe],
    limit_ms: float,
    rate: float,
    seconds: float,
    quiet_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Load]:
    """Measure the endpoint under load, and once more after nobody has asked for a while.

    Args:
        ask: puts a probe to the endpoint.
        probes: asked in turn.
        limit_ms: that P99 may have, milliseconds.
        rate: requests per second.
        seconds: how long.
        quiet_seconds: how long nobody asks before the second measurement.
        sleep: waits so many seconds.

    Returns:
        ``load`` and ``after quiet``.

    Raises:
        DeployFailed: P99 is above the limit, too many answers failed, or one is wrong.
    """
    measured = {"load": run(ask, probes, rate, seconds)}
    log.info("Under load: %s", measured["load"])
    sleep(quiet_seconds)
    measured["after quiet"] = run(ask, probes, rate, len(probes) / rate)
    log.info("After %.0f quiet seconds: %s", quiet_seconds, measured["after quiet"])
    for when, load in measured.items():
        if wrong := judge(load, limit_ms):
            raise DeployFailed(
                f"The endpoint did not pass its check ({when}): {wrong} ({load}). Traffic was not moved. "
                "Look at its log group, at the number of instances and at the size of the models."
            )
    return measured


def judge(load: Load, limit_ms: float) -> str:
    """Why a measurement is not good enough; empty if it is."""
    if wrong := [problem for problem in load.problems if problem.startswith(MISMATCH)]:
        return f"an answer was wrong ({wrong[0]})"
    failed = sum(load.problems.values())
    if failed > MOST_ERRORS * load.requests:
        return f"{failed} of {load.requests} requests failed ({', '.join(sorted(load.problems))})"
    if load.p99 > limit_ms:
        return f"P99 is {load.p99:.0f} ms, more than {limit_ms:.0f} ms"
    return ""


def run(ask: Ask, probes: Sequence[Probe], rate: float, seconds: float) -> Load:
    """Ask at a steady rate.

    Args:
        ask: puts a probe to the endpoint.
        probes: asked in turn.
        rate: requests per second.
        seconds: how long.
    """
    begin = time.perf_counter()

    def due_at(due: float, probe: Probe) -> Reply:
        reply = ask(probe)
        return Reply(time.perf_counter() - due, reply.problem)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = []
        for number in range(max(1, round(rate * seconds))):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            waiting.append(pool.submit(due_at, due, probes[number % len(probes)]))
        replies = [each.result() for each in waiting]
    took = time.perf_counter() - begin
    milliseconds = 1000 * np.array([reply.seconds for reply in replies])
    p50, p95, p99 = (float(value) for value in np.percentile(milliseconds, (50, 95, 99)))
    problems = Counter(reply.problem for reply in replies if reply.problem)
    return Load(len(replies), len(replies) / took, p50, p95, p99, float(milliseconds.max()), dict(problems))


def _refuse_mismatch(replies: Sequence[Reply]) -> None:
    wrong = [reply.problem for reply in replies if reply.problem.startswith(MISMATCH)]
    if wrong:
        raise DeployFailed(
            f"The endpoint gives {len(wrong)} wrong answers, the first is a {wrong[0]}. Traffic was not "
            "moved. An archive that was overwritten, or other inference code than this, does that."
        )
