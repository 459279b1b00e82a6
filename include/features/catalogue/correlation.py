"""Section 14.1: correlation of returns with the dollar majors."""

from __future__ import annotations

from functools import partial
from math import log1p, sqrt

from include.features.catalogue.declare import (
    IDX,
    POSITIVE,
    SIGNED,
    UNIT,
    Column,
    Common,
    Range,
    between,
    category,
    flag,
    stored,
    whole,
)

RIDGE = 1e-6
# The 7 eigenvalues sum to 7 + 7*RIDGE: their product is largest when they are equal.
LN_DET = Range(None, 7 * log1p(RIDGE), "<= 7e-6, typ. -20..0")
# The 21 entries are in [-1, 1]: their sd (ddof=1) is largest with 10 at -1 and 11 at +1.
DISPERSION = between(0, sqrt(22 / 21))

# Computed once on the dollar grid from the returns of the majors.
of_majors = partial(Column, inputs=("M",), grid="dollar")
flag_of_majors = partial(flag, inputs=("M",), grid="dollar")
class_of_majors = partial(category, inputs=("M",), grid="dollar")

SELF_SLOT = "where the pair is the reference: correlation with the mean of the 7 majors"

COLUMNS = (
    Column(
        "corr_{ref}_20",
        "corr_20(r, r of {ref})",
        {"ref": ("eur_usd", "gbp_usd", "aud_usd", "nzd_usd", "usd_jpy", "usd_chf", "usd_cad")},
        min=21,
        range=SIGNED,
        inputs=("r", "r_ref", "M"),
        note=SELF_SLOT,
    ),
    Column(
        "corr_{ref}_60",
        "corr_60(r, r of {ref})",
        {"ref": ("eur_usd", "gbp_usd", "usd_jpy")},
        min=61,
        range=SIGNED,
        inputs=("r", "r_ref", "M"),
        note=SELF_SLOT,
    ),
    Column(
        "resid_var_systematic",
        "R2 of OLS (60 bars, with constant) of r on dollar and risk; flat_60(r) -> 0",
        min=61,
        range=UNIT,
        note="mean base and quote returns of other pairs would explain r exactly, by parity",
    ),
    Column(
        "resid_var_idiosyncratic",
        "residual variance (ddof=3) of that fit, r in bps; flat_60(r) -> 0",
        min=61,
        range=POSITIVE,
        unit="bps^2",
        note="not 1-R2",
    ),
    of_majors(
        "cov_determinant_20",
        "ln det(R + 1e-6*I)",
        min=21,
        range=LN_DET,
        neutral=LN_DET.high,
        note="of the CORRELATION matrix: the determinant of 7 return variances is about 1e-58",
    ),
    of_majors(
        "cov_trace_20",
        "trace of the covariance matrix (ddof=1) of the last 20 of M, in bps",
        min=21,
        range=POSITIVE,
        unit="bps^2",
    ),
    of_majors("cov_eigenvalue_max_20", "l1(R)/7", min=21, range=between(1 / 7, 1), neutral=1 / 7),
    of_majors(
        "cov_eigenvalue_ratio_20",
        "min(l1(R)/l2(R), 100); l2 <= l1/100 -> 100",
        min=21,
        range=between(1, 100),
        neutral=1.0,
    ),
    class_of_majors(
        "corr_regime_20",
        "0 low, 1 normal, 2 high: rank_1440(avg_pairwise_corr_20) < 1/3, < 2/3, else",
        min=1460,
        range=whole(0, 2),
        neutral=1.0,
    ),
    flag_of_majors("corr_breakout_flag", "1 if abs(z_120(avg_pairwise_corr_20)) > 2, else 0", min=140),
    of_majors(
        "avg_pairwise_corr_20",
        "mean of the 21 entries of R above the diagonal",
        min=21,
        range=between(-1 / 6, 1),
        note="lower bound -1/(7-1)",
    ),
    of_majors(
        "corr_dispersion_20",
        "sd (ddof=1) of the 21 entries of R above the diagonal",
        min=21,
        range=DISPERSION,
        note="bound sqrt(22/21)",
    ),
)

ABOUT = """\
Reference pairs are taken as listed, without a sign flip. M = r of the 7 USD majors, signed so that + is
dollar up (o of 8.3). R = 7x7 correlation matrix of the last 20 of M: diagonal 1, 0 elsewhere in the row
and column of a flat pair; l1 >= l2 are its largest eigenvalues. dollar = mean of M; risk = mean of M
over usdjpy, usdchf minus mean of M over audusd, nzdusd, usdcad; the pair itself is left out of the means
of both. Where the pair is the reference, its correlation is with the mean of M over all 7 majors, itself
included, instead of the constant 1. Series of other pairs come by the join rule of 0.6: to the rows of
the pair, or to the dollar grid in columns marked global."""

CORRELATION_IDX = stored(
    "1.6.16",
    "14.1",
    "Correlation of returns",
    COLUMNS,
    Common("correlation_idx", IDX, ("r", "M"), source="r of the pair and of the 7 USD majors"),
    ABOUT,
)
