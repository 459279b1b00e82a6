"""Every benchmark, one after the other: ``make bench``."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    for name in ("benchmarks.features", "benchmarks.storage", "benchmarks.dataset", "benchmarks.migration"):
        runpy.run_module(name, run_name="__main__")
