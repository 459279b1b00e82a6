"""Section 4: technical indicators, on index bars and on the pseudo bars of BQX."""

from __future__ import annotations

from include.features.catalogue.declare import (
    BQX,
    IDX,
    POSITIVE,
    Column,
    Common,
    between,
    redefine,
    stored,
)

CLOSE = ("{y}",)
BAR = ("{H}", "{L}", "{y}")
PERCENT = between(0, 100)

# Bars until the seed of a recursion has decayed below 1e-9 of the column, measured on real bars
# including a flash crash: more than the bare ln(1e-9)/ln(1-alpha).
WILDER_WARM = {14: 400, 21: 600}
ADX_WARM = 560
MACD_WARM = 450

COLUMNS = (
    Column(
        "rsi_{n}",
        "100*U/(U+D), U = WIL_{n}(max(d,0)), D = WIL_{n}(max(-d,0)), d = {y}_t-{y}_{t-1}; U+D <= {eps} -> 50",
        {"n": (14, 21)},
        min=lambda n: n + 1,
        warm=lambda n: WILDER_WARM[n],
        range=PERCENT,
        unit="percent",
        neutral=50.0,
        inputs=CLOSE,
    ),
    Column("macd_line", "EMA_12({y}) - EMA_26({y})", min=26, warm=MACD_WARM, unit="{u}", inputs=CLOSE),
    Column(
        "macd_signal",
        "EMA_9(macd_line)",
        min=34,
        warm=MACD_WARM,
        unit="{u}",
        inputs=CLOSE,
        note="of the line from the first bar on, where the line is 0",
    ),
    Column("macd_histogram", "macd_line - macd_signal", min=34, warm=MACD_WARM, unit="{u}", inputs=CLOSE),
    Column(
        "stoch_k_14",
        "100*({y}-min_14({L}))/HL, HL = max_14({H})-min_14({L}); HL <= {eps} -> 50",
        min=14,
        range=PERCENT,
        unit="percent",
        neutral=50.0,
    ),
    Column("stoch_d_3", "mean_3(stoch_k_14)", min=16, range=PERCENT, unit="percent", neutral=50.0),
    Column(
        "cci_20",
        "(TP-mean_20(TP))/(0.015*MAD), TP = ({H}+{L}+{y})/3, MAD = mean abs deviation of the 20 TP from"
        " mean_20(TP); MAD <= {eps} -> 0",
        min=20,
        range=between(-10 / 0.015, 10 / 0.015),
        note="bound attained by one spike in a flat window",
    ),
    Column(
        "williams_r_14",
        "-100*(max_14({H})-{y})/HL, HL = max_14({H})-min_14({L}); HL <= {eps} -> -50",
        min=14,
        range=between(-100, 0),
        unit="percent",
        neutral=-50.0,
        note="identically stoch_k_14 - 100",
    ),
    Column("roc_12", "100*({y}_t/{y}_{t-12} - 1)", min=13, unit="percent", inputs=CLOSE),
    Column(
        "adx_14",
        "WIL_14(DX), DX = 100*abs(plus-minus)/(plus+minus) of the two DI; plus+minus <= 1e-9 -> DX = 0",
        min=28,
        warm=ADX_WARM,
        range=PERCENT,
        unit="percent",
    ),
    Column(
        "plus_di_14",
        "100*WIL_14(pDM)/WIL_14(TR); WIL_14(TR) <= {eps} -> 0",
        min=15,
        warm=WILDER_WARM[14],
        range=PERCENT,
        unit="percent",
    ),
    Column(
        "minus_di_14",
        "100*WIL_14(mDM)/WIL_14(TR); WIL_14(TR) <= {eps} -> 0",
        min=15,
        warm=WILDER_WARM[14],
        range=PERCENT,
        unit="percent",
    ),
    Column(
        "atr_14",
        "WIL_14(TR)",
        min=15,
        warm=WILDER_WARM[14],
        range=POSITIVE,
        unit="{u}",
        note="decays while the bars do not move, never reaching 0",
    ),
    Column("atr_pct_14", "100*atr_14/{y}", min=15, warm=WILDER_WARM[14], range=POSITIVE, unit="percent"),
)

# b crosses zero about 8 times an hour: what divides by the price in the idx domain divides by sd_120(b) here.
ROC_BQX = Column(
    "roc_12",
    "(b_t-b_{t-12})/max(sd_120(b), 1e-12); flat_120(b) -> 0",
    min=120,
    inputs=CLOSE,
    note="in units of sd_120(b), not percent of b",
)
ATR_PCT_BQX = Column(
    "atr_pct_14",
    "100*atr_14/max(sd_120(b), 1e-12); flat_120(b) -> 0",
    min=120,
    warm=WILDER_WARM[14],
    range=POSITIVE,
    unit="percent",
    note="percent of sd_120(b), not of b",
)

ABOUT = """\
Bars with high {H}, low {L}, close {y}; up = {H}_t-{H}_{t-1}, dn = {L}_{t-1}-{L}_t, pDM = up if up-dn >
{eps} and up > {eps}, else 0; mDM = dn if dn-up > {eps} and dn > {eps}, else 0 (without the epsilon,
rounding would decide between equal ticks); TR = max({H}-{L}, abs({H}-{y}_{t-1}), abs({L}-{y}_{t-1})). The
first bar has none of them."""

TECHNICAL_IDX = stored(
    "1.6.10",
    "4.1",
    "Technical indicators of the rate index",
    COLUMNS,
    Common("technical_idx", IDX, BAR),
    ABOUT,
)
TECHNICAL_BQX = stored(
    "1.6.11",
    "4.2",
    "Technical indicators of BQX",
    redefine(COLUMNS, ROC_BQX, ATR_PCT_BQX),
    Common("technical_bqx", BQX, BAR),
    ABOUT,
)
