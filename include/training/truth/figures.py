"""The figures of the leaderboard, each drawn from scores and day sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from include import charts
from include.charts import ALARM, COLOURS, INK, LINE, PALE, SOFT
from include.training.truth.groups import VOLATILITIES
from include.training.truth.looks import Estimate
from include.training.truth.reduced import Cloud, Reduced, name_of
from include.training.truth.scores import Block, Fold
from include.training.truth.verdicts import SKILL, SUSPICIOUS

__all__ = ["NOMINAL", "TOLERANCE", "backtest", "coverage", "importance", "predicted", "skill"]

NOMINAL = 0.90  # share of actual values that intervals should hold
TOLERANCE = 0.03
SHOWN = 25  # columns of the figure of importance


def skill(blocks: Sequence[Block]) -> Figure:
    """Skill on test with its interval by pair and horizon; 0 is the no-skill forecast.

    The axis fits what is not suspicious; a suspicious result beyond its end is drawn there, with its value.
    """
    pairs, models, horizons = _keys(blocks)
    figure = charts.blank(2.0 + 0.27 * max(len(pairs), 3))
    grid = figure.add_gridspec(1, len(horizons))
    panels = [charts.panel(figure, grid[place], f"h{h}", f"{h} minutes") for place, h in enumerate(horizons)]
    usual = [end for block in blocks if block.verdict != SUSPICIOUS for end in _ends(block.whole.skill)]
    reach = max([0.01, *(1.1 * abs(end) for end in usual)])
    for block in blocks:
        shift = (models.index(block.model) - (len(models) - 1) / 2) * 0.7 / len(models)
        axes = panels[horizons.index(block.h)]
        colour = ALARM if block.verdict == SUSPICIOUS else _colour(models, block.model)
        _dot(axes, block, pairs.index(block.pair) + shift, colour, reach)
    for place, axes in enumerate(panels):
        axes.axvline(0, color=INK, lw=1, zorder=1)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(len(pairs) - 0.4, -0.6)
        axes.set_yticks(range(len(pairs)), [pair.upper() for pair in pairs] if place == 0 else [])
        axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
        charts.tidy(axes, "x")
        charts.unit(axes, "skill")
    keys = [
        *_lines(models),
        Line2D([], [], color=SOFT, marker="o", mfc="white", label="hollow: not shown to be skill"),
    ]
    keys += [Line2D([], [], color=SOFT, marker="o", label="filled: skill")]
    keys += [Line2D([], [], color=ALARM, marker="X", label="suspicious")]
    charts.legend(figure, [*keys, Line2D([], [], color=INK, label="no-skill forecast")], 3)
    return figure


def _dot(axes: Axes, block: Block, row: float, colour: str, reach: float) -> None:
    low, high = _ends(block.whole.skill)
    value, suspicious = block.whole.skill.value, block.verdict == SUSPICIOUS
    axes.hlines(row, low, high, color=colour, lw=1.3)
    if suspicious and abs(value) > reach:
        edge = float(np.copysign(0.92 * reach, value))
        axes.text(edge - np.copysign(0.12 * reach, value), row, f"{value:.2f}", color=ALARM, fontsize=7.5,
                  ha="right" if value > 0 else "left", va="center")  # fmt: skip
        value = edge
    filled = suspicious or block.verdict == SKILL
    axes.plot(value, row, "X" if suspicious else "o", ms=6 if suspicious else 4, mew=1.2,
              mfc=colour if filled else "white", mec=colour, zorder=3)  # fmt: skip


def predicted(jobs: Sequence[Reduced]) -> Figure:
    """Predicted against actual change, and what came by tenths of what the model adds; pairs together."""
    models = sorted({job.model for job in jobs})
    windows = jobs[0].sets["test"].windows
    figure = charts.blank(2.5 * (len(models) + 1))
    grid = figure.add_gridspec(len(models) + 1, len(windows))
    for column, (_, h) in enumerate(windows):
        below = charts.panel(figure, grid[len(models), column], f"tenths{h}", f"{h} minutes")
        for row, model in enumerate(models):
            own = [job.cloud for job in jobs if job.model == model]
            axes = charts.panel(figure, grid[row, column], f"{model}{h}", f"{h} minutes")
            _cloud(axes, own, column)
            foreseen = np.nanmean([cloud.foreseen[column] for cloud in own], axis=0)
            came = np.nanmean([cloud.came[column] for cloud in own], axis=0)
            below.plot(foreseen, came, "o-", ms=3.5, lw=1.2, color=_colour(models, model))
            if column == 0:
                axes.set_ylabel(f"{name_of(model)}\nactual change", color=SOFT, fontsize=9)
        _diagonal(below)
        charts.unit(below, "added to no skill")
        if column == 0:
            below.set_ylabel("came beyond no skill", color=SOFT, fontsize=9)
    keys = [*_lines(models), Line2D([], [], color=SOFT, ls="--", label="as predicted")]
    charts.legend(figure, [*keys, Line2D([], [], color=INK, label="no-skill forecast")], 4)
    return figure


def _cloud(axes: Axes, clouds: Sequence[Cloud], column: int) -> None:
    edges = clouds[0].edges[column]
    counts = np.sum([cloud.counts[column] for cloud in clouds], axis=0)
    shown = np.ma.masked_equal(counts.T, 0)
    axes.pcolormesh(
        edges, edges, shown, cmap=charts.LIKENESS, norm=LogNorm(1, max(int(counts.max()), 2)), rasterized=True
    )
    axes.plot(edges[[0, -1]], edges[[0, -1]], "--", color=SOFT, lw=1)
    axes.set_aspect("equal")
    charts.unit(axes, "predicted change, s")


def importance(jobs: Sequence[Reduced]) -> Figure:
    """The columns that matter most, mean over pairs and horizons, and how far folds agree."""
    models = sorted({job.model for job in jobs})
    figure = charts.blank(2.2 + 0.2 * SHOWN)
    grid = figure.add_gridspec(1, len(models))
    for place, model in enumerate(models):
        own = [job for job in jobs if job.model == model]
        shares: dict[str, list[tuple[float, float]]] = {}
        for job in own:
            means = zip(job.importance.shap.mean(axis=0), job.importance.gain.mean(axis=0), strict=True)
            for name, (shap, gain) in zip(job.importance.columns, means, strict=True):
                shares.setdefault(name, []).append((float(shap), float(gain)))
        mean = {name: np.sum(values, axis=0) / len(own) for name, values in shares.items()}
        best = sorted(mean, key=lambda name: (-mean[name][0], name))[:SHOWN]
        rows = np.arange(len(best))
        title = f"{name_of(model)}: {stability_in_words(own)}"
        axes = charts.panel(figure, grid[place], f"importance_{model}", title)
        axes.barh(rows, [mean[name][0] for name in best], 0.7, color=_colour(models, model))
        axes.plot([mean[name][1] for name in best], rows, "|", color=INK, ms=9, mew=1.6)
        axes.set_yticks(rows, best, fontsize=7.5)
        axes.set_ylim(max(len(best), 1) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
        charts.unit(axes, "share, mean over pairs and horizons")
        charts.tidy(axes, "x")
    keys = [
        Patch(color=_colour(models, model), label=f"contribution (SHAP), {name_of(model)}")
        for model in models
    ]
    charts.legend(figure, [*keys, Line2D([], [], color=INK, marker="|", lw=0, ms=9, label="gain")], 3)
    return figure


def stability_in_words(jobs: Sequence[Reduced]) -> str:
    """How far models of other days, folds or parts of train, agree on the best 50 columns."""
    known = [job.importance.stability for job in jobs if not np.isnan(job.importance.stability)]
    if not known:
        return "nothing to compare with"
    return f"fits on other days share {np.mean(known):.0%} of the top 50"


def coverage(blocks: Sequence[Block]) -> Figure:
    """Share of actual values inside the 90 % intervals, by pair, and by tercile of volatility."""
    pairs, models, horizons = _keys(blocks)
    figure = charts.blank(2.0 + 0.22 * max(len(pairs), 12))
    grid = figure.add_gridspec(1, 2, width_ratios=(1.3, 1))
    left = charts.panel(figure, grid[0], "pairs", "By pair: dots are the horizons, %")
    right = charts.panel(figure, grid[1], "volatility", "By volatility: all pairs, median and range, %")
    for block in blocks:
        shift = (models.index(block.model) - (len(models) - 1) / 2) * 0.6 / len(models)
        left.plot(100 * block.whole.coverage.value, pairs.index(block.pair) + shift, "o", ms=3.5,
                  color=_colour(models, block.model))  # fmt: skip
    left.set_yticks(range(len(pairs)), [pair.upper() for pair in pairs])
    left.set_ylim(len(pairs) - 0.4, -0.6)
    steps = [(h, name) for h in horizons for name in VOLATILITIES]
    for row, (h, name) in enumerate(steps):
        for model in models:
            shares = _coverages(blocks, model, h, name)
            if shares:
                level = row + (models.index(model) - (len(models) - 1) / 2) * 0.6 / len(models)
                right.hlines(level, min(shares), max(shares), color=_colour(models, model), lw=1.3)
                right.plot(np.median(shares), level, "o", ms=4, color=_colour(models, model))
    right.set_yticks(range(len(steps)), [f"{h} minutes, {name}" for h, name in steps], fontsize=8)
    right.set_ylim(len(steps) - 0.4, -0.6)
    for axes in (left, right):
        axes.axvspan(100 * (NOMINAL - TOLERANCE), 100 * (NOMINAL + TOLERANCE), color=PALE, zorder=0)
        axes.axvline(100 * NOMINAL, color=INK, lw=1)
        charts.tidy(axes, "x")
    keys = [
        Line2D([], [], color=_colour(models, model), marker="o", label=name_of(model)) for model in models
    ]
    keys += [Line2D([], [], color=INK, label="90 % asked for")]
    charts.legend(figure, [*keys, Patch(color=PALE, label="within 3 points")], 4)
    return figure


def backtest(folds: Sequence[Fold]) -> Figure:
    """Skill of the folds over time, mean over horizons, one panel per pair."""
    pairs, models = sorted({fold.pair for fold in folds}), sorted({fold.model for fold in folds})
    columns = min(len(pairs), 2)
    lines = -(-len(pairs) // columns)
    figure = charts.blank(1.2 + 2.3 * lines)
    grid = figure.add_gridspec(lines, columns)
    reach = 0.01
    panels = []
    for place, pair in enumerate(pairs):
        axes = charts.panel(figure, grid[divmod(place, columns)], f"backtest_{pair}", pair.upper())
        panels.append(axes)
        for model in models:
            own = [fold for fold in folds if (fold.pair, fold.model) == (pair, model)]
            numbers = sorted({fold.number for fold in own})
            groups = [[fold for fold in own if fold.number == number] for number in numbers]
            days = [charts.days((group[0].first + group[0].last) / 2) for group in groups]
            values = [[fold.whole.skill.value for fold in group] for group in groups]
            colour = _colour(models, model)
            axes.plot(days, [np.mean(each) for each in values], "o-", ms=4, lw=1.4, color=colour)
            axes.vlines(days, [min(each) for each in values], [max(each) for each in values], color=colour,
                        alpha=0.35)  # fmt: skip
            reach = max([reach, *(1.1 * abs(value) for each in values for value in each)])
        charts.dated(axes)
        axes.spines["left"].set_visible(True)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        charts.tidy(axes, "y")
        axes.axhline(0, color=INK, lw=1)
    for axes in panels:
        axes.set_ylim(-reach, reach)
    keys = [
        Line2D([], [], color=_colour(models, model), marker="o", label=name_of(model)) for model in models
    ]
    keys += [Line2D([], [], color=LINE, lw=3, label="range over horizons")]
    charts.legend(figure, [*keys, Line2D([], [], color=INK, label="no-skill forecast")], 4)
    return figure


def _keys(blocks: Sequence[Block]) -> tuple[list[str], list[str], list[int]]:
    return (
        sorted({block.pair for block in blocks}),
        sorted({block.model for block in blocks}),
        sorted({block.h for block in blocks}),
    )


def _colour(models: Sequence[str], model: str) -> str:
    """Of a model; the colours of alarms and of no forecast are not among them."""
    return COLOURS[models.index(model) % (len(COLOURS) - 1)]


def _lines(models: Sequence[str]) -> list[Line2D]:
    """Keys of the legend, one per model."""
    return [
        Line2D([], [], color=_colour(models, model), marker="o", label=name_of(model)) for model in models
    ]


def _ends(estimate: Estimate) -> tuple[float, float]:
    """The ends of an interval, or the value twice where there is none."""
    if estimate.low is None or estimate.high is None:
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def _coverages(blocks: Sequence[Block], model: str, h: int, volatility: str) -> list[float]:
    """Percent, of all pairs that have rows of such volatility."""
    return [
        100 * group.coverage.value
        for block in blocks
        if (block.model, block.h) == (model, h)
        for group in block.groups
        if (group.by, group.name) == ("volatility", volatility) and np.isfinite(group.coverage.value)
    ]


def _diagonal(axes: Axes) -> None:
    """Equal scales about 0: the diagonal is as predicted, the horizontal is no skill."""
    lines = axes.get_lines()
    values = np.abs(np.concatenate([np.asarray(line.get_xydata()) for line in lines]))
    reach = 1.1 * float(np.nanmax(values, initial=1e-6))
    axes.plot((-reach, reach), (-reach, reach), "--", color=SOFT, lw=1, zorder=0)
    axes.axhline(0, color=INK, lw=1, zorder=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    charts.tidy(axes, "y")
