"""Section 13: 5- and 15-minute bars, complete ones only. Counts are in 1-minute bars."""

from __future__ import annotations

from include.features.catalogue.declare import (
    PERCENT,
    POSITIVE,
    SHARED,
    SIGNED,
    Column,
    Common,
    between,
    category,
    computed,
    flag,
    roughly,
    section,
    whole,
)

POINTS = "index points"
AROUND_100 = roughly("typ. 80..120")

# b needs no extra phase bars beyond its own 15, so `min` counts 5*K or 15*K bars of b; `warm` is that
# of the same bars of S.
FIVE = (
    Column(
        "rate_idx_5m_sma_10",
        "mean of the last 10 5m closes of S",
        min=54,
        range=AROUND_100,
        unit=POINTS,
        neutral=None,
    ),
    Column("rate_idx_5m_vol_20", "sd of the last 20 r5", min=109, range=POSITIVE, inputs=("S",)),
    Column(
        "bqx_5m_sma_10",
        "mean of the last 10 5m closes of b",
        min=50,
        warm=53,
        unit="bqx",
        neutral=None,
        inputs=("b",),
        counts="b",
    ),
    Column(
        "bqx_5m_vol_20",
        "sd of the last 20 d5",
        min=105,
        warm=108,
        range=POSITIVE,
        unit="bqx",
        inputs=("b",),
        counts="b",
    ),
    Column(
        "return_5m_lag_{k}",
        "r5 of complete 5m bar number {k}, counted back from the newest",
        {"k": (1, 2, 3, 5)},
        min=lambda k: 5 * k + 9,
        warm=34,
        note="k = 1 is the newest complete bar",
    ),
    Column(
        "rsi_5m_14",
        "rsi_14 (4.1) of the 5m closes of S",
        min=79,
        warm=2004,
        range=PERCENT,
        unit="percent",
        neutral=50.0,
    ),
    Column("macd_5m", "EMA_12 - EMA_26 of the 5m closes of S", min=134, warm=2254, unit=POINTS),
    Column(
        "atr_5m_14",
        "atr_14 (4.1) of the 5m bars: H, L, close S",
        min=79,
        warm=2004,
        range=POSITIVE,
        unit=POINTS,
        inputs=("H", "L", "S"),
    ),
    Column(
        "var_ratio_5m_bqx_idx",
        "clip(ln(var_20(d5)/(232*var_20(r5))), -10, 10); d5 or r5 flat -> 0",
        min=105,
        warm=108,
        range=between(-10, 10),
        inputs=("S", "b"),
        counts="b",
        note="0 = random walk: 232 = 1160/5",
    ),
    Column(
        "xcorr_5m_idx_bqx", "corr_20(r5, d5)", min=105, warm=108, range=SIGNED, inputs=("S", "b"), counts="b"
    ),
    Column(
        "volume_5m_sma_10",
        "mean of the last 10 5m sums of V",
        min=54,
        range=POSITIVE,
        unit="ticks",
        neutral=None,
        inputs=("V",),
    ),
    Column(
        "spread_5m_mean_10",
        "mean over the last 10 5m bars of the bar's mean of p",
        min=54,
        range=POSITIVE,
        unit=POINTS,
        neutral=None,
        inputs=("p",),
    ),
    category(
        "vol_regime_5m",
        "0, 1, 2: rank_288 over 5m bars of (sd of 20 r5) < 1/3, < 2/3, else",
        min=1544,
        range=whole(0, 2),
        neutral=1.0,
    ),
    category(
        "trend_regime_5m", "trend_regime (12.3) of the last 12 5m closes of S", min=64, range=whole(-2, 2)
    ),
    Column(
        "jump_count_5m_12",
        "number of the last 12 5m bars with abs(r5) > 2.5*sg, sg = sd of the 60 r5 before;"
        " sg <= 1e-12 -> none",
        min=369,
        range=whole(0, 12),
        unit="bars",
        note="5m bars",
    ),
    Column("sma_1m_vs_5m_ratio", "1e4*(mean_10(S)/rate_idx_5m_sma_10 - 1)", min=54, unit="bps"),
    Column(
        "vol_1m_vs_5m_ratio",
        "clip(ln(sqrt(5)*sd_20(r)/rate_idx_5m_vol_20), -5, 5); r or r5 flat -> 0",
        min=109,
        range=between(-5, 5),
    ),
)

FIFTEEN = (
    Column(
        "rate_idx_15m_sma_8",
        "mean of the last 8 15m closes of S",
        min=134,
        range=AROUND_100,
        unit=POINTS,
        neutral=None,
    ),
    Column(
        "bqx_15m_sma_8",
        "mean of the last 8 15m closes of b",
        min=120,
        warm=133,
        unit="bqx",
        neutral=None,
        inputs=("b",),
        counts="b",
    ),
    Column("rate_idx_15m_vol_12", "sd of the last 12 r15", min=209, range=POSITIVE),
    Column(
        "bqx_15m_vol_12",
        "sd of the last 12 d15",
        min=195,
        warm=208,
        range=POSITIVE,
        unit="bqx",
        inputs=("b",),
        counts="b",
    ),
    Column(
        "rsi_15m_14",
        "rsi_14 (4.1) of the 15m closes of S",
        min=239,
        warm=6014,
        range=PERCENT,
        unit="percent",
        neutral=50.0,
    ),
    Column("macd_15m", "EMA_12 - EMA_26 of the 15m closes of S", min=404, warm=6764, unit=POINTS),
    Column("sma_5m_vs_15m_ratio", "1e4*(rate_idx_5m_sma_10/rate_idx_15m_sma_8 - 1)", min=134, unit="bps"),
    flag("trend_5m_vs_15m_agreement", "1 if sgn(T5) = sgn(T15), else 0", min=194, neutral=1.0),
    flag("scale_cascade_aligned", "1 if sgn(T1) = sgn(T5) = sgn(T15) and not 0, else 0", min=194),
    flag("scale_cascade_diverged", "1 if sgn(T1), sgn(T5), sgn(T15) contain both +1 and -1, else 0", min=194),
)

FIVE_ABOUT = """\
r5 = log return of S, d5 = difference of b, from the close of one complete 5-minute bar to the next.
`min` is the worst phase of the clock without a break. Add 8 bars to `warm` for every break inside it."""

FIFTEEN_ABOUT = """\
r15, d15 as in 13.1, on 15-minute bars. T1 = trend_regime_20 (12.3), T5 = trend_regime_5m, T15 = the same
of the last 12 15m closes. Add 28 bars to `warm` for every break inside it (8 for what reads 5-minute
bars)."""

MRES = computed(
    "mres",
    "Several resolutions",
    section(
        "13.1", "5-minute bars", FIVE, Common("mres", SHARED, ("S",), "complete 5-minute bars"), FIVE_ABOUT
    ),
    section(
        "13.2",
        "15-minute bars",
        FIFTEEN,
        Common("mres", SHARED, ("S",), "complete 15-minute bars"),
        FIFTEEN_ABOUT,
    ),
)
