"""Section 8: sister pairs, triangular parity and the dollar factor."""

from __future__ import annotations

from include.features.catalogue.declare import (
    POSITIVE,
    SHARED,
    SIGNED,
    Column,
    Common,
    between,
    computed,
    flag,
    roughly,
    section,
    z_range,
)

SLOTS = {"i": (1, 2, 3, 4, 5)}
LEGS_S, LEGS_B = ("S", "S_leg"), ("b", "b_leg")

SISTERS = (
    Column(
        "sister{i}_return_lag_{k}",
        "rs_{t-{k}} of sister {i}",
        SLOTS | {"k": (1, 5, 15)},
        min=lambda i, k: k + 2,
        warm=16,
        note="no sign flip; row k bars back in the grid of the target pair",
    ),
    Column("sister{i}_vol_30", "sd_30(rs) of sister {i}", SLOTS, min=31, range=POSITIVE),
    Column(
        "sister{i}_corr_60", "corr_60(r, rs) with sister {i}", SLOTS, min=61, range=SIGNED, inputs=("r", "rs")
    ),
    Column(
        "sister{i}_beta_60",
        "clip(cov_60(r, rs)/var_60(rs), -20, 20) with sister {i}; flat_60(rs) -> 0",
        SLOTS,
        min=61,
        range=between(-20, 20),
        inputs=("r", "rs"),
    ),
)

TRIANGLE = (
    Column(
        "tri_resid_level",
        "T_t",
        min=1,
        range=roughly("real, a few bps"),
        unit="bps",
        neutral=None,
        note="may have a constant offset per pair: parity of the baseline rates",
    ),
    Column("tri_resid_z_20", "z_20(T)", min=20, range=z_range(20)),
    Column("tri_resid_change_5", "T_t - T_{t-5}", min=6, unit="bps"),
    Column("tri_resid_vol_30", "sd_30(T_t - T_{t-1})", min=31, range=POSITIVE, unit="bps"),
    Column(
        "tri_bqx_resid",
        "Q_t",
        min=1,
        unit="bqx",
        neutral=None,
        inputs=LEGS_B,
        counts="b",
        note="first-order parity of momentum",
    ),
    Column("tri_bqx_resid_z_20", "z_20(Q)", min=20, range=z_range(20), inputs=LEGS_B, counts="b"),
    Column("tri_bqx_change_5", "Q_t - Q_{t-5}", min=6, unit="bqx", inputs=LEGS_B, counts="b"),
    flag(
        "tri_alignment_flag",
        "1 if abs(tri_resid_z_20) <= 2 and abs(tri_bqx_resid_z_20) <= 2, else 0",
        min=20,
        neutral=1.0,
        inputs=LEGS_S + LEGS_B,
        counts="b",
    ),
)

DOLLAR = (
    Column(
        "usd_factor_level",
        "U_t",
        min=1,
        range=roughly("typ. -15..15"),
        unit="percent",
        neutral=None,
        note="equal weights instead of a first principal component: nothing is fitted, the sign is fixed",
    ),
    Column("usd_factor_change_5", "U_t - U_{t-5}", min=6, unit="percent"),
    Column("usd_factor_change_15", "U_t - U_{t-15}", min=16, unit="percent"),
    Column("usd_factor_vol_30", "sd_30(U_t - U_{t-1})", min=31, range=POSITIVE, unit="percent"),
    Column("usd_factor_z_60", "z_60(U)", min=60, range=z_range(60)),
    Column("usd_factor_trend_20", "lin_20(U)", min=20, unit="percent per bar"),
)

SISTERS_ABOUT = """\
Slots instead of pair names, so that the matrices of all 28 pairs have the same columns. Which pair fills
a slot: table in 0.6."""

TRIANGLE_ABOUT = """\
For the pair A/B and the third currency C of 0.6: T_t = 1e4*(l(A/B) - l(A/C) - l(C/B)) in bps and Q_t =
b_{A/B} - q(A/C) - q(C/B), where l(X) = ln(S_X/100) and q(X) = b_X, both with a minus sign for a leg that
is listed the other way round. Where the pair itself was derived from its two legs, T is constant up to
rounding (1e-11 bps) on its real bars, so T is compared with an absolute 1e-9 bps; on its filled bars one
leg may be real, and T moves."""

DOLLAR_ABOUT = """\
U_t = (100/7)*sum of o_k*ln(S_k/100) over the 7 USD majors, o = -1 for xxxUSD, +1 for USDxxx: up = dollar
up. NULL unless all seven have a row. Global: computed once on the dollar grid (0.6), equal for every
pair."""

XPAIR = computed(
    "xpair",
    "Cross-pair",
    section(
        "8.1",
        "Sister pairs",
        SISTERS,
        Common("xpair", SHARED, ("rs",), "rs = r of the 5 sisters"),
        SISTERS_ABOUT,
    ),
    section(
        "8.2",
        "Triangular parity",
        TRIANGLE,
        Common("xpair", SHARED, LEGS_S, "S and b of the pair and of its two legs"),
        TRIANGLE_ABOUT,
    ),
    section(
        "8.3",
        "Dollar factor",
        DOLLAR,
        Common("xpair", SHARED, ("S_usd",), "S of the 7 USD majors", grid="dollar"),
        DOLLAR_ABOUT,
    ),
)
