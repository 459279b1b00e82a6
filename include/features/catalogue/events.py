"""Section 12: jumps, volatility regimes and trend regimes of the rate index."""

from __future__ import annotations

from math import sqrt

from include.features.catalogue.declare import (
    POSITIVE,
    SHARED,
    SIGNED,
    UNIT,
    Column,
    Common,
    Range,
    category,
    computed,
    flag,
    rank_range,
    section,
    whole,
    z_range,
)

TREND_WINDOWS = {"n": (20, 60)}

JUMPS = (
    flag("jump_flag_2_5_sigma", "1 if abs(r) > 2.5*sg, else 0; sg <= 1e-12 -> 0", min=62),
    flag("jump_flag_3_sigma", "1 if abs(r) > 3*sg, else 0; sg <= 1e-12 -> 0", min=62),
    Column("jump_count_20", "sum_20(J)", min=81, range=whole(0, 20), unit="bars"),
    Column("jump_count_60", "sum_60(J)", min=121, range=whole(0, 60), unit="bars"),
    Column(
        "time_since_last_jump",
        "bars since the last J = 1 (0 at the jump), at most 1440; no jump yet -> 1440",
        min=62,
        warm=1501,
        range=whole(0, 1440),
        unit="bars",
        neutral=1440.0,
    ),
    category("jump_direction", "sgn(r)*J", min=62, range=whole(-1, 1)),
    Column("jump_magnitude_z", "r/sg if J = 1, else 0", min=62),
    Column(
        "post_jump_decay_20",
        "sd_5(r)/max(sd_20(r), 1e-12) if sum_20(J) > 0, else 1",
        min=81,
        range=Range(0.0, sqrt(19 / 4), "[0, 2.1794]"),
        neutral=1.0,
        note="bound sqrt(19/4)",
    ),
)

VOLATILITY = (
    category(
        "vol_regime_{n}",
        "0, 1, 2: rank_1440(v_{n}) < 1/3, < 2/3, else",
        TREND_WINDOWS,
        min=lambda n: 1440 + n,
        range=whole(0, 2),
        neutral=1.0,
        note="trailing rank, never quantiles of the whole sample",
    ),
    flag("vol_regime_transition", "1 if vol_regime_20 is not the same at t, t-1, .., t-5, else 0", min=1465),
    Column("vol_z_score_20", "z_120(v_20)", min=140, range=z_range(120)),
    Column("vol_percentile_100", "rank_100(v_20)", min=120, range=rank_range(100), neutral=0.5),
    Column("vol_acceleration_20", "(v_20(t) - v_20(t-5))/max(v_60, 1e-12)", min=61),
    flag("vol_expansion_flag", "1 if v_20 > 1.25*v_60, else 0", min=61),
    flag("vol_compression_flag", "1 if v_20 < 0.75*v_60, else 0", min=61),
    Column("ewma_vol_30", "sqrt(EMA_30(r^2))", min=31, warm=450, range=POSITIVE),
    Column(
        "garch_vol_estimate",
        "sqrt(h_{t+1}), h_{t+1} = 0.01*vb + 0.05*r_t^2 + 0.94*h_t, vb = var_1440(r) at t;"
        " h_t = vb at the first row with vb",
        min=1441,
        warm=1925,
        range=POSITIVE,
        note="fixed coefficients: nothing is fitted",
    ),
)

TREND = (
    category(
        "trend_regime_{n}",
        "sgn(k_{n})*(2 if Q_{n} >= 0.8, 1 if Q_{n} >= 0.5, else 0)",
        TREND_WINDOWS,
        range=whole(-2, 2),
    ),
    Column("trend_strength_{n}", "Q_{n}; flat -> 0", TREND_WINDOWS, range=UNIT),
    Column("trend_consistency_20", "(sgn(k_5) + sgn(k_10) + sgn(k_20))/3", min=20, range=SIGNED),
    flag("trend_reversal_flag", "1 if sgn(k_20(t)) = -sgn(k_20(t-10)) and not 0, else 0", min=30),
    Column("trend_acceleration_20", "(k_20(t) - k_20(t-5))/max(S_t*v_60, 1e-9)", min=61, inputs=("S", "r")),
    flag("sideways_flag_20", "1 if Q_20 < 0.3 and vol_regime_20 = 0, else 0", min=1460, inputs=("S", "r")),
)

JUMPS_ABOUT = """\
sg_t = sd_60 of r_{t-60}..r_{t-1}, WITHOUT the current bar; J = jump_flag_2_5_sigma. Bars before the first
J count as bars without a jump in time_since_last_jump; a J that is NULL later on hides it until the next
jump, or until 1440 bars have passed."""

TREND_ABOUT = """\
k_n = lin_n(S), Q_n = R2 of that line, v_n = sd_n(r). The R2 of whole ticks can be exactly 0.3, 0.5 or 0.8:
up to 1e-9 below a limit counts as having reached it."""

EVENT = computed(
    "event",
    "Events and regimes",
    section("12.1", "Jumps", JUMPS, Common("event", SHARED, ("r",)), JUMPS_ABOUT),
    section("12.2", "Volatility regime", VOLATILITY, Common("event", SHARED, ("r",)), "v_n = sd_n(r)."),
    section(
        "12.3",
        "Trend regime",
        TREND,
        Common("event", SHARED, ("S",)),
        TREND_ABOUT,
    ),
)
