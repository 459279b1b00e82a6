"""Technical indicators on index bars and on the pseudo bars of BQX: technical_idx, technical_bqx."""

from __future__ import annotations

from include.features.arrays import Columns, Floats, in_units_of, lagged, ratio
from include.features.kernels import recursive, rolling
from include.features.kernels.extremes import extremes
from include.features.series import Series, View

__all__ = ["compute"]

SCALE = 120  # rows of the sd that scales what is divided by the price in the idx domain


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 4."""
    view = series.view(domain)
    line, signal = recursive.macd(view.close, 12, 26, 9)
    wilder = recursive.directional(view.high, view.low, view.close, 14, view.eps)
    change = view.close - lagged(view.close, 12)
    return {
        "rsi_14": recursive.rsi(view.close, 14, view.eps),
        "rsi_21": recursive.rsi(view.close, 21, view.eps),
        "macd_line": line,
        "macd_signal": signal,
        "macd_histogram": line - signal,
        **_stochastic(view),
        "cci_20": _cci(view),
        "adx_14": wilder.adx,
        "plus_di_14": wilder.plus_di,
        "minus_di_14": wilder.minus_di,
        "atr_14": wilder.atr,
        **(_relative_to_price if domain == "idx" else _relative_to_sd)(view, change, wilder.atr),
    }


def _stochastic(view: View) -> Columns:
    low, _, extent = extremes(view.low, view.high, (14,))[14]
    k = 100.0 * ratio(view.close - low, extent, flat=extent <= view.eps, neutral=0.5)
    return {
        "stoch_k_14": k,
        "stoch_d_3": (k + lagged(k, 1) + lagged(k, 2)) / 3.0,
        "williams_r_14": k - 100.0,
    }


def _cci(view: View) -> Floats:
    typical = (view.high + view.low + view.close) / 3.0
    away, deviation = rolling.mean_deviation(typical, 20)
    return ratio(away, 0.015 * deviation, flat=deviation <= view.eps)


def _relative_to_price(view: View, change: Floats, atr: Floats) -> Columns:
    return {"roc_12": 100.0 * change / lagged(view.close, 12), "atr_pct_14": 100.0 * atr / view.close}


def _relative_to_sd(view: View, change: Floats, atr: Floats) -> Columns:
    """In units of sd_120: b crosses zero about eight times an hour, a percentage of it means nothing."""
    sd = rolling.sd(view.close, SCALE, view.flat(SCALE))
    roc, atr_pct = (in_units_of(sd, amount, view.eps, flat=sd == 0) for amount in (change, 100.0 * atr))
    return {"roc_12": roc, "atr_pct_14": atr_pct}
