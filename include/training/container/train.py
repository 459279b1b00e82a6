"""Where SageMaker's toolkit starts: `python train.py`, at the root of the archive.

xgboost imports scikit-learn when it is there, which takes longer than a small job; nothing here uses it. This
process belongs to the job alone, so it can say that there is none.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]

    from include.training.container.job import main

    sys.exit(main())
