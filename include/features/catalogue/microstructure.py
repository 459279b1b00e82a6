"""Section 11: spread, volume, and volume against BQX."""

from __future__ import annotations

from include.features.catalogue.declare import (
    BQX,
    IDX,
    POSITIVE,
    SIGNED,
    UNIT,
    Column,
    Common,
    Range,
    category,
    flag,
    rank_range,
    roughly,
    stored,
    whole,
    z_range,
)

POINTS = "index points"

SPREAD = (
    Column("spread_level", "p", min=1, range=POSITIVE, unit=POINTS, neutral=None),
    Column(
        "spread_pct",
        "100*spread_close/mid, mid = (bid_close+ask_close)/2",
        min=1,
        range=Range(0.0, None, ">= 0, typ. 0.005..0.1"),
        unit="percent",
        neutral=None,
        inputs=("p", "S"),
        note="where a source gives only close and spread, close is the bid: mid = close + spread/2",
    ),
    Column("spread_z_20", "z_20(p)", min=20, range=z_range(20)),
    Column("spread_change_5", "p_t - p_{t-5}", min=6, unit=POINTS),
    Column("spread_vol_30", "sd_30(p)", min=30, range=POSITIVE, unit=POINTS),
    Column("spread_mean_20", "mean_20(p)", min=20, range=POSITIVE, unit=POINTS, neutral=None),
    Column("spread_max_20", "max_20(p)", min=20, range=POSITIVE, unit=POINTS, neutral=None),
    flag("spread_spike_flag", "1 if spread_z_20 > 2, else 0", min=20),
    flag("spread_compression_flag", "1 if sd_20(p) < 0.5*sd_120(p), else 0", min=120),
    Column("spread_trend_20", "lin_20(p)", min=20, unit="index points per bar"),
    category(
        "spread_regime",
        "0 tight, 1 normal, 2 wide: rank_1440(p) < 1/3, < 2/3, else",
        min=1440,
        range=whole(0, 2),
        neutral=1.0,
    ),
    Column("spread_percentile_60", "rank_60(p)", min=60, range=rank_range(60), neutral=0.5),
)

VOLUME = (
    Column("volume_level", "V", min=1, range=POSITIVE, unit="ticks", neutral=None),
    Column("volume_sma_20", "mean_20(V)", min=20, range=POSITIVE, unit="ticks", neutral=None),
    Column("volume_std_20", "sd_20(V)", min=20, range=POSITIVE, unit="ticks"),
    Column("volume_z_20", "z_20(V)", min=20, range=z_range(20)),
    flag("volume_spike_flag", "1 if volume_z_20 > 2, else 0", min=20),
    Column("volume_change_5", "ln((V_t+1)/(V_{t-5}+1))", min=6, note="V may be 0"),
    Column("volume_trend_20", "lin_20(V)/(mean_20(V)+1)", min=20, unit="per bar"),
    category(
        "volume_regime",
        "0 if volume_z_20 <= -1, 2 if volume_z_20 >= 1, else 1",
        min=20,
        range=whole(0, 2),
        neutral=1.0,
    ),
    Column("vol_price_corr_20", "corr_20(V, S)", min=20, range=SIGNED, inputs=("V", "S")),
    Column("vol_return_corr_20", "corr_20(V, abs(r))", min=21, range=SIGNED, inputs=("V", "r")),
    Column(
        "vol_weighted_price_20",
        "sum_20(V*TP)/sum_20(V), TP = (H+L+S)/3; sum_20(V) = 0 -> mean_20(TP)",
        min=20,
        range=roughly("typ. 80..120"),
        unit=POINTS,
        neutral=None,
        inputs=("V", "H", "L", "S"),
    ),
    Column(
        "uptick_ratio_20",
        "(sum of V over the last 20 bars with r > 0)/sum_20(V); sum_20(V) = 0 -> 0",
        min=21,
        range=UNIT,
        inputs=("V", "r"),
        note="bar proxy: ticks are not recorded",
    ),
    Column(
        "downtick_ratio_20",
        "(sum of V over the last 20 bars with r < 0)/sum_20(V); sum_20(V) = 0 -> 0",
        min=21,
        range=UNIT,
        inputs=("V", "r"),
        note="bar proxy: ticks are not recorded",
    ),
    Column(
        "net_flow_20",
        "1e4*sum_20(r*V)/sum_20(V); sum_20(V) = 0 -> 0",
        min=21,
        unit="bps",
        inputs=("V", "r"),
        note="not uptick minus downtick ratio, which would be a linear combination",
    ),
    Column(
        "trade_count_20",
        "number of the last 20 bars with V > 0 and not filled",
        min=20,
        range=whole(0, 20),
        unit="bars",
        neutral=None,
        inputs=("V", "is_filled"),
        note="not sum_20(V), which is 20*volume_sma_20",
    ),
)

VOLUME_AGAINST_BQX = (
    Column("vol_bqx_corr_{n}", "corr_{n}(V, abs(b))", {"n": (20, 60)}, range=SIGNED),
    Column(
        "vol_during_bqx_surge",
        "(mean of V over those of the last 60 bars with z_60(b) > 1)/(mean_60(V)+1); none -> 0",
        min=119,
        range=POSITIVE,
    ),
    Column(
        "vol_during_bqx_drop",
        "(mean of V over those of the last 60 bars with z_60(b) < -1)/(mean_60(V)+1); none -> 0",
        min=119,
        range=POSITIVE,
    ),
    Column("bqx_per_volume_20", "(b_t - b_{t-20})/(mean_20(V)+1)", min=21, unit="bqx per tick"),
    flag("volume_confirms_bqx_flag", "1 if abs(z_20(b)) > 1 and z_20(V) > 0, else 0", min=20),
    flag("volume_diverges_bqx_flag", "1 if abs(z_20(b)) > 1 and z_20(V) < 0, else 0", min=20),
    flag("high_vol_high_bqx_flag", "1 if abs(z_20(b)) > 1 and z_20(V) > 1, else 0", min=20),
)

SPREAD_ABOUT = """\
A negative recorded spread (crossed quote) counts as 0 and is counted in the load report; only an absent
spread makes p NULL."""

VOLUME_ABOUT = "V = 0 on filled bars. A source without volume leaves every column of this section NULL."

SPREAD_IDX = stored("2.1", "11.1", "Spread", SPREAD, Common("spread_idx", IDX, ("p",)), SPREAD_ABOUT)
VOLUME_IDX = stored(
    "2.1", "11.2", "Volume", VOLUME, Common("volume_idx", IDX, ("V",), source="V, S, H, L, r"), VOLUME_ABOUT
)
VOLUME_BQX = stored(
    "1.6.15",
    "11.3",
    "Volume against BQX",
    VOLUME_AGAINST_BQX,
    Common("volume_bqx", BQX, ("V", "b")),
    VOLUME_ABOUT,
)
