"""Section 6: the last 60 values of the rate index, of BQX and of the one-bar return."""

from __future__ import annotations

from include.features.catalogue.declare import BQX, IDX, SHARED, Column, Common, computed, roughly, section

LAGS = {"k": range(1, 61)}

RATE = Column(
    "rate_idx_lag_{k}",
    "S_{t-{k}}",
    LAGS,
    min=lambda k: k + 1,
    warm=60,
    range=roughly("typ. 80..120"),
    unit="index points",
    neutral=None,
    note="a level, not stationary",
)
LAG_BQX = Column("bqx_lag_{k}", "b_{t-{k}}", LAGS, min=lambda k: k + 1, warm=60, unit="bqx", neutral=None)
RETURN = Column(
    "return_lag_{k}",
    "r_{t-{k}} = ln(S_{t-{k}}/S_{t-{k}-1})",
    LAGS,
    min=lambda k: k + 2,
    warm=61,
    range=roughly("real, typ. +-1e-3"),
    note="log return, unscaled",
)

LAG = computed(
    "lag",
    "Lags",
    section("6.1", "Lags of the rate index", [RATE], Common("lag", IDX, ("S",))),
    section("6.2", "Lags of BQX", [LAG_BQX], Common("lag", BQX, ("b",))),
    section("6.3", "Lags of the return", [RETURN], Common("lag", SHARED, ("r",))),
)
