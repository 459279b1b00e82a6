"""Pages: a person can judge the plan from one page, and find every object in the whole."""

from __future__ import annotations

import csv
import io
import json

import pytest
from markdown_it import MarkdownIt

from include.migration import pages
from include.migration.model import Batch, Note, Plan
from include.migration.plan import Options, classify
from include.migration.snapshot import Snapshot
from include.names import LEGACY
from include.pairs import PAIRS
from tests.include.migration.catalogs import STAMP, Maker, applied, legacy_columns


@pytest.fixture(scope="module")
def maker() -> Maker:
    """Every pair and family, conflicts and remarks, and a sequence."""
    made = Maker()
    for pair in PAIRS:
        for family in LEGACY:
            made.legacy(family, pair)
        made.tree(f"reg_bqx_{pair}", {"ts_utc": STAMP, "w15_r2": "NUMERIC"})
    for pair in PAIRS[:12]:
        made.tree(f"volume_idx_{pair}", {"ts_utc": STAMP, "a": "NUMERIC"})
    made.ours("spread_idx", "eurusd")
    made.sequence(made.relations["reg_eurusd"], "reg_eurusd_seq")
    return made


@pytest.fixture(scope="module")
def plan(maker) -> Plan:
    kinds = ("function", "orphan", "kind", "odd name", "odd month", "default partition", "missing months")
    others = ("dependent", "other schema", "no target", "rate name", "compatibility view")
    notes = [Note(kind, f"bqx.{kind}_{i}", f"text {i % 2}") for kind in kinds + others for i in range(50)]
    found = classify(maker.snapshot(), options=Options(replace_empty=True))
    return found._replace(notes=tuple(notes))


def test_the_worst_page_has_at_most_60_lines(plan):
    page = pages.summary(plan, whole="http://here/plan.txt")
    assert len(page.splitlines()) <= 60
    assert page.endswith("The whole plan, object by object: http://here/plan.txt\n")


def test_the_page_says_what_counts_in_the_order_in_which_it_counts(plan):
    page = pages.summary(plan)
    assert plan.hash in page.splitlines()[0]
    assert "1 sequence," in page
    assert "Conflicts: 12." in page
    assert page.index("## Conflicts") < page.index("## Families") < page.index("## Notes")
    assert "**volume_idx of audcad**: volume_features_audcad and volume_idx_audcad both exist" in page
    assert "and 4 more in the whole plan" in page
    assert "| volume_idx | volume_features_{pair} | volume_idx_{pair} | 16 | 12 |" in page
    assert "Columns of reg_idx: `w60_r2, w90_r2` become `legacy_...`" in page
    assert "spread_idx of eurusd: an empty table of ours is dropped" in page
    assert "**orphan** (50): `bqx.orphan_0`" in page


def test_counts_of_the_page_are_those_of_the_plan(plan):
    row = next(line for line in pages.summary(plan).splitlines() if line.startswith("| reg_idx "))
    cells = [int(cell) for cell in row.strip("|").split("|")[3:]]
    assert cells == [28, 0, 28, 56, 84, 1, 56]


def test_nothing_to_rename_is_said(maker):
    empty = pages.summary(classify(Snapshot()))
    assert "**Nothing to rename**: this database has no legacy tables." in empty
    clean = Maker()
    clean.legacy("volume_idx")
    done = classify(applied(clean.snapshot(), classify(clean.snapshot())))
    assert "**Nothing to rename**: 1 tables are migrated already." in pages.summary(done)
    ours = Maker()
    ours.ours("volume_idx", "eurusd")
    assert "no legacy table is left to rename" in pages.summary(classify(ours.snapshot()))


def test_the_whole_text_names_every_object_and_begins_with_conflicts(plan):
    text = pages.table(plan)
    assert text.splitlines()[2].startswith("conflict     volume_idx of audcad")
    lines = set(text.splitlines())
    for batch in plan.at_work:
        for rename in batch.renames:
            on = f" (of {rename.on})" if rename.on else ""
            assert f"    {rename.kind:<10} {rename.old} -> {rename.new}{on}" in lines
    assert "    drop       spread_idx_eurusd, empty" in lines
    assert sum(line.startswith("    orphan ") for line in lines) == 50


def test_the_manifest_has_one_line_per_rename(plan):
    rows = list(csv.DictReader(io.StringIO(pages.manifest(pages.renames_of(plan)))))
    wanted = [(r.kind, r.old, r.new) for batch in plan.at_work for r in batch.renames]
    assert [(row["kind"], row["old_name"], row["new_name"]) for row in rows] == wanted


def test_a_plan_can_be_read_back_from_its_json_twin(plan):
    files = pages.of_plan(plan, whole="https://here/plan.txt")
    assert Plan.of(json.loads(files["plan.json"])) == plan
    assert "https://here/plan.txt" in files["plan.md"]
    assert (files["plan.txt"], set(files)) == (
        pages.table(plan), {"plan.txt", "plan.md", "plan.json", "manifest.csv"}
    )  # fmt: skip


def test_the_documentation_tells_old_from_new_with_counts(plan):
    before = {"reg_idx_eurusd": 1000, "reg_idx_gbpusd": 234}
    text = pages.documentation(plan, before=before, after=before, views=["reg_eurusd"])
    assert "| reg_idx | reg_{pair} | reg_idx_{pair} | 28 | 56 | 1,234 | 1,234 |" in text
    assert "| reg_eurusd | reg_idx_eurusd | 2 | 1,000 | 1,000 |" in text
    assert (
        "| bollinger_idx | bollinger_features_{pair} | bollinger_idx_{pair} | 28 | 56 | not counted |" in text
    )
    assert "- reg_idx renames 2: `w60_r2` -> `legacy_w60_r2`, `w90_r2` -> `legacy_w90_r2`" in text
    assert "- reg_idx keeps 54 legacy columns: rate_index, created_at, w60_a_coef" in text
    assert "- reg_bqx renames 1: `w15_r2` -> `legacy_w15_r2`" in text
    assert "- `bqx.reg_eurusd`" in text
    assert "volume_idx_audcad" not in text  # a conflict is not documented as migrated


def test_the_documentation_is_the_same_after_the_migration():
    made = Maker()
    made.tree("reg_eurusd", legacy_columns("reg_idx"))
    before = classify(made.snapshot())
    after = classify(applied(made.snapshot(), before))
    texts = [pages.documentation(plan).replace(plan.hash, "") for plan in (before, after)]
    assert texts[0] == texts[1]


def test_names_of_others_are_text_on_the_page() -> None:
    """A function or a view may be called whatever its owner likes."""
    name = "bqx.`![x](https://evil.example/x.png)<img src=x>`\n# Approve()"
    hostile = Plan(
        (Batch("volume_idx", "eurusd", "conflict", "a", "b", reason=f"{name} uses it"),),
        (Note("function", name, "text"), Note("dependent", "bqx.v", f"view, reads {name}")),
    )
    told = [
        pages.summary(hostile),
        pages.dropping(["bqx.v"], [name]),
        pages.preflight({"role": name}, [name]),
    ]
    for page in told:
        kinds = {
            child.type for token in MarkdownIt("js-default").parse(page) for child in token.children or ()
        }
        assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close"}
        assert "https://evil.example" in page.replace("\\", ""), "it is shown, as text"
        assert not any(line.startswith("# Approve") for line in page.splitlines())
