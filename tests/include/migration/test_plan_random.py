"""The plan for random catalogs: never a wrong table, never a taken name, nothing left after it."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.migration import names
from include.migration.model import AT_WORK, Rename
from include.migration.plan import Options, classify
from include.migration.snapshot import Relation, Snapshot
from include.names import LEGACY
from include.pairs import PAIRS
from tests.include.migration.catalogs import STAMP, Maker, applied, bound_of, legacy_columns, our_columns

TRIED = ["eurusd", "usdjpy"]
MONTHS = ["2024-01", "2024-02", "2024-03"]
DECOYS = ["regime_eurusd", "reg_rate_eurusd", "reg_xauusd", "m1_eurusd", "technical_features_eurusd"]
families, pairs = st.sampled_from([*LEGACY]), st.sampled_from(TRIED)

# The rule for names written out again, so that a slip in the code cannot hide in the test.
LEGACY_TABLE = re.compile(
    r"(reg|(statistics|bollinger|fibonacci|volume|spread|correlation)_features)"
    rf"_({'|'.join(PAIRS)})(_[0-9]{{4}}_[0-9]{{2}})?"
)
RATE_PREFIX = re.compile(r"^(statistics|bollinger|fibonacci|volume|spread|correlation)_rate_")


@st.composite
def catalogs(draw: st.DrawFn) -> Snapshot:
    """Databases in any state between untouched and done, with anything in the way."""
    maker = Maker()
    for family, pair in draw(st.lists(st.tuples(families, pairs), max_size=6)):
        _grow(draw, maker, family, pair)
    for family, pair in draw(st.lists(st.tuples(families, pairs), max_size=3)):
        parent = draw(st.sampled_from([names.old_parent, names.new_parent]))(family, pair)
        name = parent + draw(st.sampled_from(["", "_2024_01", "_pkey"]))
        if name not in maker.relations:
            maker.relation(name, draw(st.sampled_from("rvmiS")))
    for name in draw(st.sets(st.sampled_from(DECOYS))):
        maker.tree(name, legacy_columns("reg_idx"))
    for pair in draw(st.sets(pairs)):
        maker.tree(f"reg_bqx_{pair}", {"ts_utc": STAMP, "w15_r2": "NUMERIC", "agg_r2": "NUMERIC"})
    tables = [name for name, relation in maker.relations.items() if relation.kind == "p"]
    if tables:
        maker.extra["filled"] = frozenset(draw(st.sets(st.sampled_from(tables))))
    return maker.snapshot()


def _grow(draw: st.DrawFn, maker: Maker, family: str, pair: str) -> None:
    """A parent of any generation, with partitions and indexes of any generation."""
    old, new = names.old_parent(family, pair), names.new_parent(family, pair)
    prefixes = [old, new, names.rate_parent(family, pair) or old]
    name = draw(st.sampled_from([old, *prefixes]))
    if name in maker.relations:
        return
    parent = maker.relation(name, draw(st.sampled_from("pppppprv")))
    if parent.kind != "p":
        return
    layouts = [legacy_columns(family), our_columns(family, pair), {"ts_utc": STAMP}]
    given_way = draw(st.sets(st.sampled_from(["w60_r2", "w90_r2"])))
    columns = draw(st.sampled_from(layouts))
    maker.columns[parent.oid] = {
        f"legacy_{column}" if column in given_way else column: kind for column, kind in columns.items()
    }
    if draw(st.booleans()):
        maker.owned[parent.oid] = frozenset(maker.columns[parent.oid]) - {"ts_utc"}
    else:
        maker.owned[parent.oid] = frozenset(draw(st.sets(st.sampled_from(["w60_r2", "w90_r2", "mean_20"]))))
    _hang(draw, maker, parent, old, new)
    for month in draw(st.sets(st.sampled_from(MONTHS))):
        prefix = draw(st.sampled_from([*prefixes, f"x_{old}", "odd"]))
        child = f"{prefix}_{month.replace('-', '_')}"
        if child not in maker.relations:
            _hang(draw, maker, maker.relation(child, "r", parent.oid, bound_of(month)), old, new)


def _hang(draw: st.DrawFn, maker: Maker, on: Relation, old: str, new: str) -> None:
    """Keys, indexes, sequences and checks under the old name, the new one, or absent."""
    suffix = on.name.removeprefix(old).removeprefix(new)
    spellings = st.sampled_from([on.name, old + suffix, new + suffix, ""])
    makes = {"{}_pkey": maker.key, "idx_{}": maker.index, "{}_seq": maker.sequence}
    for pattern, make in makes.items():
        chosen = draw(spellings)
        if chosen and pattern.format(chosen) not in maker.relations:
            make(on, pattern.format(chosen))
    if draw(st.booleans()):
        maker.check(on, f"{draw(st.sampled_from([old, new]))}_{'c' * draw(st.integers(1, 45))}")


@given(
    catalog=catalogs(),
    replace_empty=st.booleans(),
    accept_rate_names=st.booleans(),
    replace_built=st.booleans(),
)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_catalog(catalog, replace_empty, accept_rate_names, replace_built):
    options = Options(replace_empty, accept_rate_names, replace_built)
    plan = classify(catalog, TRIED, options)
    for batch in plan.batches:
        assert bool(batch.renames) == (batch.state in AT_WORK)
        assert replace_empty or replace_built or not batch.drop_first
        assert replace_built or batch.drop_first not in catalog.filled
        assert batch.drop_rows == (batch.drop_first in catalog.filled)
        parents = {r.oid for r in catalog.relations.values() if r.name in (batch.old, batch.new)}
        for rename in batch.renames:
            assert len(rename.new.encode()) <= 63
            _check_rename(catalog, rename, parents, accept_rate_names)
    after = applied(catalog, plan)  # fails on a name that is taken
    again = classify(after, TRIED, options)
    assert list(again.at_work) == []
    states = {(batch.family, batch.pair): batch.state for batch in again.batches}
    assert all(states[batch.family, batch.pair] == "done" for batch in plan.at_work)
    assert {name for name in catalog.relations if name in DECOYS} == {
        n for n in after.relations if n in DECOYS
    }


def _check_rename(catalog: Snapshot, rename: Rename, parents: set[int], accept_rate_names: bool) -> None:
    if rename.kind == "column":
        assert rename.new == f"legacy_{rename.old}"
        assert rename.oid in parents
    elif rename.kind in ("table", "partition"):
        assert catalog.relations[rename.old].oid == rename.oid
        assert _root(catalog, rename.oid) in parents
        old = RATE_PREFIX.sub(r"\1_features_", rename.old) if accept_rate_names else rename.old
        assert LEGACY_TABLE.fullmatch(old)
        regular = old.replace("_features_", "_idx_", 1)
        assert rename.new == (regular if regular != old else "reg_idx_" + old.removeprefix("reg_"))
    else:
        (item,) = (i for i in catalog.items if (i.kind, i.oid) == (rename.kind, rename.oid))
        assert item.name == rename.old
        assert _root(catalog, item.on) in parents


def _root(catalog: Snapshot, oid: int) -> int:
    above = {relation.oid: relation.parent for relation in catalog.relations.values()}
    while above[oid]:
        oid = above[oid]
    return oid
