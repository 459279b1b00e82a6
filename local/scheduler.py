"""Airflow's scheduler with what every task imports already in memory, see `local.preload`."""

from __future__ import annotations

import importlib
import sys

from local.preload import preload


def main() -> None:
    """Import, then become ``airflow scheduler`` with the arguments given."""
    preload()
    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    importlib.import_module("airflow.__main__").main()


if __name__ == "__main__":
    main()
