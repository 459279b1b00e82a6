"""What the figures show: numbers read back from what was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from include import charts
from include.dataset import figures, overview
from include.dataset.profile import PairProfile
from include.dataset.select import QUOTAS
from include.dataset.split import GAP, SETS
from include.dataset.targets import HORIZONS
from include.errors import BadParameter
from include.features.arrays import Floats
from include.features.catalogue import CATALOGUE
from tests.include.dataset.profiles import NAMES, case

FAMILIES = [family.name for family in CATALOGUE]
WHOLE = case(pairs=3, months=6)  # with folds


def panel(figure: Figure, label: str) -> Axes:
    (found,) = (axes for axes in figure.axes if axes.get_label() == label)
    return found


def profile(**changes: Any) -> PairProfile:
    """One month of 1000 rows in which everything is known and nothing shifts, but for the changes."""
    size = len(NAMES)
    plain = PairProfile(
        pair="eurusd", columns=NAMES, months=("2018-01",), grid_rows=np.array([1000]),
        filled_rows=np.array([10]), rows=dict.fromkeys(SETS, 1), known=np.ones((1, size)),
        low=np.zeros(size), high=np.ones(size), mean=np.zeros((3, size)), sd=np.ones((3, size)),
        shift=np.full((2, size), 0.01), targets={name: np.zeros((0, 5)) for name in SETS},
        fold_importance=np.zeros((0, size)),
    )  # fmt: skip
    return replace(plain, **changes)


def without(family: str, share: float = 0.0) -> dict[str, Floats]:
    """Arrays in which a family is known in that share of the rows; 0 = it has no input."""
    own = np.array([name.startswith(f"{family}__") for name in NAMES])
    return {"known": np.where(own, share, 1.0)[None], "low": np.where(own & (share == 0), np.nan, 0.0)}


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_coverage_tells_gaps_from_absent_inputs() -> None:
    profiles = [profile(), profile(pair="gbpusd", **without("spread_idx", 0.6)),
                profile(pair="usdjpy", **without("volume_idx"))]  # fmt: skip
    axes = panel(figures.coverage(profiles), "coverage")
    shown = axes.images[0].get_array()
    assert shown.shape == (3, 22)
    assert shown[1, FAMILIES.index("spread_idx")] == pytest.approx(60)
    assert shown.mask.sum() == 1
    assert shown.mask[2, FAMILIES.index("volume_idx")]
    assert shown.compressed().min() == pytest.approx(60)
    assert texts(axes) == ["60"]
    hatched, corners = axes.collections
    assert hatched.get_hatch()
    assert len(hatched.get_paths()) == 1
    assert len(corners.get_paths()) == 0
    assert [label.get_text() for label in axes.get_yticklabels()] == ["EURUSD", "GBPUSD", "USDJPY"]


def test_a_family_without_some_inputs_has_a_corner_and_counts_the_others() -> None:
    known, low = np.ones((1, len(NAMES))), np.zeros(len(NAMES))
    column = NAMES.index("xpair__sister1_return_lag_1")
    known[0, column], low[column] = 0.0, np.nan
    axes = panel(figures.coverage([profile(known=known, low=low)]), "coverage")
    assert axes.images[0].get_array()[0, FAMILIES.index("xpair")] == 100
    assert len(axes.collections[1].get_paths()) == 1
    told = overview.coverage([profile(known=known, low=low)])
    assert told.absent.sum() == told.absent[0, FAMILIES.index("xpair")] == 1


def test_missing_adds_up_by_reason_and_months_need_not_agree() -> None:
    spread = without("spread_idx", 0.5)
    known = np.concatenate([np.ones((1, 730)), spread["known"]])
    first = profile(months=("2018-01", "2018-02"), grid_rows=np.array([1000, 1000]),
                    filled_rows=np.array([0, 500]), known=known)  # fmt: skip
    second = profile(pair="gbpusd", months=("2018-02",), grid_rows=np.array([3000]),
                     filled_rows=np.array([300]), **without("volume_idx"))  # fmt: skip
    figure = figures.missing([first, second])
    bars = [bar.get_height() for bar in panel(figure, "nulls").patches]
    assert bars == pytest.approx([0, 100 * 0.75 * 15 / 730, 0, 100 * 0.25 * 6 / 730])
    filled = panel(figure, "filled")
    assert filled.lines[0].get_ydata() == pytest.approx([0, 30])
    assert [bar.get_height() for bar in filled.patches] == pytest.approx([0, 40])
    assert [label.get_text() for label in filled.get_xticklabels()] == ["2018-01", "2018-02"]


def test_worst_columns_leave_out_pairs_without_the_input() -> None:
    known, low = np.ones((1, 730)), np.zeros(730)
    known[0, :3] = 0.4, 0.9, 0.0
    low[2] = np.nan
    (one, two) = overview.worst_columns([profile(pair="usdjpy"), profile(known=known, low=low)], 5)
    assert one == (NAMES[0], pytest.approx(0.3), pytest.approx(0.6), "eurusd", 0)
    assert two.name == NAMES[1]


def shifted(column: int, val: float, test: float, **more: Any) -> PairProfile:
    shift = np.full((2, len(NAMES)), 0.01)
    shift[:, column] = val, test
    shift[:, 7] = np.nan
    return profile(shift=shift, **more)


def test_shift_shows_the_worst_selected_columns_and_both_thresholds() -> None:
    profiles = [
        shifted(3, 0.2, 0.4),
        shifted(3, 0.3, 0.4, pair="gbpusd"),
        shifted(3, 0.9, 0.1, pair="usdjpy"),
    ]
    chosen = [NAMES[number] for number in (1, 3, 7)]
    figure = figures.shift(profiles, chosen)
    axes = panel(figure, "columns")
    assert [label.get_text() for label in axes.get_yticklabels()] == [NAMES[3], NAMES[1]]  # 7 has no index
    dots = {line.get_label(): line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"}
    assert dots == {"validation": pytest.approx(0.3), "test": pytest.approx(0.4)}
    first = next(one for one in axes.collections if isinstance(one, LineCollection))
    assert first.get_segments()[0][:, 0] == pytest.approx([0.3, 0.9])
    for each in (axes, panel(figure, "histogram")):
        lines = sorted(line.get_xdata()[0] for line in each.lines if line.get_marker() == "None")
        assert lines == [0.1, 0.25]
        assert texts(each) == ["0.1", "0.25"]
    val, test = panel(figure, "histogram").patches
    assert val.get_data().values.sum() == test.get_data().values.sum() == 729  # 7 is in no bin


def test_extreme_shifts_are_counted_in_the_outermost_bins() -> None:
    figure = figures.shift([shifted(3, 1e-9, 50.0)], NAMES)
    val, test = panel(figure, "histogram").patches
    assert val.get_data().values[0] == 1
    assert test.get_data().values[-1] == 1


def test_correlation_keeps_every_value_and_puts_likes_together() -> None:
    columns = ["reg_bqx__w15_a2_norm", "reg_idx__w15_a2_norm", "reg_idx__w15_a1_norm", "reg_idx__w30_a2_norm"]
    rho = np.array([[1, 0.1, 0.2, 0.3], [0.1, 1, 0.0, 0.9], [0.2, 0.0, 1, np.nan], [0.3, 0.9, np.nan, 1]])
    axes = panel(figures.correlation(rho, columns), "correlation")
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(order) == sorted(columns)
    assert order[3] == columns[0]  # buckets one after the other, rate first
    assert abs(order.index(columns[1]) - order.index(columns[3])) == 1
    shown = axes.images[0].get_array()
    place = [columns.index(name) for name in order]
    assert shown.filled(np.nan) == pytest.approx(rho[np.ix_(place, place)], nan_ok=True)
    assert axes.images[0].get_clim() == (0, 1)
    assert [text.split("\n")[1] for text in texts(axes)] == ["3", "1"]


def test_clustered_joins_the_most_alike_first_and_keeps_all() -> None:
    groups = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 2])
    rho = np.where(groups[:, None] == groups, 0.8, 0.1)
    np.fill_diagonal(rho, 1)
    order = overview.clustered(rho)
    assert sorted(order) == list(range(10))
    assert (np.diff(groups[order]) != 0).sum() == 2  # three blocks
    assert overview.clustered(np.ones((1, 1))) == [0]
    assert overview.clustered(np.zeros((0, 0))) == []
    assert sorted(overview.clustered(np.full((3, 3), np.nan))) == [0, 1, 2]


def test_closest_names_each_couple_once() -> None:
    rho = np.array([[1, -0.9, 0.2], [-0.9, 1, np.nan], [0.2, np.nan, 1]])
    assert overview.closest(rho, ("a", "b", "c"), 9) == [("a", "b", 0.9), ("a", "c", 0.2)]


def test_importance_shows_the_best_with_their_folds() -> None:
    axes = panel(figures.importance(WHOLE.selection, WHOLE.profiles, 0.71), "importance")
    best = sorted(WHOLE.selection.importance.items(), key=lambda item: -item[1])[:50]
    assert [label.get_text() for label in axes.get_yticklabels()] == [name for name, _ in best]
    assert [bar.get_width() for bar in axes.patches] == [value for _, value in best]
    hatched = {name for (name, _), bar in zip(best, axes.patches, strict=True) if bar.get_hatch()}
    assert hatched == {name for name, _ in best} - set(WHOLE.selection.columns)
    assert hatched
    column = NAMES.index(best[0][0])
    folds = np.array([one.fold_importance[:, column] for one in WHOLE.profiles]).mean(axis=0)
    ticks = [line.get_xdata()[0] for line in axes.lines]
    assert ticks == pytest.approx(folds.tolist())
    assert axes.collections[0].get_segments()[0][:, 0] == pytest.approx([folds.min(), folds.max()])


@pytest.mark.parametrize(("stability", "bars"), [(0.71, [1, 0.71]), (0.3, [1, 0.3]), (None, [1])])
def test_the_gauge_of_stability(stability: float | None, bars: list[float]) -> None:
    axes = panel(figures.importance(WHOLE.selection, WHOLE.profiles, stability), "stability")
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == bars
    assert axes.lines[0].get_xdata()[0] == 0.6
    colour = matplotlib.colors.to_hex(axes.patches[-1].get_facecolor()).upper()
    assert (colour == charts.ALARM) == (stability == 0.3)


def test_a_pair_without_a_fold_leaves_it_to_the_others() -> None:
    values = np.full((2, 730), 0.5)
    values[1] = np.nan
    told = overview.fold_importance(
        [profile(fold_importance=values), profile(fold_importance=np.ones((2, 730)))]
    )
    assert told[:, 0].tolist() == [0.75, 1.0]
    both = overview.fold_importance([profile(fold_importance=values)])
    assert np.isnan(both[1]).all()


def test_no_folds_no_spread() -> None:
    short = case()
    assert not short.frame.folds
    figure = figures.importance(short.selection, short.profiles, None)
    assert not panel(figure, "importance").lines
    assert "not measured: period shorter than a fold" in panel(figure, "stability").get_title("left")
    assert "only one fold" in figures.stability_in_words(None, 1)


def test_targets_stand_beside_no_skill() -> None:
    told = [round(figures.no_skill(h), 2) for h in HORIZONS]
    assert told == [3.21, 4.51, 5.51, 6.35, 7.09]
    values = {name: np.random.default_rng(5).normal(0, 2, (4000, 5)) for name in SETS}
    values["val"][:10] = np.nan
    values["test"] = np.full((3, 5), np.nan)
    figure = figures.targets([profile(targets=values), profile(pair="gbpusd", targets=values)])
    lines = {line.get_label(): line for line in panel(figure, "spread").lines}
    assert lines["train"].get_ydata() == pytest.approx(values["train"].std(axis=0))
    assert lines["no skill"].get_ydata() == pytest.approx([figures.no_skill(h) for h in HORIZONS])
    axes = panel(figure, "h30")
    train, val, test = (stairs.get_data() for stairs in axes.patches)
    assert (train.values * np.diff(train.edges)).sum() == pytest.approx(1, abs=1e-3)
    assert val.values.sum() > 0
    assert test.values.sum() == 0
    (text,) = texts(axes)
    assert f"train {values['train'][:, 1].std():.2f}" in text
    assert "no skill 4.51" in text
    assert "test" not in text
    assert "nan" not in text


def test_timeline_is_true_to_the_split() -> None:
    whole, folds = WHOLE.frame.split, WHOLE.frame.folds
    assert folds
    figure = figures.timeline(whole, folds)
    bars = panel(figure, "timeline").patches
    wanted = [
        *(getattr(whole, name) for name in SETS),
        *(part for fold in folds for part in (fold.train, fold.test)),
    ]
    assert [(bar.get_x() * 1440, bar.get_width() * 1440) for bar in bars] == [
        (pytest.approx(one.start), pytest.approx(one.end - one.start, abs=1e-3)) for one in wanted
    ]
    for number, boundary in enumerate(whole.boundaries):
        axes = panel(figure, f"gap{number}")
        gap = next(bar for bar in axes.patches if bar.get_hatch())
        assert gap.get_width() * 1440 == pytest.approx(GAP, abs=1e-3)
        assert (gap.get_x() + gap.get_width()) * 1440 == pytest.approx(boundary)
        assert f"{GAP} minutes\nno rows" in texts(axes)


def test_quotas_compare_taken_with_places() -> None:
    figure = figures.quotas(WHOLE.selection)
    axes = panel(figure, "buckets")
    assert [bar.get_width() for bar in axes.patches] == [WHOLE.selection.buckets[each] for each in QUOTAS]
    assert [one.get_segments()[0][0, 0] for one in axes.collections] == list(QUOTAS.values())
    families = panel(figure, "families")
    assert len(families.texts) == 22
    offered = sum(bar.get_width() for bar in families.patches if bar.get_facecolor()[:3] == pytest.approx(
        matplotlib.colors.to_rgb(charts.PALE)))  # fmt: skip
    assert offered == 730
    assert sum(bar.get_width() for bar in families.patches) - 730 == len(WHOLE.selection.columns)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: profile(pair="gbpusd", columns=NAMES[::-1]), "eurusd and gbpusd have different columns"),
        (lambda: profile(pair="gbpusd", fold_importance=np.zeros((2, 730))), "gbpusd 2"),
    ],
)
def test_profiles_that_do_not_fit_are_refused(other: Any, words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        overview.check([profile(), other()])
    with pytest.raises(BadParameter, match="no pair"):
        overview.check([])


def test_drawing_leaves_no_trace_in_matplotlib() -> None:
    before = dict(matplotlib.rcParams)
    pictures = {charts.png(figures.quotas(WHOLE.selection)) for _ in range(2)}
    assert dict(matplotlib.rcParams) == before
    assert len(pictures) == 1
    assert pictures.pop().startswith(b"\x89PNG")
