"""How figures look: colours, axes without clutter, dates in UTC, and a picture with stable bytes.

Colours are those of Okabe and Ito, which people tell apart whatever their colour vision. Only matplotlib's
objects are used, never its global state: figures may be drawn in threads and without a screen.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Literal, NamedTuple, Protocol

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

__all__ = [
    "ALARM", "COLOURS", "HATCHED", "INK", "LIKENESS", "LINE", "OF_BUCKET", "OF_SET", "PALE", "SKY", "SOFT",
    "WORDS", "Drawn", "blank", "corner", "dated", "days", "dress", "head", "key", "lattice", "legend",
    "panel", "percent", "png", "span", "tidy", "unit",
]  # fmt: skip

DAY = 1440  # minutes
WIDTH = 11.0  # inches
SHARP = 150  # dots per inch

INK, SOFT, LINE, PALE = "#1c2330", "#667085", "#d5dae3", "#eef1f6"
SKY, ALARM = "#56B4E9", "#D55E00"
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, ALARM)
OF_SET = {"train": BLUE, "val": ORANGE, "test": GREEN}
OF_BUCKET = {"rate": BLUE, "bqx": ORANGE, "dual": GREEN, "cross_pair": PURPLE, "time_regime": SKY}
WORDS = {
    "train": "train", "val": "validation", "test": "test", "rate": "rate", "bqx": "BQX", "dual": "dual",
    "cross_pair": "cross-pair", "time_regime": "time and regime",
}  # fmt: skip
HATCHED: dict[str, Any] = {"facecolor": PALE, "edgecolor": SOFT, "hatch": "////", "linewidth": 0}
LIKENESS = LinearSegmentedColormap.from_list("likeness", ("#ffffff", "#9cc4e4", "#0072B2", "#0b2a4a"))


class Interval(Protocol):
    """Minutes start <= t < end."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


class Drawn(NamedTuple):
    """A figure of a page.

    Attributes:
        name: of the place on the page, and with its number of the file.
        title: heading.
        words: what to look for.
        picture: PNG.
    """

    name: str
    title: str
    words: str
    picture: bytes

    @property
    def uri(self) -> str:
        """The picture as a part of the page."""
        return f"data:image/png;base64,{base64.b64encode(self.picture).decode()}"


def png(figure: Figure, sharp: int = SHARP) -> bytes:
    """The figure as a picture, in dots per inch; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=sharp, metadata={"Software": None})
    return stream.getvalue()


def blank(height: float) -> Figure:
    """An empty figure of the width of the page, so many inches high."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.03, hspace=0.04)
    return Figure(figsize=(WIDTH, height), layout=layout, facecolor="white")


def panel(figure: Figure, place: Any, label: str, title: str) -> Axes:
    """Axes with a title at the left; `label` is for whoever looks for them."""
    axes: Axes = figure.add_subplot(*place if isinstance(place, tuple) else (place,), label=label)
    dress(axes, title)
    return axes


def dress(axes: Axes, title: str) -> None:
    """A title at the left, quiet ticks, and lines at the left and below only."""
    head(axes, title)
    axes.tick_params(colors=INK, labelsize=8.5, length=3, color=LINE)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)


def tidy(axes: Axes, along: str) -> None:
    """Thin lines behind the data, along one axis."""
    axes.grid(True, axis="x" if along == "x" else "y", color=LINE, lw=0.6)
    axes.set_axisbelow(True)


def percent(axes: Axes) -> None:
    """Room above the bars for a legend, and an axis from 0 that reaches 1 % at least."""
    axes.set_ylim(0, max(1.3 * axes.get_ylim()[1], 1.0))


def legend(figure: Figure, handles: Sequence[Any], columns: int) -> None:
    """One legend for the whole figure, below it; a dollar sign in it is a dollar sign."""
    below = figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False,
                          fontsize=8.5, labelcolor=INK)  # fmt: skip
    for text in below.get_texts():
        text.set_parse_math(False)


def key(
    axes: Axes, place: Literal["upper right", "lower right"], handles: Sequence[Any] | None = None
) -> None:
    """The legend of one panel."""
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    axes.legend(handles=shown, loc=place, frameon=False, fontsize=8.5, labelcolor=INK)


def head(axes: Axes, title: str, pad: float = 10) -> None:
    """A title at the left, so many points above the panel."""
    axes.set_title(title, loc="left", fontsize=10.5, color=INK, fontweight="bold", pad=pad,
                   parse_math=False)  # fmt: skip


def unit(axes: Axes, text: str) -> None:
    """What the horizontal axis counts."""
    axes.set_xlabel(text, color=SOFT, fontsize=9)


def lattice(axes: Axes, shape: tuple[int, ...]) -> None:
    """White lines between the cells of a heat map, and nothing around it."""
    axes.set_xticks([place - 0.5 for place in range(shape[1] + 1)], minor=True)
    axes.set_yticks([place - 0.5 for place in range(shape[0] + 1)], minor=True)
    axes.grid(True, which="minor", color="white", lw=1.2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def corner(row: int, place: int) -> list[tuple[float, float]]:
    """Triangle in the upper right corner of a cell of a heat map."""
    right, top = place + 0.5, row - 0.5
    return [(right - 0.3, top), (right, top), (right, top + 0.35)]


def days(minute: float) -> float:
    """An epoch minute, or a number of minutes, as matplotlib counts time: in days since 1970."""
    return minute / DAY


def span(axes: Axes, interval: Interval, row: float, colour: str, height: float, text: str = "") -> None:
    """A bar from the start to the end of an interval, with a text inside."""
    width = days(interval.end - interval.start)
    axes.barh(row, width, height, days(interval.start), color=colour)
    if text:
        dark = colour == OF_SET["val"]
        axes.text(days(interval.start) + width / 2, row, text, ha="center", va="center",
                  color=INK if dark else "white", fontweight="bold", clip_on=True)  # fmt: skip


def dated(axes: Axes) -> None:
    """Ticks at round dates, UTC."""
    locator = dates.AutoDateLocator(tz=UTC, maxticks=10)  # type: ignore[no-untyped-call]  # matplotlib's
    formatter = dates.DateFormatter("%Y-%m-%d", tz=UTC)  # type: ignore[no-untyped-call]  # too
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
