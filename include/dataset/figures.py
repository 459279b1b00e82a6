"""The figures of a data set's report, each drawn from what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from include import charts
from include.charts import ALARM, INK, OF_BUCKET, OF_SET, PALE, SKY, SOFT, WORDS
from include.dataset import overview
from include.dataset.evidence import FEATURES
from include.dataset.overview import LARGE, LIMITED
from include.dataset.profile import PairProfile
from include.dataset.select import QUOTAS, STABLE, TOP, Selection, bucket
from include.dataset.split import SETS, Fold, Interval, Split
from include.dataset.targets import HORIZONS
from include.features.arrays import Floats
from include.features.catalogue import CATALOGUE
from include.names import to_datetime

__all__ = [
    "STABLE", "TOP", "correlation", "coverage", "importance", "missing", "no_skill", "quotas",
    "shift", "targets", "timeline",
]  # fmt: skip

SHIFTED = 25  # columns of the shift figure
LEAST = 0.01  # shift at which its figure begins
REACH = 180  # minutes shown on either side of a gap

KNOWN = (0.0, 50.0, 80.0, 95.0, 99.0, 99.9, 100.001)  # percent, limits of the classes of coverage
KNOWN_COLOURS = ("#7a2f04", "#c8641c", "#f0b070", "#86b4dc", "#c9def1", "#eaf2fa")
KNOWN_WORDS = ("under 50%", "50 to 80%", "80 to 95%", "95 to 99%", "99 to 99.9%", "99.9% or more known")


def no_skill(horizon: int) -> float:
    """Standard deviation of the matched scaled target if prices are a martingale of constant volatility.

    With w = h it is sqrt((2h + 1) / 3): 3.21, 4.51, 5.51, 6.35 and 7.09 for 15 to 75 minutes.
    """
    return float(np.sqrt((2 * horizon + 1) / 3))


def coverage(profiles: Sequence[PairProfile]) -> Figure:
    """Heat map of known cells, pairs by families; columns without input are hatched, not counted."""
    told = overview.coverage(profiles)
    figure = charts.blank(2.6 + 0.25 * len(profiles))
    axes = charts.panel(
        figure, (1, 1, 1), "coverage", "Known cells of the columns that have their input, % of grid rows"
    )
    colours = ListedColormap(KNOWN_COLOURS, bad=PALE)
    norm = BoundaryNorm(KNOWN, len(KNOWN_COLOURS))
    axes.imshow(100 * np.ma.masked_invalid(told.share), cmap=colours, norm=norm, aspect="auto")
    wholly = np.argwhere(np.isnan(told.share)).tolist()
    partly = np.argwhere((told.absent > 0) & ~np.isnan(told.share)).tolist()
    boxes = [Rectangle((place - 0.5, row - 0.5), 1, 1) for row, place in wholly]
    axes.add_collection(PatchCollection(boxes, label="no input", **charts.HATCHED))
    corners = [charts.corner(row, place) for row, place in partly]
    axes.add_collection(PolyCollection(corners, facecolor=INK, label="some without input"))
    for (row, place), share in np.ndenumerate(told.share):
        if share < 0.99:
            colour = "white" if share < 0.8 else INK
            axes.text(place, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(told.families)), told.families, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(profiles)), [profile.pair.upper() for profile in profiles])
    charts.lattice(axes, told.share.shape)
    keys = [Patch(color=colour, label=word) for colour, word in zip(KNOWN_COLOURS, KNOWN_WORDS, strict=True)]
    keys.append(Patch(label="no input: whole family never known", **charts.HATCHED))
    keys.append(Patch(color=INK, label="corner: some columns never known"))
    charts.legend(figure, keys[::-1], 4)
    return figure


def missing(profiles: Sequence[PairProfile]) -> Figure:
    """NULL by month, told apart by reason, and filled rows of the grid by month."""
    told = overview.missing(profiles)
    places = np.arange(len(told.months))
    figure = charts.blank(3.6)
    left = charts.panel(figure, (1, 2, 1), "nulls", "Cells that are NULL, all pairs and columns, %")
    left.bar(places, 100 * told.absent, 0.7, label="never known for the pair: input absent", **charts.HATCHED)
    left.bar(
        places, 100 * told.gaps, 0.7, 100 * told.absent, color=ALARM, label="others: warm-up, breaks, gaps"
    )
    right = charts.panel(figure, (1, 2, 2), "filled", "Rows of the grid without a real bar (filled), %")
    low, high = overview.spread(told.filled)
    middle = overview.middle(told.filled)
    right.bar(places, 100 * (high - low), 0.7, 100 * low, color="#bdd6ee", label="range over pairs")
    right.plot(places, 100 * middle, "o", color=OF_SET["train"], label="median pair")
    for axes in (left, right):
        step = -(-len(places) // 9)
        axes.set_xticks(places[::step], told.months[::step])
        axes.set_xlim(-0.7, max(len(places), 6) - 0.3)
        charts.percent(axes)
        charts.tidy(axes, "y")
        charts.key(axes, "upper right")
    return figure


def shift(profiles: Sequence[PairProfile], selected: Iterable[str]) -> Figure:
    """Population stability index of validation and test against train."""
    told = overview.shift(profiles)
    names = profiles[0].columns
    chosen = np.isin(names, list(selected))
    figure = charts.blank(6.4)
    grid = figure.add_gridspec(1, 2, width_ratios=(1.15, 1))
    left = charts.panel(figure, grid[0], "columns", "Selected columns that shift most")
    order = np.argsort(-np.where(chosen, np.nan_to_num(told.larger, nan=-1.0), -2.0), kind="stable")
    shown = [column for column in order[:SHIFTED].tolist() if chosen[column] and told.larger[column] >= 0]
    middle, highest = np.maximum(told.middle[:, shown], LEAST), np.maximum(told.highest[:, shown], LEAST)
    rows = np.arange(len(shown))
    for number, name in enumerate(SETS[1:]):
        level = rows + (number - 0.5) * 0.3
        left.hlines(level, middle[number], highest[number], color=OF_SET[name], alpha=0.35)
        left.plot(middle[number], level, "o", ms=5, color=OF_SET[name], label=WORDS[name])
    left.set_yticks(rows, [names[column] for column in shown], fontsize=8)
    left.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    charts.unit(left, "index; dot: median pair, line: to the highest; left end: and below")
    left.set_xscale("log")
    left.set_xlim(0.9 * LEAST, 1.2 * np.fmax.reduce(highest, axis=None, initial=1.0))
    right = charts.panel(figure, grid[1], "histogram", f"All {len(names)} columns, counted by index")
    bins = np.geomspace(0.001, 10, 33)
    for number, name in enumerate(SETS[1:]):
        values = np.clip(told.middle[number][np.isfinite(told.middle[number])], bins[0], bins[-1])
        counts = np.histogram(values, bins)[0]
        right.stairs(counts, bins, color=OF_SET[name], lw=1.8, label=WORDS[name])
    right.set_xscale("log")
    right.set_xlim(bins[0], bins[-1])
    charts.unit(right, "index of the median pair; ends: and beyond")
    for axes in (left, right):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _thresholds(axes)
        charts.tidy(axes, "x" if axes is left else "y")
    charts.legend(figure, left.get_legend_handles_labels()[0], 2)
    return figure


def correlation(rho: Floats, columns: Sequence[str]) -> Figure:
    """Matrix of absolute correlations, by bucket, with columns that resemble each other side by side.

    Args:
        rho: (columns, columns), absolute, averaged over pairs; NaN where it is not defined.
        columns: their full names, in the order of `rho`.
    """
    buckets = np.array([bucket(FEATURES[name]) for name in columns])
    blocks = {each: np.flatnonzero(buckets == each) for each in QUOTAS}
    order = [
        int(own[place]) for own in blocks.values() for place in overview.clustered(rho[np.ix_(own, own)])
    ]
    figure = charts.blank(10.2)
    axes = charts.panel(
        figure,
        (1, 1, 1),
        "correlation",
        f"Absolute correlation of the {len(columns)} columns, mean over pairs",
    )
    shades = charts.LIKENESS.with_extremes(bad="#d9d9d9")
    values = np.ma.masked_invalid(np.abs(rho[np.ix_(order, order)]))
    image = axes.imshow(values, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    size = min(8.0, 9.0 * 72 / max(len(columns), 1) * 0.85)
    axes.set_yticks(range(len(order)), [columns[place] for place in order], fontsize=size)
    axes.set_xticks([])
    axes.tick_params(length=0)
    done = 0
    for each, own in blocks.items():
        if own.size:
            middle = done + own.size / 2 - 0.5
            axes.text(middle, len(order) - 0.2, f"{WORDS[each]}\n{own.size}", ha="center", va="top",
                      color=INK, fontsize=8)  # fmt: skip
            look: dict[str, Any] = {"fill": False, "lw": 2, "edgecolor": OF_BUCKET[each], "clip_on": False}
            axes.add_patch(Rectangle((done - 0.5, done - 0.5), own.size, own.size, **look))
        done += own.size
    bar = figure.colorbar(image, ax=axes, shrink=0.4, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    return figure


def importance(selection: Selection, profiles: Sequence[PairProfile], stability: float | None) -> Figure:
    """The most important columns, how far rolling folds agree on each, and on the list."""
    best = sorted(selection.importance, key=lambda name: (-selection.importance[name], name))[:TOP]
    place = {name: number for number, name in enumerate(profiles[0].columns)}
    folds = overview.fold_importance(profiles)[:, [place[name] for name in best]]
    figure = charts.blank(2.4 + 0.19 * len(best))
    grid = figure.add_gridspec(2, 1, height_ratios=(1, max(len(best), 8) / 2))
    _stability(charts.panel(figure, grid[0], "stability", ""), stability, len(folds))
    axes = charts.panel(
        figure, grid[1], "importance", f"The {len(best)} most important columns, mean over pairs"
    )
    rows = np.arange(len(best))
    selected = set(selection.columns)
    for row, name in enumerate(best):
        colour = OF_BUCKET[bucket(FEATURES[name])]
        taken = name in selected
        axes.barh(row, selection.importance[name], 0.72, facecolor=colour if taken else "white",
                  edgecolor=colour, hatch=None if taken else "/////", linewidth=0.8)  # fmt: skip
    low, high = overview.spread(folds)
    axes.hlines(rows, low, high, color=INK, lw=1.2)
    for values in folds:
        axes.plot(values, rows, "|", color=INK, ms=5)
    axes.set_yticks(rows, best, fontsize=7.5)
    axes.set_ylim(len(best) - 0.4, -0.6)
    axes.set_xlim(left=0)
    charts.unit(axes, "share of the variance that a forest explains" + _in_folds(len(folds)))
    keys = [Patch(color=OF_BUCKET[each], label=WORDS[each]) for each in QUOTAS]
    keys.append(Patch(facecolor="white", edgecolor=SOFT, hatch="/////", label="not selected"))
    charts.key(axes, "lower right", keys)
    charts.tidy(axes, "x")
    return figure


def targets(profiles: Sequence[PairProfile]) -> Figure:
    """Distributions of the scaled targets by set and horizon, and what no skill would give."""
    pooled = {name: overview.pooled_targets(profiles, name) for name in SETS}
    figure = charts.blank(6.6)
    for number, h in enumerate(HORIZONS):
        sd = no_skill(h)
        axes = charts.panel(figure, (2, 3, number + 1), f"h{h}", f"{h} minutes ahead")
        edges = np.linspace(-4 * sd, 4 * sd, 49)
        for name in SETS:
            values = pooled[name][number]
            density = np.histogram(values, edges)[0] / max(values.size, 1) / np.diff(edges)
            axes.stairs(density, edges, color=OF_SET[name], lw=1.5)
        curve = np.exp(-0.5 * (edges / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        axes.plot(edges, curve, "--", color=SOFT, lw=1.3)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(NullLocator())
        found = {name: values[number] for name, values in pooled.items() if values[number].size}
        sizes = ["sd", *(f"{WORDS[name]} {values.std():.2f}" for name, values in found.items())]
        text = "\n".join([*sizes, f"no skill {sd:.2f}"])
        axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=INK)
        charts.unit(axes, "target, units of s")
        charts.tidy(axes, "x")
        axes.spines["left"].set_visible(False)
    axes = charts.panel(figure, (2, 3, 6), "spread", "Standard deviation, units of s")
    for name in SETS:
        spread = [values.std() if values.size else np.nan for values in pooled[name]]
        axes.plot(HORIZONS, spread, "o-", color=OF_SET[name], label=WORDS[name])
    axes.plot(HORIZONS, [no_skill(h) for h in HORIZONS], "--", color=SOFT, label="no skill")
    axes.set_xticks(HORIZONS)
    charts.unit(axes, "horizon, minutes")
    axes.set_ylim(bottom=0)
    charts.tidy(axes, "y")
    charts.legend(figure, axes.get_legend_handles_labels()[0], 4)
    return figure


def timeline(whole: Split, folds: Sequence[Fold]) -> Figure:
    """Sets and folds on the time axis, and both gaps close up.

    Args:
        whole: where the sets lie.
        folds: of the training interval, those the run used.
    """
    figure = charts.blank(3.9 + 0.2 * len(folds))
    grid = figure.add_gridspec(2, 2, height_ratios=(2 + 0.45 * len(folds), 1))
    axes = charts.panel(figure, grid[0, :], "timeline", "Where the rows of each set and fold lie, UTC")
    for name in SETS:
        charts.span(axes, getattr(whole, name), 0, OF_SET[name], 0.8, WORDS[name])
    axes.plot(
        [charts.days(minute) for minute in whole.boundaries], [-0.5, -0.5], "v", color=INK, label="gaps"
    )
    for row, fold in enumerate(folds, 1):
        charts.span(axes, fold.train, row, OF_SET["train"], 0.45)
        charts.span(axes, fold.test, row, SKY, 0.45)
    axes.set_yticks(range(len(folds) + 1), ["sets", *(f"fold {fold.number}" for fold in folds)])
    axes.set_ylim(len(folds) + 0.6, -0.75)
    axes.set_xlim(charts.days(whole.train.start), charts.days(whole.test.end))
    charts.dated(axes)
    if folds:
        keys = [Patch(color=OF_SET["train"], label="a fold learns"), Patch(color=SKY, label="its test")]
        charts.key(axes, "lower right", keys)
    for column, (before, after) in enumerate(((SETS[0], SETS[1]), (SETS[1], SETS[2]))):
        title = f"Gap before the {WORDS[after]} set, close up, UTC"
        _gap(charts.panel(figure, grid[1, column], f"gap{column}", title), whole, before, after)
    return figure


def _gap(axes: Axes, whole: Split, before: str, after: str) -> None:
    """The minutes around a boundary, with the exact end of one set and start of the next."""
    end, start = getattr(whole, before).end, getattr(whole, after).start
    charts.span(axes, Interval(end - REACH, end), 0, OF_SET[before], 0.8, WORDS[before])
    charts.span(axes, Interval(start, start + REACH), 0, OF_SET[after], 0.8, WORDS[after])
    gap: dict[str, Any] = {"color": "white", "edgecolor": SOFT, "hatch": "////"}
    axes.barh(0, charts.days(start - end), 0.8, charts.days(end), label="gap", **gap)
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none"}
    text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "color": INK, "bbox": box}
    axes.text(charts.days((end + start) / 2), 0, f"{start - end} minutes\nno rows", **text)
    axes.set_xlim(charts.days(end - REACH), charts.days(start + REACH))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    moments = [f"{to_datetime(minute):%Y-%m-%d %H:%M}" for minute in (end, start)]
    axes.set_xticks([charts.days(end), charts.days(start)], moments)


def quotas(selection: Selection) -> Figure:
    """Places by bucket and who took them; selected columns of each family."""
    figure = charts.blank(5.4)
    left = charts.panel(figure, (1, 2, 1), "buckets", "Selected columns by bucket; the line is the quota")
    names = list(QUOTAS)
    for row, each in enumerate(names):
        left.barh(row, selection.buckets.get(each, 0), 0.6, color=OF_BUCKET[each])
        left.vlines(QUOTAS[each], row - 0.42, row + 0.42, color=INK, lw=2.5)
        text = f"{selection.buckets.get(each, 0)} of {QUOTAS[each]}"
        left.annotate(text, (max(selection.buckets.get(each, 0), QUOTAS[each]), row), (6, 0), va="center",
                      textcoords="offset points", color=INK)  # fmt: skip
    left.set_yticks(range(len(names)), [WORDS[each] for each in names])
    left.set_ylim(len(names) - 0.4, -0.6)
    left.set_xlim(0, 1.2 * max(*QUOTAS.values(), *selection.buckets.values()))
    right = charts.panel(figure, (1, 2, 2), "families", "Selected of all columns, by family")
    chosen = set(selection.columns)
    for row, family in enumerate(CATALOGUE):
        taken = [bucket(column) for column in family.columns if column.full_name in chosen]
        right.barh(row, len(family.columns), 0.7, color=PALE)
        for each in sorted(set(taken)):
            right.barh(row, taken.count(each), 0.7, sum(one < each for one in taken), color=OF_BUCKET[each])
        text = f"{len(taken)} of {len(family.columns)}"
        right.annotate(text, (len(family.columns), row), (5, 0), textcoords="offset points", va="center",
                       color=SOFT, fontsize=8)  # fmt: skip
    right.set_yticks(range(len(CATALOGUE)), [family.name for family in CATALOGUE], fontsize=8)
    right.set_ylim(len(CATALOGUE) - 0.4, -0.6)
    right.margins(x=0.12)
    for axes in (left, right):
        charts.tidy(axes, "x")
    return figure


def _thresholds(axes: Axes) -> None:
    """Where a shift begins to be noticeable, and large."""
    for value, line in ((LIMITED, ":"), (LARGE, "--")):
        axes.axvline(value, color=ALARM, lw=1, ls=line)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(f"{value:g}", (value, 1), (0, 3), ha="center", color=ALARM, fontsize=8, **place)
    charts.head(axes, axes.get_title("left"), 20)


def _stability(axes: Axes, stability: float | None, folds: int) -> None:
    """A gauge of the share of top columns that rolling folds have in common."""
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    charts.head(axes, stability_in_words(stability, folds))
    axes.barh(0, 1, 0.6, color=PALE)
    if stability is not None:
        axes.barh(0, stability, 0.6, color=OF_SET["train"] if stability >= STABLE else ALARM)
    axes.axvline(STABLE, color=INK, lw=2)
    charts.unit(axes, f"mean over all couples of folds; the line is the target, {STABLE:.0%}")
    axes.spines[:].set_visible(False)


def stability_in_words(stability: float | None, folds: int) -> str:
    """The stability, or why there is none."""
    if stability is not None:
        return f"Stability over {folds} folds: {stability:.0%} of the top {TOP} in common"
    if folds == 1:
        return "Stability not measured: there is only one fold"
    return "Stability not measured: period shorter than a fold, or no folds asked for"


def _in_folds(folds: int) -> str:
    return f"; ticks and line: the {folds} rolling folds" if folds else "; no folds, hence no spread"
