"""The encoder of a tft: which earlier rows it sees.

The encoder of a row t has the rows of t - k * step, k = length - 1 down to 0. Where there is no such row, as
over a weekend or in the gap between two sets, the last one before it stands in: that is what is known at that
time. An input says how old it is. A row later than t is never looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from include.training.container.models import Seen
from include.training.container.networks.settings import TftSettings
from include.training.container.problem import JobProblem
from include.training.container.sets import Flags, Minutes, RowNumbers


class LookBack(NamedTuple):
    """Which row stands at each place of each encoder.

    Attributes:
        timeline: all rows that are known.
        meant: the minutes of the places, (rows, length), ascending.
        rows: numbers of the rows of the timeline that stand there; -1 if there is none.
    """

    timeline: Seen
    meant: Minutes
    rows: npt.NDArray[np.intp]

    @classmethod
    def of(cls, settings: TftSettings, asked: Seen, past: Seen | None) -> LookBack:
        """The encoders of some rows.

        Raises:
            JobProblem: nobody said when the rows are.
        """
        if len(asked.ts) != len(asked.x):
            raise JobProblem(
                f"The request has {len(asked.x)} rows and {len(asked.ts)} values of ts. A tft looks back "
                "from each row, so it needs ts of every row."
            )
        timeline = _merged(asked, past)
        back = np.arange(settings.encoder_length - 1, -1, -1) * settings.encoder_step
        meant = asked.ts[:, None] - back
        return cls(timeline, meant, np.searchsorted(timeline.ts, meant, side="right") - 1)

    @property
    def complete(self) -> Flags:
        """Rows in whose encoder every place is taken."""
        flags: Flags = self.rows[:, 0] >= 0
        return flags

    def late(self, numbers: RowNumbers) -> Minutes:
        """Minutes between the row that is meant and the one that stands there, of some rows."""
        return self.meant[numbers] - self.timeline.ts[self.rows[numbers]]


def _merged(asked: Seen, past: Seen | None) -> Seen:
    """All rows by time; a row that both have counts once."""
    if past is None:
        past = Seen(asked.ts[:0], asked.x[:0])
    new = ~np.isin(asked.ts, past.ts)
    if not new.any():
        return past
    ts = np.concatenate([past.ts, asked.ts[new]])
    order = np.argsort(ts, kind="stable")
    return Seen(ts[order], np.concatenate([past.x, asked.x[new]])[order])
