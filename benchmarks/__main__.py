"""Every benchmark, one after the other: ``make bench``."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    for name in ("features", "storage", "dataset", "migration", "training", "online", "serving"):
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
