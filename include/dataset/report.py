"""The report of a data set: one page without outside parts, and its figures as pictures beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from include import charts, pages
from include.charts import Drawn
from include.dataset import figures, overview
from include.dataset.evidence import FEATURES
from include.dataset.figures import STABLE, TOP, no_skill
from include.dataset.frame import Frame
from include.dataset.manifest import Manifest
from include.dataset.overview import LARGE, LIMITED
from include.dataset.profile import PairProfile
from include.dataset.select import MAX_NULL, MAX_RHO, Selection, bucket
from include.dataset.split import EMBARGO, PURGE, SETS, Interval
from include.dataset.targets import HORIZONS
from include.errors import BadParameter
from include.features.arrays import Floats
from include.reports import INDEX

__all__ = ["GENERATOR", "draw"]

GENERATOR = "bqx data set report"
TEMPLATE = Path(__file__).with_name("report.html.j2")
LISTED = 15  # columns with most NULL, and closest couples of columns
ODD = 0.15  # by how much a target's spread may differ from that of no skill without a note
NONE = "\N{EN DASH}"  # for a number that is not defined


class ColumnRow(NamedTuple):
    """One line of the table of selected columns."""

    rank: int
    name: str
    formula: str
    bucket: str
    colour: str
    importance: str
    width: float  # percent of the largest importance
    nulls: str
    worst_pair: str
    shifts: tuple[tuple[str, str], ...]  # of validation and test: the number and its class of style


def draw(
    frame: Frame,
    profiles: Sequence[PairProfile],
    selection: Selection,
    rho: Floats,
    stability: float | None,
    manifest: Manifest,
) -> dict[str, bytes]:
    """Draw the page, and every figure as a picture.

    The same arguments give the same bytes.

    Args:
        frame: what the data set was to be.
        profiles: one per pair.
        selection: the chosen columns.
        rho: absolute correlations of the chosen columns, in their order, averaged over pairs.
        stability: of the ranking over rolling folds, None if there are fewer than two.
        manifest: what the data set is.

    Returns:
        The files by their names, the page `INDEX` first.

    Raises:
        BadParameter: the arguments do not belong together.
    """
    overview.check(profiles)
    chosen = len(selection.columns)
    if rho.shape != (chosen, chosen):
        raise BadParameter(f"correlations of shape {rho.shape} do not fit {chosen} selected columns")
    drawn = list(_drawn(frame, profiles, selection, rho, stability))
    page = _render(drawn, frame, profiles, selection, rho, stability, manifest)
    pictures = {f"{number}_{figure.name}.png": figure.picture for number, figure in enumerate(drawn, 1)}
    return {INDEX: page.encode(), **pictures}


def _drawn(
    frame: Frame,
    profiles: Sequence[PairProfile],
    selection: Selection,
    rho: Floats,
    stability: float | None,
) -> Iterator[Drawn]:
    """The figures, drawn one after the other."""
    yield Drawn(
        "coverage",
        "Coverage",
        f"How much of each family is known for each pair. The paler the better; orange is below the "
        f"{1 - MAX_NULL:.0%} that selection asks of a column. Hatched is no gap: the pair never has that "
        "input, such as volume or a sister pair, and a model can do nothing about it.",
        charts.png(figures.coverage(profiles)),
    )
    yield Drawn(
        "missing",
        "Missing data",
        "The first months have more NULL where long windows begin with the first bars. A later month that "
        "stands out, or many filled rows, mean holes in the source.",
        charts.png(figures.missing(profiles)),
    )
    yield Drawn(
        "shift",
        "Shift against train",
        "Population stability index: the sum over bins of (a \N{MINUS SIGN} b) ln(a / b), where a and b are "
        f"the shares of later and of training rows in a bin. Below {LIMITED} hardly anything moved; from "
        f"{LARGE} on a model meets values that it seldom saw. Calendar columns shift by their nature.",
        charts.png(figures.shift(profiles, selection.columns)),
    )
    yield Drawn(
        "correlation",
        "Correlation",
        "Dark blocks are columns that say the same. Framed are the buckets; inside, columns that resemble "
        f"each other stand together. Off the diagonal nothing exceeds {MAX_RHO}: of two such columns the "
        "selection keeps the better. Click to enlarge and read the names.",
        charts.png(figures.correlation(rho, selection.columns), sharp=200),
    )
    yield Drawn(
        "importance",
        "Importance and stability",
        "What a forest per pair learned about the five targets, from training rows. Short lines mean that "
        f"rolling folds agree on a column; the bar on top, that they agree on the best {TOP}. Hatched "
        "columns were left out in spite of their rank; the reasons are at the end of the page.",
        charts.png(figures.importance(selection, profiles, stability)),
    )
    yield Drawn(
        "targets",
        "Targets",
        "Change of BQX until the horizon (window = horizon), in units of s, its recent volatility. Dashed: "
        "what comes out if nothing can be foreseen and volatility is constant, a standard deviation of "
        "\N{SQUARE ROOT}((2h + 1) / 3). Sets on one another saw alike markets; recorded markets have "
        "a higher peak and longer tails than the dashed curve.",
        charts.png(figures.targets(profiles)),
    )
    yield Drawn(
        "timeline",
        "Split in time",
        "The boundaries are the same for all pairs. Before each (\N{BLACK DOWN-POINTING TRIANGLE}) nobody "
        "has rows: "
        f"{PURGE} minutes in which labels would reach across, and {EMBARGO} more. Folds lie wholly in the "
        "training set.",
        charts.png(figures.timeline(frame.split, frame.folds)),
    )
    yield Drawn(
        "quotas",
        "Quotas",
        "Each bucket takes its best columns up to its quota. A bar that ends before its line had no more "
        "columns worth taking, one that passes it took places that others left.",
        charts.png(figures.quotas(selection)),
    )


def _render(
    drawn: Sequence[Drawn],
    frame: Frame,
    profiles: Sequence[PairProfile],
    selection: Selection,
    rho: Floats,
    stability: float | None,
    manifest: Manifest,
) -> str:
    return pages.template(TEMPLATE, percent=_percent).render(
        generator=GENERATOR,
        frame=frame,
        manifest=manifest,
        selection=selection,
        period=str(Interval(frame.start, frame.end)),
        days=round((frame.end - frame.start) / 1440),
        sets=[(charts.WORDS[name], *_of_set(name, frame, profiles, manifest)) for name in SETS],
        megabytes=f"{sum(part.bytes for part in manifest.files) / 1e6:,.1f}",
        stability=NONE if stability is None else _percent(stability),
        stable=stability is not None and stability >= STABLE,
        target=_percent(STABLE),
        notes=list(_notes(frame, profiles, selection, stability)),
        figures=drawn,
        worst=overview.worst_columns(profiles, LISTED),
        closest=overview.closest(rho, selection.columns, LISTED),
        columns=_columns(profiles, selection),
        dropped=[
            (name, f"{selection.importance[name]:.6f}", selection.dropped[name])
            for name in _by_importance(selection, selection.dropped)
        ],
    )


def _of_set(
    name: str, frame: Frame, profiles: Sequence[PairProfile], manifest: Manifest
) -> tuple[str, int, int]:
    """When a set is, its trainable rows, and those in the files."""
    interval = getattr(frame.split, name)
    return str(interval), sum(one.rows[name] for one in profiles), int(manifest.splits[name]["rows"])


def _notes(
    frame: Frame, profiles: Sequence[PairProfile], selection: Selection, stability: float | None
) -> Iterator[str]:
    """What somebody who reads nothing else should know."""
    if selection.note:
        yield selection.note[0].upper() + selection.note[1:] + "."
    if frame.is_cut_in_trading_time:
        yield "The period is cut by its trading time; by the clock a set would hold no trading day."
    if frame.columns == "all":
        yield "The files hold every column, not only the selected ones that this page is about."
    if stability is None or stability < STABLE:
        words = figures.stability_in_words(stability, len(frame.folds))
        yield f"{words}." if stability is None else f"{words}; {_percent(STABLE)} or more is the target."
    yield from _absent(profiles)
    yield from _shifted(profiles, selection)
    yield from _odd_targets(profiles)


def _absent(profiles: Sequence[PairProfile]) -> Iterator[str]:
    told = overview.coverage(profiles)
    for family, absent, columns in zip(told.families, told.absent.T, told.columns, strict=True):
        pairs = int((absent > 0).sum())
        if pairs:
            most = f"all {columns}" if absent.max() == columns else f"{absent.max()} of {columns}"
            yield f"{family}: {most} columns are never known in {pairs} of {len(profiles)} pairs (no input)."


def _shifted(profiles: Sequence[PairProfile], selection: Selection) -> Iterator[str]:
    larger = dict(zip(profiles[0].columns, overview.shift(profiles).larger.tolist(), strict=True))
    moved = sorted(
        (name for name in selection.columns if larger[name] >= LARGE), key=lambda name: -larger[name]
    )
    if moved:
        more = " and others" if len(moved) > 5 else ""
        yield (
            f"{len(moved)} of {len(selection.columns)} selected columns shift by {LARGE} or more against "
            f"train in the median pair: {', '.join(moved[:5])}{more}."
        )


def _odd_targets(profiles: Sequence[PairProfile]) -> Iterator[str]:
    for name in SETS:
        values = overview.pooled_targets(profiles, name)
        told = [
            f"{each.std():.2f} instead of {no_skill(h):.2f} at {h} minutes"
            for h, each in zip(HORIZONS, values, strict=True)
            if each.size and abs(each.std() / no_skill(h) - 1) > ODD
        ]
        if told:
            yield f"Targets of the {charts.WORDS[name]} set spread unlike no skill: {', '.join(told)}."


def _columns(profiles: Sequence[PairProfile], selection: Selection) -> list[ColumnRow]:
    place = {name: number for number, name in enumerate(profiles[0].columns)}
    nulls = overview.null_share(profiles)
    shift = overview.shift(profiles).middle
    ranked = _by_importance(selection, selection.columns)
    largest = max((selection.importance[name] for name in ranked), default=0.0) or 1.0
    rows = []
    for rank, name in enumerate(ranked, 1):
        column, group = place[name], bucket(FEATURES[name])
        worst = int(nulls[:, column].argmax())
        rows.append(
            ColumnRow(
                rank=rank,
                name=name,
                formula=FEATURES[name].formula,
                bucket=charts.WORDS[group],
                colour=charts.OF_BUCKET[group],
                importance=f"{selection.importance[name]:.5f}",
                width=round(100 * selection.importance[name] / largest, 1),
                nulls=_percent(float(nulls[:, column].mean())),
                worst_pair=f"{profiles[worst].pair.upper()} {_percent(float(nulls[worst, column]))}",
                shifts=tuple(_graded(float(value)) for value in shift[:, column]),
            )
        )
    return rows


def _by_importance(selection: Selection, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (-selection.importance[name], name))


def _graded(value: float) -> tuple[str, str]:
    if math.isnan(value):
        return NONE, "zero"
    return f"{value:.3f}", "alarm" if value >= LARGE else "warn" if value >= LIMITED else ""


def _percent(value: float) -> str:
    """As many digits as tell it from 0."""
    return f"{value:.2%}" if 0 < value < 0.01 else f"{value:.1%}".replace(".0%", "%")
