"""Processes that work and processes that sleep are told apart; one that has ended is no trouble."""

from __future__ import annotations

import subprocess
import sys
import time

from local.aws.hosting.usage import Usage


def test_a_process_that_works_uses_more_than_one_that_sleeps() -> None:
    codes = ("while True: pass", "import time; time.sleep(60)")
    started = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    busy, idle = (each.pid for each in started)
    try:
        usage = Usage()
        assert usage.of([busy, idle]) == [], "nothing is known at the first look"
        time.sleep(1.0)
        (worked, memory), (slept, _) = usage.of([busy, idle])
        assert worked > slept
        assert 0 < memory < 100
        started[0].kill()
        started[0].wait()
        assert len(usage.of([busy, idle])) == 1
    finally:
        for each in started:
            each.kill()
            each.wait()
