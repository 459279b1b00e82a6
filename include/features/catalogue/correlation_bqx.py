"""Section 14.2: correlation of BQX across pairs and windows, term structure, global momentum."""

from __future__ import annotations

from functools import partial

from include.features.catalogue.declare import (
    BQX,
    POSITIVE,
    SIGNED,
    UNIT,
    Column,
    Common,
    category,
    flag,
    stored,
    whole,
    z_range,
)

CURVE = ("q15", "q30", "q45", "q60", "q75")

SELF_SLOT = "where the pair is the reference: correlation with the mean of o*b over the 7 majors"
LEADER = "bE, bG = b of eurusd, gbpusd"

# Computed once on the dollar grid, from the BQX of the pairs that the formula names.
overall = partial(Column, inputs=("b_ref",), grid="dollar")
overall_flag = partial(flag, inputs=("b_ref",), grid="dollar")
overall_class = partial(category, inputs=("b_ref",), grid="dollar")

COLUMNS = (
    Column(
        "bqx_corr_{ref}_20",
        "corr_20(b, b of {ref})",
        {"ref": ("eur_usd", "gbp_usd", "usd_jpy", "aud_usd")},
        min=20,
        range=SIGNED,
        inputs=("b", "b_ref", "b_usd"),
        note="of levels: b overlaps itself for 15 bars, so few observations count; " + SELF_SLOT,
    ),
    Column(
        "bqx_corr_{ref}_60",
        "corr_60(b, b of {ref})",
        {"ref": ("eur_usd", "gbp_usd", "usd_jpy")},
        min=60,
        range=SIGNED,
        inputs=("b", "b_ref", "b_usd"),
        note=SELF_SLOT,
    ),
    Column(
        "bqx_corr_w{w}_w60",
        "corr_60(q^{w}, q^60)",
        {"w": (15, 30, 45)},
        min=60,
        range=SIGNED,
        inputs=("q{w}", "q60"),
        counts="q60",
    ),
    Column(
        "term_slope_bqx",
        "(q^15 - q^60)/45",
        min=1,
        unit="bqx per minute",
        neutral=None,
        inputs=("q15", "q60"),
        counts="q60",
    ),
    Column(
        "term_curvature_bqx",
        "a2 of the OLS parabola u = a2*x^2 + a1*x + a0 through u_w = q^w/c_w at x = (w-45)/30,"
        " w = 15, 30, 45, 60, 75; c_w = sqrt(w*(w+1)*(2w+1)/6)",
        min=1,
        unit="bqx",
        neutral=None,
        inputs=CURVE,
        counts="q75",
        note="c_w is the scale of a random walk: 35.21, 97.24, 177.19, 271.68, 378.75",
    ),
    flag(
        "term_inversion_flag",
        "1 if q^15 < q^60, else 0",
        min=1,
        neutral=None,
        inputs=("q15", "q60"),
        counts="q60",
    ),
    Column(
        "term_steepness_z",
        "z_120(term_slope_bqx)",
        min=120,
        range=z_range(120),
        inputs=("q15", "q60"),
        counts="q60",
    ),
    Column(
        "bqx_var_systematic",
        "resid_var_systematic (14.1) with db instead of r, in the pair and in the factors",
        min=61,
        range=UNIT,
        inputs=("db", "M_db"),
    ),
    Column(
        "bqx_var_idiosyncratic",
        "residual variance (ddof=3) of that fit; flat_60(db) -> 0",
        min=61,
        range=POSITIVE,
        unit="bqx^2",
        inputs=("db", "M_db"),
    ),
    overall_flag(
        "bqx_eur_leads_gbp_flag",
        "1 if corr_60(bE_{t-5}, bG_t) - corr_60(bG_{t-5}, bE_t) > 0.2, else 0",
        min=65,
        note=LEADER,
    ),
    overall(
        "bqx_eur_gbp_lag_corr_{k}",
        "corr_60(bE_{t-{k}}, bG_t)",
        {"k": (5, 15)},
        min=lambda k: 60 + k,
        range=SIGNED,
        note=LEADER,
    ),
    overall_class(
        "momentum_regime_cluster",
        "0 risk-off if score < -0.5, 2 risk-on if score > 0.5, else 1;"
        " score = -(z_60(b of audjpy) + z_60(b of nzdjpy) + z_60(b of audusd))/3",
        min=60,
        range=whole(0, 2),
        neutral=1.0,
        note="a rule, not a fitted cluster; minus: b > 0 is a fall",
    ),
    overall(
        "momentum_dispersion_20",
        "mean_20 of the sd (ddof=1) over all 28 pairs of b/max(sd_120(b), 1e-12)",
        min=139,
        range=POSITIVE,
        neutral=None,
        inputs=("b_all",),
        note="one pair missing -> NULL",
    ),
    overall(
        "momentum_synchrony_20",
        "mean_20 of abs(mean over the 7 USD majors of sgn(o*b))",
        min=20,
        range=UNIT,
        neutral=None,
        inputs=("b_usd",),
    ),
    overall_flag(
        "momentum_decoupling_flag",
        "1 if z_120(momentum_synchrony_20) < -2, else 0",
        min=139,
        inputs=("b_usd",),
    ),
    overall(
        "bqx_tri_resid_eurusd", "b of eurusd - b of eurgbp - b of gbpusd", min=1, unit="bqx", neutral=None
    ),
    overall("bqx_tri_resid_z_20", "z_20(bqx_tri_resid_eurusd)", min=20, range=z_range(20)),
)

ABOUT = """\
Reference pairs as listed; o*b is b signed as in 8.3. Where the pair is the reference, its correlation is
with the mean of o*b over the 7 USD majors. Built after every other BQX table."""

CORRELATION_BQX = stored(
    "1.6.17",
    "14.2",
    "Correlation of BQX",
    COLUMNS,
    Common("correlation_bqx", BQX, ("b",), source="b of all pairs, q^w of the pair"),
    ABOUT,
)
