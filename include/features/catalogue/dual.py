"""Section 9: the rate index against BQX."""

from __future__ import annotations

from math import sqrt

from include.features.catalogue.declare import (
    SHARED,
    SIGNED,
    UNIT,
    Column,
    Common,
    between,
    category,
    computed,
    flag,
    section,
    whole,
)

LOG_RATIO = between(-10, 10)
SKEW_DIFFERENCE = 2 * sqrt(20)
KURT_DIFFERENCE = 20 + 2 * 19 / 17
PERCENT_B_DIFFERENCE = sqrt(19) / 2
CHANGES = ("dS", "db")

REGRESSION = (
    Column(
        "reg_rate_bqx_beta_30",
        "cov_30(S, b)/var_30(S); flat_30(S) -> 0",
        min=30,
        unit="bqx per index point",
        note="slope of b on S",
    ),
    Column("reg_rate_bqx_r2_30", "corr_30(S, b)^2", min=30, range=UNIT),
    Column(
        "reg_rate_bqx_resid_z_30",
        "last residual of that fit / sd of its residuals (ddof=2); S or b flat, or that sd <= 1e-12 -> 0",
        min=30,
    ),
    Column(
        "reg_bqx_rate_beta_30",
        "cov_30(dS, db)/var_30(db); flat_30(db) -> 0",
        min=31,
        unit="index points per bqx",
        inputs=CHANGES,
        note="on first differences: on levels the R2 of both directions is the same",
    ),
    Column("reg_bqx_rate_r2_30", "corr_30(dS, db)^2", min=31, range=UNIT, inputs=CHANGES),
    Column(
        "reg_bqx_rate_resid_z_30",
        "last residual of the fit of dS on db / sd of its residuals (ddof=2);"
        " dS or db flat, or that sd <= 1e-9 -> 0",
        min=31,
        inputs=CHANGES,
    ),
    Column("reg_coupling_15_60", "corr_15(S, b) - corr_60(S, b)", min=60, range=between(-2, 2)),
    flag("reg_decoupling_flag", "1 if reg_rate_bqx_r2_30 < 0.25, else 0", min=30, neutral=1.0),
    Column("a2_diff_idx_bqx", "w30_a2_norm of reg_idx - w30_a2_norm of reg_bqx", min=30),
    Column("a1_diff_idx_bqx", "w30_a1_norm of reg_idx - w30_a1_norm of reg_bqx", min=30),
    Column("b_diff_idx_bqx", "w30_b_norm of reg_idx - w30_b_norm of reg_bqx", min=30),
    Column("r2_diff_idx_bqx", "w30_r2 of reg_idx - w30_r2 of reg_bqx", min=30, range=SIGNED),
)

STATISTICS = (
    Column(
        "var_ratio_bqx_idx_{n}",
        "clip(ln(var_{n}(db)/(240*var_{n}(r))), -10, 10); db or r flat -> 0",
        {"n": (20, 60)},
        min=lambda n: n + 1,
        range=LOG_RATIO,
        note="0 = random walk",
    ),
    Column(
        "skew_diff_bqx_idx_20",
        "skew_20 of statistics_bqx - skew_20 of statistics_idx",
        min=20,
        range=between(-SKEW_DIFFERENCE, SKEW_DIFFERENCE),
        inputs=("S", "b"),
        note="bound 2*sqrt(20)",
    ),
    Column(
        "kurt_diff_bqx_idx_20",
        "kurt_20 of statistics_bqx - kurt_20 of statistics_idx",
        min=20,
        range=between(-KURT_DIFFERENCE, KURT_DIFFERENCE),
        inputs=("S", "b"),
        note="bound 20 + 38/17",
    ),
    Column(
        "xcorr_idx_bqx_lag_{k}",
        "corr_60(r_{t-{k}}, db_t)",
        {"k": (0, 1, 5, 15)},
        min=61,
        warm=lambda k: 60 + k,
        range=SIGNED,
    ),
    Column(
        "vol_ratio_bqx_idx_30",
        "clip(ln(sd_30(db)/(sqrt(240)*sd_30(r))), -10, 10); db or r flat -> 0",
        min=31,
        range=LOG_RATIO,
        note="0 = random walk",
    ),
    Column(
        "vol_diff_bqx_idx_30",
        "1e4*(sd_30(db)/sqrt(240) - sd_30(r))",
        min=31,
        unit="bps",
        note="under a random walk both terms are the volatility of one minute",
    ),
)

BOLLINGER = (
    Column(
        "bb_z_diff_bqx_idx_20",
        "bb_percent_b_20 of bollinger_bqx - bb_percent_b_20 of bollinger_idx",
        min=20,
        range=between(-PERCENT_B_DIFFERENCE, PERCENT_B_DIFFERENCE),
        note="bound sqrt(19)/2",
    ),
    Column(
        "bb_bandwidth_ratio_20",
        "clip(ln(bw(b)/bw(S)), -5, 5); one bw = 0 (its 20 bars flat) -> 0",
        min=120,
        range=between(-5, 5),
    ),
    Column("bb_compression_diff_20", "comp(b) - comp(S)", min=239, range=between(-119 / 120, 119 / 120)),
    category(
        "bb_breakout_divergence",
        "out(b) - out(S)",
        min=20,
        range=whole(-2, 2),
        note="b > 0 when the rate FELL: equal signs of out are opposite market directions",
    ),
    Column(
        "bb_slope_diff_20",
        "slope(b) - slope(S), slope(y) = (m_t - m_{t-5})/(5*sd0_20(y)), m = mean_20(y);"
        " the slope of a series whose 20 bars at t are flat is 0",
        min=25,
    ),
    flag(
        "bb_regime_mismatch_flag",
        "1 if tercile of comp(b) != tercile of comp(S), else 0",
        min=239,
        note="terciles: < 1/3, < 2/3, else",
    ),
)

STATISTICS_ABOUT = "The constant 240 = 15 + 15^2: for a random walk var(db) = 240*var(r)."

BOLLINGER_ABOUT = """\
In both domains bw(y) = 4*sd0_20(y)/max(sd_120(y), EPS) and comp(y) = rank_120(bw(y)), with EPS = 1e-9
for S and 1e-12 for b; out(y) = +1 if its bb_percent_b_20 > 1, -1 if < 0, else 0 (also when flat). A value
on the band, as 4 equal prices after 16 others are, is not outside: rounding up to 1e-9 does not decide."""

LEVELS = Common("dual", SHARED, ("S", "b"), counts="b")

DUAL = computed(
    "dual",
    "Dual domain",
    section(
        "9.1", "Regression of one domain on the other", REGRESSION, LEVELS, "Rolling least squares, 30 bars."
    ),
    section("9.2", "Moments compared", STATISTICS, LEVELS._replace(inputs=("r", "db")), STATISTICS_ABOUT),
    section("9.3", "Bollinger bands compared", BOLLINGER, LEVELS, BOLLINGER_ABOUT),
)
