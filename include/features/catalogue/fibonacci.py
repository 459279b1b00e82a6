"""Section 5: Fibonacci levels of the last 100 bars, on index bars and on the pseudo bars of BQX."""

from __future__ import annotations

from include.features.catalogue.declare import (
    BQX,
    IDX,
    Column,
    Common,
    between,
    roughly,
    stored,
)

RETRACEMENTS = {"23_6": 0.236, "38_2": 0.382, "50_0": 0.5, "61_8": 0.618}
EXTENSIONS = {"127_2": 1.272, "161_8": 1.618}
LEVEL_RANGE = roughly("[RL, RH]")

COLUMNS = (
    *(
        Column(f"fib_{name}", f"RH - {x}*(RH-RL)", min=100, range=LEVEL_RANGE, unit="{u}", neutral=None)
        for name, x in RETRACEMENTS.items()
    ),
    *(
        Column(
            f"fib_ext_{name}",
            f"RH + ({x}-1)*(RH-RL)",
            min=100,
            range=roughly(">= RH"),
            unit="{u}",
            neutral=None,
            note="upward only",
        )
        for name, x in EXTENSIONS.items()
    ),
    Column(
        "dist_to_fib_{level}",
        "clip(({y}-fib_{level})/max(atr_14, {eps}), -100, 100); RH-RL <= {eps} -> 0",
        {"level": ("38_2", "61_8")},
        min=100,
        warm=400,
        range=between(-100, 100),
        inputs=("{H}", "{L}", "{y}"),
        note="in units of atr_14 (section 4): in units of RH-RL the two would differ by a constant",
    ),
    Column("fib_range_high", "RH", min=100, unit="{u}", neutral=None, inputs=("{H}",)),
    Column("fib_range_low", "RL", min=100, unit="{u}", neutral=None, inputs=("{L}",)),
)

EXTREMES = Common("fibonacci_idx", IDX, ("{H}", "{L}"), source="{H}, {L}, {y}")
ABOUT = "RH = max_100({H}), RL = min_100({L})."

FIBONACCI_IDX = stored("2.1", "5.1", "Fibonacci levels of the rate index", COLUMNS, EXTREMES, ABOUT)
FIBONACCI_BQX = stored(
    "1.6.14",
    "5.2",
    "Fibonacci levels of BQX",
    COLUMNS,
    EXTREMES._replace(table="fibonacci_bqx", domain=BQX),
    ABOUT,
)
