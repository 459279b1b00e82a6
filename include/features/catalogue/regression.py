"""Section 1: quadratic regression over trailing windows, on the rate index and on BQX."""

from __future__ import annotations

from include.features.catalogue.declare import (
    BQX,
    IDX,
    POSITIVE,
    Column,
    Common,
    between,
    roughly,
    stored,
)

WINDOWS = {"w": (15, 30, 45, 60, 75, 90)}
UNIT = between(0, 1)
SIGNED = between(-1, 1)


def _walk(bound: str) -> str:
    return f"real; random walk: 99.8% within +-{bound}"


PER_WINDOW = (
    Column("w{w}_a2_norm", "a2*({w}-1)^2/s", WINDOWS, range=roughly(_walk("12"))),
    Column("w{w}_a1_norm", "a1*({w}-1)/s", WINDOWS, range=roughly(_walk("12"))),
    Column(
        "w{w}_b_norm",
        "(b0-m)/s",
        WINDOWS,
        range=roughly(_walk("2.6")),
        note="b0 is the fitted value at the oldest bar",
    ),
    Column("w{w}_r2", "clip(1-SSE/SST, 0, 1); flat -> 0", WINDOWS, range=UNIT),
    Column(
        "w{w}_rmse_norm",
        "sqrt(SSE/{w})/d60; the 60 differences flat -> 0",
        WINDOWS,
        min=lambda w: max(w, 61),
        range=POSITIVE,
        note="scaled by s it would be a function of r2",
    ),
    Column("w{w}_resid_norm", "e_last/s", WINDOWS, range=roughly(_walk("3"))),
    Column(
        "w{w}_lin_slope", "lin_{w}({y})", WINDOWS, unit="{u} per bar", note="of the straight line, not a1"
    ),
    Column(
        "w{w}_quad_apex",
        "clip((xs-({w}-1))/({w}-1), -5, 5), xs = -a1/(2*a2); abs(a2)*({w}-1)^2 <= 1e-9*s or flat -> 0",
        WINDOWS,
        range=between(-5, 5),
        note="0 = turning point now, < 0 past, > 0 extrapolated ahead",
    ),
    Column("w{w}_accel", "2*a2", WINDOWS, unit="{u} per bar^2"),
    Column(
        "w{w}_resid_mean",
        "(mean of the last floor({w}/3) residuals)/s",
        WINDOWS,
        range=roughly(_walk("0.45")),
        note="the mean of all residuals would be 0",
    ),
    Column("w{w}_resid_std", "sqrt(SSE/({w}-3))", WINDOWS, range=POSITIVE, unit="{u}"),
    Column("w{w}_resid_z", "e_last/resid_std; resid_std <= {eps} -> 0", WINDOWS, range=roughly(_walk("3.6"))),
)

ACROSS_WINDOWS = (
    Column(
        "a2_ratio_{short_long}",
        "sr(w{short}_a2_norm, w{long}_a2_norm)",
        {"short_long": ((15, 60), (30, 90), (15, 45))},
        range=SIGNED,
    ),
    Column(
        "a1_ratio_{short_long}",
        "sr(w{short}_a1_norm, w{long}_a1_norm)",
        {"short_long": ((30, 75), (15, 60), (15, 45))},
        range=SIGNED,
    ),
    Column(
        "b_gap_{short_long}",
        "w{short}_b_norm - w{long}_b_norm",
        {"short_long": ((15, 45), (30, 75), (15, 60))},
    ),
    Column(
        "r2_spread_{short_long}",
        "w{short}_r2 - w{long}_r2",
        {"short_long": ((30, 90), (15, 60), (45, 75))},
        range=SIGNED,
    ),
    Column(
        "rmse_ratio_{short_long}",
        "clip(ln(rmse_{short}/rmse_{long}), -5, 5); one rmse <= {eps} -> 0",
        {"short_long": ((15, 60), (30, 90), (45, 75))},
        range=between(-5, 5),
        note="rmse = sqrt(SSE/w), not scaled",
    ),
    Column("a2_sign_agree", "mean over the 6 windows of sgn(a2)", min=90, range=SIGNED),
    Column("a1_sign_agree", "mean over the 6 windows of sgn(lin_slope)", min=90, range=SIGNED),
    Column("resid_z_spread_15_90", "w15_resid_z - w90_resid_z", min=90),
)

ABOUT = """\
Fit {y}_x = a2*x^2 + a1*x + b0 by ordinary least squares on the last w values of {y}, x = 0..w-1, where x
= w-1 is the current bar. Subtract the value at x=0 before fitting and add it back to b0: levels that
move in the fifth digit cancel badly. Per window, m and s are mean and sd (ddof=1) of the w values, SSE
and SST the residual and total sums of squares, e_last the residual of the current bar. d60 is the sd
(ddof=1) of the last 60 one-bar differences of {y}, whatever w. sr(u, v) = (u-v)/(abs(u)+abs(v)+1e-12)
stands for a ratio whose denominator can be 0. In a flat window every column of that window is 0."""

COLUMNS = PER_WINDOW + ACROSS_WINDOWS
LEVEL = ("{y}",)

REG_IDX = stored("2.1", "1.1", "Regression on the rate index", COLUMNS, Common("reg_idx", IDX, LEVEL), ABOUT)
REG_BQX = stored("2.1", "1.2", "Regression on BQX", COLUMNS, Common("reg_bqx", BQX, LEVEL), ABOUT)
