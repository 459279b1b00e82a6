"""A run that is killed at any moment and run again: nothing twice, nothing lost, nothing touched in vain."""

from __future__ import annotations

import random
import signal
import time
from multiprocessing import get_context
from pathlib import Path

from local.airtable.server import TOKEN, Server
from local.airtable.tables import tables
from tests.airtable import served
from tests.include.plan.changes import carry_out, fill, patient, plan_of, work
from tests.include.plan.clients import NO_LIMIT, client, tasks

RIGHT, OUTDATED, MISSING = range(30), range(30, 60), range(60, 90)
FOREIGN = range(900, 905)  # tasks of other people
REQUESTS = 16  # of an undisturbed run: schema, page, two looks, six writes and as many times reading back


def kill_and_run_again(folder: Path, seed: int) -> int:
    """Kill a run at a moment, run it again, and compare.

    Returns:
        Records that the killed run had written.
    """
    draw = random.Random(seed)
    plan = plan_of(RIGHT) | plan_of(OUTDATED, Status="Done") | plan_of(MISSING)
    with served(folder, seed=tables, rate=NO_LIMIT) as server:
        fill(server, plan_of(range(OUTDATED.stop)) | plan_of(FOREIGN))
        before = tasks(server)
        server.limits.reset()
        server.trouble.delay = 0.02  # after a request was done: time to die without having heard of it
        _kill(server, plan, draw.randint(1, REQUESTS), draw.uniform(0.0, 0.03))
        server.trouble.delay = 0.0
        killed = server.limits.count(TOKEN).records
        applied = carry_out(patient(server.endpoint), plan)
        held = tasks(server)
        assert applied.failed == ()
        assert {len(found) for found in held.values()} == {1}, "nothing twice"
        wanted = {key: {"Task ID": key, **fields} for key, fields in plan.items()}
        assert {key: held[key][0] for key in plan} == wanted, "nothing lost"
        untouched = [f"TSK-9.9.{number}" for number in (*RIGHT, *FOREIGN)]
        assert {key: held[key] for key in untouched} == {key: before[key] for key in untouched}
        assert server.limits.count(TOKEN).records == len(OUTDATED) + len(MISSING), "nothing in vain"
        carry_out(client(server), plan)
        assert server.limits.count(TOKEN).records == len(OUTDATED) + len(MISSING)
        return killed


def _kill(server: Server, plan: dict[str, dict[str, object]], requests: int, delay: float) -> None:
    process = get_context("spawn").Process(target=work, args=(server.endpoint, plan))
    process.start()
    deadline = time.monotonic() + 60.0
    while server.limits.count(TOKEN).requests < requests:
        assert time.monotonic() < deadline, "the run never came that far"
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "it ended by itself"
    time.sleep(0.1)  # what was sent is done all the same


def test_a_killed_run_is_made_good_by_the_next(tmp_path: Path) -> None:
    written = [kill_and_run_again(tmp_path / str(seed), seed) for seed in range(5)]
    assert any(0 < records < len(OUTDATED) + len(MISSING) for records in written), "some died half way"
