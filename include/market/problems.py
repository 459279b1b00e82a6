"""Every way in which a source of bars can be refused: the one list of codes and remedies.

`docs/market_data.md` holds this list as ``python -m include.market.problems`` prints it; a test compares
both, and another builds a bad file for every code.
"""

from __future__ import annotations

from glob import escape
from pathlib import PurePosixPath
from typing import NamedTuple

import yaml

from include.errors import BadInput


class Problem(NamedTuple):
    """A kind of bad input: a stable code, what it means, and what the user can do."""

    code: str
    meaning: str
    remedy: str


FORMS = (
    "2024-07-03 09:00:00 (with - . or / in the date), 20240703 090000, 03.07.2024 09:00, each with "
    "a fraction, Z or an offset such as +02:00 if need be; or seconds, milli-, micro- or nanoseconds "
    "since 1970"
)
_LONGEST = 300  # characters of a message that come from the file
ZONE_CHOICES = "utc, est-fixed, histdata, new-york, new-york+7, or an IANA name such as Europe/Athens"

GROUPS: dict[str, tuple[Problem, ...]] = {
    "Folder and file": (
        Problem("no-folder", "the folder does not exist", "Give the folder that holds the files."),
        Problem(
            "no-files",
            "no file in the folder is named after a pair",
            "Name each file after its pair, for example eurusd.parquet or DAT_ASCII_EURUSD_M1_2018.csv; "
            "subfolders are not searched.",
        ),
        Problem("no-such-file", "the file does not exist", "Check the path and broken links."),
        Problem(
            "is-a-folder", "a folder where a file is expected", "Give one file per pair, not a data set."
        ),
        Problem("not-a-regular-file", "a pipe, socket or device", "Copy the data into a regular file."),
        Problem(
            "not-readable",
            "the file cannot be opened",
            "Give this user read permission (chmod a+r; on S3 s3:ListBucket, s3:GetObject).",
        ),
        Problem("ambiguous-name", "the name holds two pairs", "Name the file after exactly one pair."),
        Problem(
            "mixed-files",
            "files of one pair record different prices",
            "Keep those of one price (bid, ask or mid), and move the others elsewhere.",
        ),
        Problem(
            "pair-missing",
            "a pair that was asked for has no file",
            "Add its file, ask for other pairs, or derive crosses from dollar legs.",
        ),
        Problem(
            "declaration-wrong",
            "bars.yaml says something that cannot be",
            'Write lines such as "EURUSD*.csv": {clock: new-york+7, price_side: bid, unit: points}.',
        ),
        Problem(
            "years-not-consecutive", "yearly files with a hole", "Add the missing period, or load apart."
        ),
        Problem(
            "files-overlap",
            "files of one pair contradict each other",
            "Find out which is right, and cut the other so that it lacks these minutes.",
        ),
        Problem(
            "wrong-pair-name", "the file is named after another pair", "Rename it or pass the right pair."
        ),
        Problem("wrong-extension", "the name ends unlike the content", "Rename it to .parquet or .csv."),
        Problem("no-bars", "an archive or a report without bars", "Put the file of the bars beside it."),
        Problem("empty-file", "the file holds nothing", "Download or export it again."),
        Problem("lfs-pointer", "a Git LFS pointer, not the data", "Run `git lfs pull` where it came from."),
        Problem(
            "archive",
            "a packed file or spreadsheet that cannot be read",
            "Unpack it, or save as CSV; .csv.gz and .zip are read under these endings.",
        ),
        Problem("html-page", "a web page saved as data", "Download again; the site answered with a page."),
        Problem("json-text", "JSON, not CSV", "Export as CSV or Parquet."),
    ),
    "Text": (
        Problem("utf16", "text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 in.csv > out.csv."),
        Problem("nul-byte", "a zero byte in text", "The file is damaged: copy or download it again."),
        Problem("not-utf8", "bytes that are no UTF-8", "Save as UTF-8; if it is damaged, download it again."),
        Problem(
            "unreadable-csv",
            "rows that cannot be split",
            "Look for missing line ends and stray quotation marks.",
        ),
        Problem(
            "format-unknown",
            "no known format",
            "Use Parquet, HistData ASCII, MetaTrader or Dukascopy CSV, or a table with a header that names "
            "time, open, high, low and close; see docs/market_data.md.",
        ),
        Problem(
            "header-missing",
            "rows without their header",
            "Put the provider's header line back; where there is none, write one that names the columns, "
            "such as time,open,high,low,close,volume,spread.",
        ),
        Problem(
            "header-repeated", "the header stands among the rows", "Remove it; files were joined by hand."
        ),
        Problem("no-rows", "a header and no rows", "Export again with data, or remove the file."),
        Problem(
            "blank-line", "an empty line among the rows", "Remove it; check whether rows were lost there."
        ),
        Problem(
            "column-count", "too many or too few cells", "Repair the row; the file may have been cut off."
        ),
        Problem("mixed-delimiters", "two delimiters in one file", "Use one delimiter for the whole file."),
        Problem("decimal-comma", "a comma as decimal mark", "Export with a decimal point."),
        Problem("thousands-separator", "a separator between thousands", "Export plain numbers: 1234.5."),
        Problem("not-a-number", "a cell that is no number", "Repair the cell, or leave the row out."),
        Problem("bad-time", "a time that cannot be read", f"Write all times in one form: {FORMS}."),
    ),
    "Parquet": (
        Problem("parquet-truncated", "the end of the Parquet file is missing", "Copy or download it again."),
        Problem("parquet-damaged", "Parquet that cannot be decoded", "Copy or download it again."),
        Problem(
            "column-type",
            "a column of the wrong type",
            "Use float64 for prices, volume and spread, and timestamp with zone UTC for ts_utc.",
        ),
        Problem(
            "time-naive",
            "timestamps without a time zone",
            "Write ts_utc as timestamp[us, UTC] after converting the clock to UTC yourself, or say the clock "
            "in bars.yaml.",
        ),
        Problem("time-missing", "a row without time", "Remove the row or restore its time."),
    ),
    "Columns": (
        Problem("column-missing", "a required column is missing", "Export time, open, high, low and close."),
        Problem("column-unknown", "a column nobody asked for", "Remove it, or name it as the format does."),
        Problem("column-duplicate", "two columns of one name", "Keep one of them."),
        Problem("wrong-pair-symbol", "rows of another pair", "Load the file under the pair it names."),
        Problem("mixed-pairs", "rows of several pairs", "Split the file: one pair per file."),
    ),
    "Time": (
        Problem(
            "timezone-undeclared",
            "the format does not say its time zone",
            f"Declare the clock of the file: {ZONE_CHOICES}.",
        ),
        Problem("timezone-unknown", "no such time zone", f"Choose {ZONE_CHOICES}."),
        Problem(
            "timezone-contradicted",
            "rows state their offset from UTC, bars.yaml says another clock",
            "Take the clock out of bars.yaml.",
        ),
        Problem(
            "timezone-doubtful",
            "times that say UTC and may be on the clock of MetaTrader's server",
            "Say in bars.yaml beside the file which clock it shows, utc if it is right.",
        ),
        Problem(
            "local-time-missing",
            "a local time that the clock change skips",
            "The declared zone is not the clock of this file: declare the right one, or fixed UTC offsets.",
        ),
        Problem(
            "local-time-ambiguous",
            "a local time that the clock change repeats",
            "Export in UTC: the local clock shows this hour twice.",
        ),
        Problem(
            "time-too-old", "a time before 1990", "Check the date format; remove rows of invented history."
        ),
        Problem("time-future", "a bar that has not ended yet", "Drop unfinished bars; check zone and clock."),
        Problem(
            "off-minute", "a time that is no whole minute", "Label each bar by the minute at which it opens."
        ),
        Problem("tick-data", "ticks, not bars", "Export 1-minute bars (M1) instead."),
        Problem("time-descending", "newest row first", "Sort the rows by time, oldest first."),
        Problem("time-unsorted", "a row older than the one before", "Sort by time; look for joined files."),
        Problem(
            "time-duplicate",
            "two rows of one minute that differ",
            "Keep one row per minute; find out which is right.",
        ),
        Problem("not-one-minute", "bars longer than a minute", "Export 1-minute bars (M1) throughout."),
        Problem(
            "weekend-bars",
            "bars while the market is closed",
            "Declare the right clock, for a file that states a wrong one in bars.yaml, or export without "
            "weekend fillers.",
        ),
        Problem(
            "filler-bars", "bars without a quote", "Export with flat bars filtered out; gaps have no row."
        ),
    ),
    "Prices": (
        Problem("price-missing", "an empty price", "Remove the row: a minute without a quote has no row."),
        Problem(
            "price-not-finite", "a price that is NaN or infinite", "Remove the row or restore its price."
        ),
        Problem("price-zero", "a price of zero", "Remove the row: a minute without a quote has no row."),
        Problem("price-negative", "a negative price", "Repair or remove the row."),
        Problem("high-below-low", "high below low", "Check the order of the columns; repair the row."),
        Problem("high-below-open", "high below open", "Repair the row from the source; do not clip."),
        Problem("high-below-close", "high below close", "Repair the row from the source; do not clip."),
        Problem("low-above-open", "low above open", "Repair the row from the source; do not clip."),
        Problem("low-above-close", "low above close", "Repair the row from the source; do not clip."),
        Problem("price-inverted", "the pair the other way round", "Invert: 1/price, and swap high and low."),
        Problem(
            "price-scaled",
            "prices times a power of ten",
            "Divide by the scale of the export; check the pair.",
        ),
        Problem("price-level", "prices of some other instrument", "Check which pair the file really holds."),
        Problem("price-jump", "a price twice or half the last close", "Repair or remove the row."),
        Problem("price-constant", "one price throughout", "Export again: the feed was dead."),
        Problem(
            "triangle-broken", "pairs that contradict each other", "Find the file that holds another pair."
        ),
    ),
    "Volume and spread": (
        Problem("volume-not-finite", "an infinite volume", "Leave the cell empty where volume is unknown."),
        Problem("volume-negative", "a negative volume", "Leave the cell empty where volume is unknown."),
        Problem("volume-not-whole", "a fraction of a tick", "Export the tick count, not the traded amount."),
        Problem("spread-not-finite", "an infinite spread", "Leave the cell empty where spread is unknown."),
        Problem(
            "spread-implausible",
            "a spread too wide or too narrow for the price",
            "Give ask - bid in price units, or say its unit in bars.yaml.",
        ),
        Problem(
            "spread-unit-unknown",
            "a spread whose unit cannot be told",
            "Say its unit in bars.yaml beside the file: price, pips or points.",
        ),
    ),
}

PROBLEMS: dict[str, Problem] = {problem.code: problem for group in GROUPS.values() for problem in group}


def as_markdown() -> str:
    """The list for `docs/market_data.md`, one table per group."""
    parts = []
    for group, members in GROUPS.items():
        rows = "\n".join(f"| `{code}` | {meaning} | {remedy} |" for code, meaning, remedy in members)
        parts.append(f"### {group}\n\n| code | what is wrong | what to do |\n| --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def bad(
    code: str, source: str, detail: str, *, row: int | None = None, count: int = 1, line: str = ""
) -> BadInput:
    """Make the error of a known kind; the caller raises it.

    Args:
        code: key of `PROBLEMS`.
        source: path of the file, as the user gave it.
        detail: what is wrong here, a sentence without its full stop.
        row: 1-based data row of the first offence.
        count: how many rows offend in all.
        line: what ``bars.yaml`` should say of the file, for example ``clock: new-york+7``; the message shows
            the whole line, ready to be pasted.
    """
    if len(detail) > _LONGEST:
        detail = f"{detail[:_LONGEST]}..."
    more = f" ({count:,} rows in all)" if count > 1 else ""
    remedy = PROBLEMS[code].remedy
    if line:
        name = escape(PurePosixPath(source).name)
        pattern = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=10_000).strip()
        remedy = f"{remedy} A line of bars.yaml for it: {pattern}: {{{line}}}"
    return BadInput(source, f"{detail}{more}.", remedy, row=row, code=code)


if __name__ == "__main__":
    print(as_markdown(), end="")
