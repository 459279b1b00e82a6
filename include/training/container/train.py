"""Where SageMaker's toolkit starts: `python train.py`, at the root of the archive.

xgboost imports scikit-learn when it is there, and pyarrow imports pandas: together they take longer than a
small job of trees, and nothing of it uses them. This process belongs to the job alone, so it can hide them.
The libraries of the networks do use them.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import Any

HIDDEN = frozenset({"pandas", "sklearn"})


class Hidden(MetaPathFinder):
    """Lets libraries believe that some others are not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Refuse the hidden libraries; leave the rest to the usual finders."""
        if fullname in HIDDEN:
            raise ModuleNotFoundError(f"{fullname} is hidden in a training job", name=fullname)


if __name__ == "__main__":
    if find_spec("include.training.container.networks") is None:
        sys.meta_path.insert(0, Hidden())

    from include.training.container.job import main

    sys.exit(main())
